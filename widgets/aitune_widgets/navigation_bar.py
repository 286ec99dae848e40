"""The second line of every screen: the pages, with what asks for attention on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.message import Message

from aitune_widgets.footer_bar import Place, place_at
from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Line, Row, Segment, clean, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from aitune_widgets.theme import Tone


@dataclass(frozen=True, slots=True)
class Tab:
    """A page: the key that opens it, its name, its name where room is short, its badges."""

    key: str
    title: str
    short: str
    badges: tuple[Segment, ...] = ()


class NavigationBar(LineWidget):
    """Draws the tabs; a click posts `TabChosen`."""

    DEFAULT_CSS: ClassVar[str] = "NavigationBar { height: 1; }"

    class TabChosen(Message):
        """A tab was clicked.

        Attributes:
            key: Its key.
        """

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, right: str = "aitune-tui", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._right = right
        self._tabs: tuple[Tab, ...] = ()
        self._active = ""
        self._places: tuple[Place, ...] = ()

    def show(self, tabs: tuple[Tab, ...], active: str) -> None:
        """Show these tabs, the one with key `active` as the page that is open."""
        if (tabs, active) != (self._tabs, self._active):
            self._tabs, self._active = tabs, active
            self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """One line: long names where they fit, short ones elsewhere."""
        line, self._places = navigation_line(self._tabs, self._active, self._right, width)
        open_ = [(start, end) for start, end, key in self._places if key == self._active]
        return (Row(line, "cursor", open_[0]) if open_ else Row(line),)

    def on_click(self, event: events.Click) -> None:
        """Open the tab clicked on."""
        key = place_at(self._places, event.get_content_offset(self), 0)
        if key:
            self.post_message(self.TabChosen(key))


def navigation_line(
    tabs: Sequence[Tab], active: str, right: str, width: int
) -> tuple[Line, tuple[Place, ...]]:
    """The line, and where each tab stands in it.

    In full, in short, then with fewer and fewer badges from the right, at last as numbers.
    """

    def form(*, short: bool, badges: int) -> list[Line]:
        return [
            _tab(
                tab, tab.short if short else tab.title, active=tab.key == active, badges=i < badges
            )
            for i, tab in enumerate(tabs)
        ]

    every = len(tabs)
    forms = (
        form(short=False, badges=every),
        *(form(short=True, badges=count) for count in range(every, -1, -1)),
        [_tab(tab, "", active=tab.key == active, badges=False) for tab in tabs],
    )
    gaps = (1, *(0 for _ in forms[1:]))
    widths = [
        1 + sum(width_of(t) + gap for t in form) for form, gap in zip(forms, gaps, strict=True)
    ]
    chosen = next((i for i, needed in enumerate(widths) if needed - 1 <= width), len(forms) - 1)
    shown, gap = forms[chosen], gaps[chosen]
    columns = Columns(width)
    column = 1
    places: list[Place] = []
    for tab, line in zip(tabs, shown, strict=True):
        end = columns.put_line(column, line)
        places.append((column, end, tab.key))
        column = end + gap
    if width - 1 - len(right) > column:
        columns.put_right(width - 1, right, "dim")
    return columns.line(), tuple(places)


def _tab(tab: Tab, name: str, *, active: bool, badges: bool = True) -> Line:
    key_tone: Tone = "focus-bold" if active else "dim"
    name_tone: Tone = "strong" if active else "fg"
    parts: list[Segment] = [(f" {clean(tab.key)} ", key_tone)]
    if name:
        parts.append((f"{clean(name)} ", name_tone))
    if badges and tab.badges:
        parts.extend((clean(text), tone) for text, tone in tab.badges)
        parts.append((" ", "fg"))
    return tuple(parts)
