"""Small dialogs: leaving, installing the helper, choosing model files, all keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input

from aitune_backends.loads.model_files import ModelError, ModelFiles, find_model
from aitune_tui.screens.dialog import Dialog
from aitune_tui.words import counted, file_size
from aitune_widgets.footer_bar import FooterBar, KeyHint
from aitune_widgets.lines import TextBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.widget import Widget

    from aitune_widgets.text import Line


class QuitDialog(Dialog[str]):
    """Asks before something staged is forgotten, or a trial is left to its timer.

    Its answer is `quit`, or `keep` to keep the trial first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "answer('quit')", show=False),
        Binding("K", "keep", show=False),
    ]

    def __init__(self, sentences: Sequence[str], *, can_keep: bool) -> None:
        super().__init__("Quit", id="quit-dialog")
        self._sentences = tuple(sentences)
        self._can_keep = can_keep

    def body(self) -> Iterator[Widget]:
        """What happens on leaving, and the keys."""
        yield TextBlock(*(((sentence, "fg"),) for sentence in self._sentences), ())
        bar = FooterBar()
        keep = (KeyHint("K", "keep it first", filled=True),) if self._can_keep else ()
        bar.show((*keep, KeyHint("q", "quit")), (KeyHint("Esc", "stay"),))
        yield bar

    def action_answer(self, answer: str) -> None:
        """Close with an answer."""
        self.dismiss(answer)

    def action_keep(self) -> None:
        """Keep the trial first."""
        if self._can_keep:
            self.dismiss("keep")


class ConfirmDialog(Dialog[bool]):
    """Sentences and one question: `y` or Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "yes", show=False)]

    def __init__(self, title: str, lines: Sequence[Line], verb: str) -> None:
        super().__init__(title, id="confirm-dialog")
        self._lines = tuple(lines)
        self._verb = verb

    def body(self) -> Iterator[Widget]:
        """The sentences and the keys."""
        yield TextBlock(*self._lines, ())
        bar = FooterBar()
        bar.show((KeyHint("y", self._verb, filled=True),), (KeyHint("Esc", "not now"),))
        yield bar

    def action_yes(self) -> None:
        """Agree."""
        self.dismiss(True)


class FilesDialog(Dialog[ModelFiles]):
    """Which model files a load test reads: a directory or a file."""

    def __init__(self, start: str) -> None:
        super().__init__("Choose model files", id="files-dialog")
        self._start = start

    def body(self) -> Iterator[Widget]:
        """The path, and what is found there."""
        yield TextBlock((("A directory with *.safetensors, a .gguf, or any file.", "dim"),))
        yield Input(self._start, id="model-path", compact=True)
        yield TextBlock(id="model-found")
        bar = FooterBar()
        bar.show((KeyHint("Enter", "take it"),), (KeyHint("Esc", "back"),))
        yield bar

    def on_mount(self) -> None:
        """The path takes the focus."""
        super().on_mount()
        self.query_one(Input).focus()

    def _look(self) -> ModelFiles | None:
        """What lies at the path; says it, or why there is nothing."""
        path = self.query_one(Input).value.strip()
        found: ModelFiles | None = None
        says: Line = ()
        try:
            found = find_model([path]) if path else None
        except ModelError as error:
            says = ((str(error), "failed"),)
        if found is not None:
            count = counted(len(found.files), "file")
            says = ((f"{found.name}: {count}, {file_size(found.bytes)}", "fg"),)
        self.query_one("#model-found", TextBlock).show((says,))
        return found

    @on(Input.Changed)
    def _changed(self) -> None:
        self._look()

    @on(Input.Submitted)
    def _submit(self) -> None:
        found = self._look()
        if found is not None:
            self.dismiss(found)


HELP: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Move",
        (
            ("↑ ↓ j k", "row"),
            ("← → h l", "cell, core"),
            ("Home End G", "first, last"),
            ("Tab", "next panel"),
            ("0 – 7", "page"),
            ("P", "this machine beside a profile; x copies it"),
            ("Esc", "back; on a setting that drifted: I have seen it"),
        ),
    ),
    (
        "Change",
        (
            ("Space", "stage the advised value, or take it back"),
            ("Enter", "choose a value; on 6 undo, on 7 plan what mends"),
            ("S", "stage everything advised on this page"),
            ("p", "plan what is staged; a in the plan writes"),
            ("u", "plan that undoes the last kept change"),
            ("K", "keep the trial"),
            ("R", "put the trial back"),
            ("-", "fold the trial"),
            ("M", "after a pool came out short: what may bring more pages"),
            ("w", "connect the root helper, or replace one of another version"),
            ("y", "copy the command for this setting"),
        ),
    ),
    (
        "Look",
        (
            ("i", "all that is known of a setting"),
            ("m", "zoom the panel; on 1 and 2 all settings, or fewer"),
            ("/", "filter"),
            ("!", "only what differs"),
            ("[ ]", "span of the charts"),
            ("g", "goal: what the advice is for"),
            ("f", "freeze"),
            ("n", "on 2: the next core that differs"),
            ("H", "on 6: read the whole journal"),
        ),
    ),
    (
        "Measure",
        (
            ("o", "choose model files"),
            ("l", "time a load"),
            ("e s n", "on 4: engine, cold or warm, how many runs"),
            ("c", "stop what is being applied, or cancel the load test"),
        ),
    ),
    ("Always", ((": ctrl+p", "commands"), ("?", "this help"), ("q", "quit"))),
)


class HelpDialog(Dialog[None]):
    """All keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "leave", show=False),
        Binding("q", "leave", show=False),
    ]

    def __init__(self) -> None:
        super().__init__("Keys", id="help-dialog")

    def body(self) -> Iterator[Widget]:
        """The keys in groups."""
        lines: list[Line] = []
        for title, keys in HELP:
            if lines:
                lines.append(())
            lines.append(((title, "dim-bold"),))
            lines += [((f"{key:<12}", "focus-bold"), (verb, "fg")) for key, verb in keys]
        with VerticalScroll(can_focus=True):
            yield TextBlock(*lines)
        bar = FooterBar()
        bar.show((KeyHint("↑↓", "scroll"),), (KeyHint("Esc", "back"),))
        yield bar
