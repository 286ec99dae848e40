"""The body of the plan dialog: what would be written, what the selected change does, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len

from aitune_widgets.cursor_list import CursorList
from aitune_widgets.footer_bar import HintChosen, KeyHint, Place, keys_line, place_at
from aitune_widgets.inspector import Field, field_lines
from aitune_widgets.rule import rule_line
from aitune_widgets.text import Columns, Line, Row, clean, fit, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.geometry import Offset

    from aitune_widgets.theme import Tone


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One change.

    Attributes:
        key: The app's name for it.
        glyph: `◆`, or `○` when it can have no effect.
        label: The setting.
        now: The value read.
        after: The value wanted.
        risk: `low`, `medium`, `high`, `inert`.
        risk_tone: `fg`, `differs-bold`, `failed-bold`, `dim`.
        note: What it costs, in one line, with a live number.
        inert: The whole line is grey.
        detail: Fields shown while the cursor is on it: Effect, Danger, Evidence, Path, Undo.
        detail_short: Fields shown instead where there are fewer than 30 lines.
    """

    key: str
    glyph: str
    label: str
    now: str
    after: str
    risk: str
    risk_tone: Tone = "fg"
    note: str = ""
    inert: bool = False
    detail: tuple[Field, ...] = ()
    detail_short: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class HowField:
    """One line of How: `t Try  60 s, then everything goes back by itself unless you keep it`."""

    key: str
    label: str
    line: Line


@dataclass(frozen=True, slots=True)
class _At:
    """Columns: `now` is the one after NOW."""

    now: int
    arrow: int
    after: int
    risk: int
    note: int


_ROOMY = 22  # lines from which on there is room for everything
_LEAST_LISTED = 3  # changes that are on the screen, however much there is to say of one


class PlanView(CursorList):
    """Draws a plan; `Highlighted` tells which change is shown in full."""

    DEFAULT_CSS: ClassVar[str] = "PlanView { height: 1fr; background: $panel; }"

    class Highlighted(CursorList.Highlighted):
        """The cursor stands on another change."""

    class Chosen(CursorList.Chosen):
        """Enter, or a click on the cursor's change: edit it. Enter never writes."""

    class StageAsked(CursorList.StageAsked):
        """Space."""

    HintChosen = HintChosen

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._first: Line = ()
        self._items: tuple[PlanRow, ...] = ()
        self._how: tuple[HowField, ...] = ()
        self._hints: tuple[KeyHint, ...] = ()
        self._right_hints: tuple[KeyHint, ...] = ()
        self._places: tuple[Place, ...] = ()
        self._show_all = False
        self._below = 0  # lines of the tail that are scrolled past

    def show(
        self,
        first: Line,
        rows: Sequence[PlanRow],
        how: Sequence[HowField] = (),
        keys: Sequence[KeyHint] = (),
        keys_right: Sequence[KeyHint] = (),
    ) -> None:
        """Show this plan: its first line, its changes, how it is done, and its keys."""
        self._first = first
        self._items = tuple(rows)
        self._how = tuple(how)
        self._hints = tuple(keys)
        self._right_hints = tuple(keys_right)
        self.set_keys([row.key for row in self._items])

    def toggle_all(self) -> None:
        """All that is known of the cursor's change, to be scrolled, or as much as fits."""
        self._show_all = not self._show_all
        self._below = 0
        self.repaint()

    def _columns(self, width: int) -> _At:
        """Columns as wide as the largest value needs, the note taking the rest."""
        label = max((cell_len(clean(row.label)) for row in self._items), default=6)
        now = max((cell_len(clean(row.now)) for row in self._items), default=3)
        after = max((cell_len(clean(row.after)) for row in self._items), default=5)
        wide = width >= 95
        edge = max(31 if wide else 27, 3 + label + 2 + max(now, 3))
        arrow = edge + (5 if wide else 3)
        risk = max(arrow + 10, arrow + 2 + after + 2)
        return _At(edge, arrow, arrow + 2, risk, risk + 8)

    def _tail(self, width: int, height: int) -> list[Row]:
        """Everything below the list: detail, How."""
        roomy = height >= _ROOMY
        rows: list[Row] = [Row(())]
        how_rows = self._how_rows(width, roomy=roomy)
        item = self._items[self._cursor] if 0 <= self._cursor < len(self._items) else None
        if item is not None:
            title = f"{item.label}  {item.now} → {item.after}"
            rows.append(Row(rule_line(width, title)))
            short = item.detail_short and not roomy and not self._show_all
            fields = item.detail_short if short else item.detail
            above = len(self.head_rows(width)) + min(_LEAST_LISTED, len(self._items)) + len(rows)
            room = None if self._show_all else height - above - len(how_rows) - 1
            rows.extend(map(Row, _fitted(fields, width, room)))
        return [*rows, *how_rows]

    def _how_rows(self, width: int, *, roomy: bool) -> list[Row]:
        """How it is done: never cut for the sake of prose above it."""
        if not self._how:
            return []
        rows = [Row(())] if roomy else []
        rows.append(Row(rule_line(width, "How")))
        for how in self._how:
            for number, part in enumerate(wrap(how.line, max(1, width - 14)) or ((),)):
                columns = Columns(width)
                if number == 0:
                    columns.put(1, how.key, "focus-bold")
                    columns.put(3, how.label, "dim")
                columns.put_line(13, part)
                rows.append(Row(columns.line()))
        return rows

    def head_rows(self, width: int) -> Sequence[Row]:
        """The first line and the column names."""
        at = self._columns(width)
        first, names = Columns(width), Columns(width)
        first.put_line(1, self._first)
        names.put(3, "CHANGE", "dim")
        names.put_right(at.now, "NOW", "dim")
        names.put(at.after, "AFTER", "dim")
        names.put(at.risk, "RISK", "dim")
        gap = (Row(()),) if self.content_size.height >= _ROOMY else ()
        return (Row(first.line()), *gap, Row(names.line()))

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One change."""
        item, at = self._items[index], self._columns(width)
        out = Columns(width)
        plain: Tone = "dim" if item.inert else "fg"
        out.put(1, item.glyph, "dim" if item.inert else "staged")
        out.put(3, item.label, plain)
        out.put_right(at.now, item.now, "dim" if item.inert else "strong")
        out.put(at.arrow, "→", plain)
        out.put(at.after, item.after, "dim" if item.inert else "staged-bold")
        out.put(at.risk, item.risk, item.risk_tone)
        out.put(at.note, fit(clean(item.note), max(0, width - at.note)), plain)
        if selected:
            self.cursor_mark(out)
        return (Row(out.line(), "cursor" if selected else ""),)

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """List, detail, How, and the keys on the last line."""
        tail = self._tail(width, height)
        keys = self._key_lines
        rows = [*super().rows(width, self._list_height())]
        room = height - keys - len(rows)
        rows = [*rows, *self._scrolled(tail, room)][: height - keys]
        if keys:
            rows.extend(Row(()) for _ in range(height - 1 - len(rows)))
            right = (*self._detail_hints(), *self._right_hints)
            line, self._places = keys_line(self._hints, right, width)
            rows.append(Row(line))
        return rows

    @property
    def _key_lines(self) -> int:
        return 1 if self._hints or self._right_hints else 0

    def _scrolled(self, tail: Sequence[Row], room: int) -> Sequence[Row]:
        """The part of the tail that is in view, its last line saying how much is below."""
        shown = [*tail[self._below : self._below + max(0, room)]]
        hidden = len(tail) - self._below - len(shown)
        if self._show_all and hidden > 0 and shown:
            more = Columns(self.content_size.width)
            more.put(self.more_column, f"↓ {hidden + 1} more", "dim")
            shown[-1] = Row(more.line())
        return shown

    def _detail_hints(self) -> tuple[KeyHint, ...]:
        """Keys for what does not fit of the cursor's change."""
        if self._show_all:
            scroll = (KeyHint("PgDn", "more"),) if self._most_below() else ()
            return (*scroll, KeyHint("i", "less"))
        return (KeyHint("i", "all"),) if self.content_size.height < _ROOMY else ()

    def _most_below(self) -> int:
        """How far the tail can be scrolled."""
        if not self._show_all:
            return 0
        width, height = self.content_size
        room = height - self._key_lines - self._list_height()
        return max(0, len(self._tail(width, height)) - max(1, room))

    def action_page(self, pages: float) -> None:
        """Scroll what is said of the change where it does not fit, else move the cursor."""
        if not self._most_below():
            super().action_page(pages)
            return
        room = self.content_size.height - self._key_lines - self._list_height()
        self._scroll_tail(max(1, int((room - 1) * abs(pages))) * (1 if pages > 0 else -1))

    def _scroll_tail(self, lines: int) -> None:
        self._below = max(0, min(self._below + lines, self._most_below()))
        self.repaint()

    def _scroll_view(self, lines: int, event: events.MouseEvent) -> None:
        if self._most_below():
            self._scroll_tail(lines)
            event.stop()
        else:
            super()._scroll_view(lines, event)

    def _put_cursor(self, index: int) -> None:
        """Another change is told from its beginning."""
        self._below = 0
        super()._put_cursor(index)

    def resized(self) -> None:
        """Show no blanks below what was scrolled."""
        super().resized()
        self._below = min(self._below, self._most_below())

    def row_count(self, width: int) -> int:
        """Lines of everything."""
        return len(self.head_rows(width)) + len(self._items) + len(self._tail(width, 40)) + 2

    def _list_height(self) -> int:
        width, height = self.content_size
        head = len(self.head_rows(width))
        tail = len(self._tail(width, height))
        least = head + _LEAST_LISTED
        return min(head + len(self._items), max(least, height - tail - self._key_lines))

    def _room(self) -> int:
        room = self._list_height() - len(self.head_rows(self.content_size.width))
        return max(1, room if len(self._items) <= room else room - 1)

    def _last_top(self) -> int:
        room = self._list_height() - len(self.head_rows(self.content_size.width))
        return max(0, len(self._items) - max(1, room))

    def index_at(self, y: int) -> int | None:
        """The change drawn on this line."""
        return super().index_at(y) if y < self._list_height() else None

    def clicked(self, position: Offset) -> None:
        """Do what the key clicked on does, or move to the change clicked on."""
        key = place_at(self._places, position, self.content_size.height - 1)
        if key:
            self.post_message(HintChosen(key))
        else:
            super().clicked(position)


def _fitted(fields: Sequence[Field], width: int, room: int | None) -> list[Line]:
    """The fields; where they need more lines than there is room, the longest end in `…`."""
    blocks = [list(field_lines((field,), width, text_column=11, airy=False)) for field in fields]
    cut: set[int] = set()
    while room is not None and sum(map(len, blocks)) > room and max(map(len, blocks)) > 1:
        longest = max(range(len(blocks)), key=lambda index: len(blocks[index]))
        blocks[longest].pop()
        cut.add(longest)
    for index in cut:
        blocks[index][-1] = _with_ellipsis(blocks[index][-1], width)
    return [line for block in blocks for line in block]


def _with_ellipsis(line: Line, width: int) -> Line:
    """A line whose text goes on where there is no room for it."""
    text = "".join(segment for segment, _ in line).rstrip(" .,;:")
    columns = Columns(width)
    columns.put_line(0, line)
    columns.put(min(cell_len(text), width - 2), "… ", "fg")
    return columns.line()
