"""The base of every dialog: a closed box, which means that a question is waiting for you."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen

from aitune_tui.screens.frame import Frame, set_layout
from aitune_widgets.glyphs import ascii_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult
    from textual.screen import Screen
    from textual.widget import Widget

    from aitune_tui.view import View
    from aitune_widgets.footer_bar import HintChosen

T = TypeVar("T")

# Keys as they are printed, and as Textual calls them.
_KEY_NAMES = {
    "Enter": "enter",
    "Space": "space",
    "Tab": "tab",
    "PgDn": "pagedown",
    "Esc": "escape",
    ":": "colon",
    "?": "question_mark",
    "/": "slash",
    "!": "exclamation_mark",
    "-": "minus",
}


async def press(screen: Screen[Any], printed: str) -> None:
    """Do what the key that is printed so does now: what a click on its hint means."""
    active = screen.active_bindings.get(_KEY_NAMES.get(printed, printed))
    if active is not None and active.enabled:
        await screen.app.run_action(active.binding.action, active.node)


class Opened(Message):
    """A dialog is there and has drawn nothing yet."""


class Dialog(ModalScreen[T | None]):
    """A box over the page. The frame above it stays live and bright.

    A subclass gives its title and its body; Esc closes it without an answer.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = title

    def compose(self) -> ComposeResult:
        """The frame, then the box."""
        yield Frame()
        with Vertical(id="box"):
            yield from self.body()

    def body(self) -> Iterator[Widget]:
        """What stands in the box."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Name the box, as it is: a title may hold names from the machine."""
        box = self.query_one("#box")
        box.border_title = Content(self._title)
        if ascii_only():
            box.styles.border = ("ascii", box.styles.border_top[1])
        self.post_message(Opened())

    def redraw(self, view: View, page: str) -> None:
        """Show one moment; a subclass adds what it shows of it."""
        set_layout(self, view)
        self.query_one(Frame).show(view, page)

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)

    async def on_hint_chosen(self, event: HintChosen) -> None:
        """A key was clicked on: press it."""
        event.stop()
        await press(self, event.key)
