"""Another value: a list of the words that can be chosen, or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.containers import Vertical
from textual.widgets import Input

from aitune_backends.catalogue import ENTRIES
from aitune_helper.knobs import KNOBS, Knob, refusal
from aitune_tui import pool_typing
from aitune_tui.screens.dialog import Dialog
from aitune_tui.selection import Selection, Target
from aitune_widgets.cursor_list import CursorList
from aitune_widgets.footer_bar import FooterBar, KeyHint
from aitune_widgets.lines import TextBlock
from aitune_widgets.text import Columns, Row, fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.widget import Widget

    from aitune_backends.planner import PoolOutlook
    from aitune_tui.view import View
    from aitune_widgets.text import Line
    from aitune_widgets.theme import Tone

# A range this small is a choice in disguise: each number has a meaning of its own.
_FEW = 4
Wanted = tuple[tuple[Target, str], ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One value in the list.

    Attributes:
        value: The value.
        now: Whether the targets hold it.
        advised: Whether it is advised.
        note: What it means, or why it cannot be chosen.
        possible: Whether it can be chosen.
    """

    value: str
    now: bool
    advised: bool
    note: str
    possible: bool = True


def is_choice(knob: Knob) -> bool:
    """Whether the values of a knob are few enough for a list."""
    return not knob.is_integer or (knob.high or 0) - (knob.low or 0) <= _FEW


def options_for(selection: Selection) -> tuple[Option, ...]:
    """The values of a choice: those that can be chosen, then others with the reason why not."""
    knob, entry = KNOBS[selection.knob], ENTRIES.get(selection.knob)
    if knob.is_integer:
        words = [str(number) for number in range(knob.low or 0, (knob.high or 0) + 1)]
    else:
        listed = [word for status in selection.statuses for word in status.choices]
        words = list(dict.fromkeys((*listed, *knob.choices)))
    everywhere = {
        word
        for word in words
        if all(word in s.choices or not s.choices for s in selection.statuses)
    }
    found: list[Option] = []
    for word in words:
        note = entry.meaning_of(word).note if entry and word in entry.values else ""
        if not knob.is_integer and word not in everywhere:
            note = "only on some of them"
        found.append(Option(word, word in selection.values, word == selection.advised, plain(note)))
    others = [word for word in knob.modules if word not in words] if words else []
    why = "not listed now: load its module first"
    found += [Option(w, w in selection.values, w == selection.advised, why) for w in others]
    return tuple(found)


def plain(note: str) -> str:
    """A note of the catalogue, if it needs no numbers of a plan."""
    return "" if "{" in note else note


class OptionList(CursorList):
    """The values, one a line."""

    def __init__(self, options: Sequence[Option], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._options = tuple(options)

    def on_mount(self) -> None:
        """Stand on the advised value, or on the present one."""
        self.set_keys([option.value if option.possible else None for option in self._options])
        best = next((o for o in self._options if o.advised), None) or next(
            (o for o in self._options if o.now), None
        )
        if best is not None:
            self.move_to(best.value)

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One value: what it is, whether it is so now or advised, what it means."""
        option = self._options[index]
        columns = Columns(width)
        wide = max(len(o.value) for o in self._options)
        columns.put(2, option.value, "strong" if option.now else "fg")
        at = columns.put(4 + max(wide, 6), "now" if option.now else "", "dim")
        at = max(at, 8 + max(wide, 6))
        if option.advised:
            columns.put(at, "advised", "differs" if not option.now else "ok")
        at += 9
        columns.put(at, fit(option.note, max(0, width - at - 1)), "dim")
        if selected:
            self.cursor_mark(columns)
        return (Row(columns.line(), "cursor" if selected else ""),)


class ChoiceDialog(Dialog[Wanted]):
    """The words a setting can hold; Enter stages the one under the cursor."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(title_of(selection), id="choice-dialog")
        self._selection = selection

    def body(self) -> Iterator[Widget]:
        """What is set, then the list."""
        yield TextBlock(head_of(self._selection), ())
        yield OptionList(options_for(self._selection), id="options")
        yield keys_bar("stage")

    def on_mount(self) -> None:
        """The list takes the focus."""
        super().on_mount()
        self.query_one("#options").focus()

    @on(OptionList.Chosen)
    @on(OptionList.StageAsked)
    def _choose(self, event: OptionList.Chosen | OptionList.StageAsked) -> None:
        event.stop()
        self.dismiss(tuple((target, event.key) for target in self._selection.targets))


class NumberInput(Input):
    """A line for digits in which fast keys are taken in the order in which they were typed.

    Textual enters digits at once, but runs Backspace as a binding, after the keys that wait
    already: over a slow link, Backspace and 512 would come out as 51.
    """

    def on_key(self, event: events.Key) -> None:
        """Delete at once."""
        if event.key == "backspace":
            event.stop()
            event.prevent_default()
            self.action_delete_left()


class NumberDialog(Dialog[Wanted]):
    """A number for a setting, or one for each node of a pool. Enter stages."""

    INPUT_CLASS: ClassVar[str] = "number"

    def __init__(self, selection: Selection, staged: Sequence[str | None]) -> None:
        super().__init__(title_of(selection), id="number-dialog")
        self._selection = selection
        self._staged = tuple(staged)
        self._outlook: PoolOutlook | None = None

    def body(self) -> Iterator[Widget]:
        """What is set, one line to type in for each target that takes a value of its own."""
        yield TextBlock(head_of(self._selection), self._range(), ())
        with_names = self._selection.each
        statuses = self._selection.statuses if with_names else self._selection.statuses[:1]
        for index, status in enumerate(statuses):
            if with_names:
                yield TextBlock(((status.instance, "dim"),))
            text = self._staged[index] or status.value or ""
            yield NumberInput(text, classes=self.INPUT_CLASS, restrict=r"[0-9]*", compact=True)
        yield TextBlock(id="number-says")
        yield Vertical(classes="filler")
        yield keys_bar("stage")

    def on_mount(self) -> None:
        """The first line takes the focus, its number selected."""
        super().on_mount()
        self.query(Input).first().focus()
        self._say()

    def _range(self) -> Line:
        knob = KNOBS[self._selection.knob]
        unit = f" {knob.unit}" if knob.unit else ""
        text = f"A whole number from {knob.low} to {knob.high}{unit}."
        if knob.quantity:  # its bound is memory, not the table's
            text = f"A whole number of{unit}; 2 GiB or a tenth of what is available stays."
        if self._selection.advised is not None:
            return ((f"{text}  ", "dim"), (f"Advised: {self._selection.advised}", "differs"))
        return ((text, "dim"),)

    def _values(self) -> tuple[str, ...]:
        return tuple(field.value.lstrip("0") or field.value[:1] for field in self.query(Input))

    def redraw(self, view: View, page: str) -> None:
        """What a pool could become moves with the machine."""
        super().redraw(view, page)
        self._outlook = pool_typing.outlook_of(view.state, self._selection.knob)
        self._say()

    def _say(self) -> str:
        """Show what the number amounts to, or why it cannot be; returns the refusal or ""."""
        knob = KNOBS[self._selection.knob]
        refused = next((r for value in self._values() if (r := refusal(knob, value))), "")
        says: tuple[Line, ...] = ()
        if not refused and self._outlook is not None:
            wanted = pool_typing.wanted(self._selection, self._values())
            refused = pool_typing.refused(self._outlook, wanted)
            says = pool_typing.lines(self._outlook, wanted)
        if refused:
            says = (*says, ((f"{refused}.", "failed"),))
        self.query_one("#number-says", TextBlock).show(says)
        return refused

    @on(Input.Changed)
    def _changed(self) -> None:
        self._say()

    @on(Input.Submitted)
    def _submit(self) -> None:
        if self._say():
            return
        targets, values = self._selection.targets, self._values()
        if not self._selection.each:
            values = values * len(targets)
        self.dismiss(tuple(zip(targets, values, strict=True)))


def title_of(selection: Selection) -> str:
    """The dialog's title: the setting, and how many it is for."""
    count = len(selection.statuses)
    if selection.each or count < 2:
        return selection.name
    return f"{selection.knob}  on {count}"


def head_of(selection: Selection) -> Line:
    """What it is now."""
    values = selection.values
    tone: Tone = "strong"
    if selection.each:
        text = ", ".join(f"{s.instance} {s.value}" for s in selection.statuses)
    else:
        text = values[0] if len(values) == 1 else ", ".join(values)
    return (("Now  ", "dim"), (text, tone))


def keys_bar(verb: str) -> FooterBar:
    """The last line of a dialog that stages."""
    bar = FooterBar()
    bar.show((KeyHint("Enter", verb),), (KeyHint("Esc", "back"),))
    return bar


def edit_dialog(selection: Selection, staged: Sequence[str | None]) -> ChoiceDialog | NumberDialog:
    """The fitting dialog for a selection."""
    knob = KNOBS[selection.knob]
    if is_choice(knob) and not selection.each:
        return ChoiceDialog(selection)
    return NumberDialog(selection, staged)
