"""In which form a profile is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from aitune_tui.screens.dialog import Dialog
from aitune_widgets.footer_bar import FooterBar, KeyHint
from aitune_widgets.lines import TextBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.widget import Widget

# Each form: its key, its id, what it is called and what it can carry.
FORMS = (
    ("s", "sysctl", "sysctl.d", "a file read at boot: settings below /proc/sys"),
    ("d", "udev", "udev rules", "a file read at boot: disks, by what they are"),
    ("t", "tmpfiles", "tmpfiles.d", "a file read at boot: everything else below /sys"),
    ("n", "tuned", "TuneD profile", "includes the active one; tuned-adm can check it"),
    ("c", "cmdline", "kernel command line", "words to add; no boot loader is edited"),
    ("h", "shell", "shell script", "writes now, reads back, and takes back with undo"),
)


class ExportDialog(Dialog[str]):
    """Asks for the form; its answer is the form's id."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"take('{form}')", show=False) for key, form, _, _ in FORMS
    ]

    def __init__(self, name: str) -> None:
        super().__init__(f"Copy {name} as", id="export-dialog")

    def body(self) -> Iterator[Widget]:
        """A line for each form: its key, which can be clicked on, and what it carries."""
        for key, _, title, text in FORMS:
            line = FooterBar()
            line.show((KeyHint(key, f"{title:<21}{text}"),))
            yield line
        yield TextBlock((), (("What a form cannot say stands in it as a comment.", "dim"),))
        bar = FooterBar()
        bar.show((), (KeyHint("Esc", "back"),))
        yield bar

    def action_take(self, form: str) -> None:
        """Answer with a form."""
        self.dismiss(form)
