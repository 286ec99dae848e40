"""The last line of every screen: the keys that do something here, most used first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.message import Message

from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Line, Row, clean, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.geometry import Offset


@dataclass(frozen=True, slots=True)
class KeyHint:
    """A key and what it does now.

    Attributes:
        key: As it is printed: `Space`, `p`, `↑↓`.
        verb: What it does, with the live object: `stage 0`.
        possible: Keys impossible now keep their place, faint.
        filled: The one key of the screen that writes: drawn on amber.
    """

    key: str
    verb: str
    possible: bool = True
    filled: bool = False


class HintChosen(Message):
    """A key's hint was clicked.

    Attributes:
        key: The key, as printed.
    """

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


Place = tuple[int, int, str]
"""First column, last+1 column and key of something that can be clicked."""


def place_at(places: Sequence[Place], position: Offset | None, y: int) -> str:
    """The key of the place clicked on, when the click was on line `y`; else nothing."""
    if position is None or position.y != y:
        return ""
    return next((key for start, end, key in places if start <= position.x < end), "")


def hint_line(hint: KeyHint) -> Line:
    """A key and its verb."""
    key, verb = clean(hint.key), clean(hint.verb)
    if hint.filled:
        return ((f" {key} ", "chip-trial"), (f" {verb}", "strong"))
    if not hint.possible:
        return ((f"{key} {verb}", "faint"),)
    return ((key, "focus-bold"), (f" {verb}", "fg"))


def keys_line(
    left: Sequence[KeyHint], right: Sequence[KeyHint], width: int, *, gap: int = 3
) -> tuple[Line, tuple[Place, ...]]:
    """Keys at both ends of a line; those that do not fit are dropped whole, from the left group."""
    columns = Columns(width)
    places: list[Place] = []
    right_width = sum(width_of(hint_line(h)) + gap for h in right) - gap if right else -1
    column = start = width - 1 - right_width
    for hint in right:
        end = columns.put_line(column, hint_line(hint))
        places.append((column, end, hint.key))
        column = end + gap
    column = 1
    for hint in left:
        line = hint_line(hint)
        if column + width_of(line) > start - 2:
            break
        end = columns.put_line(column, line)
        if hint.possible:
            places.append((column, end, hint.key))
        column = end + gap
    return columns.line(), tuple(places)


class FooterBar(LineWidget):
    """Draws the keys; a click on one posts `HintChosen`."""

    DEFAULT_CSS: ClassVar[str] = "FooterBar { height: 1; background: $surface; }"

    HintChosen = HintChosen

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: tuple[KeyHint, ...] = ()
        self._right: tuple[KeyHint, ...] = ()
        self._places: tuple[Place, ...] = ()

    def show(self, left: tuple[KeyHint, ...], right: tuple[KeyHint, ...] = ()) -> None:
        """Show these keys: those of the panel left, those that are always there right."""
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """One line."""
        line, self._places = keys_line(self._left, self._right, width)
        return (Row(line),)

    def on_click(self, event: events.Click) -> None:
        """Do what the key clicked on does."""
        key = place_at(self._places, event.get_content_offset(self), 0)
        if key:
            self.post_message(HintChosen(key))
