"""The base of every list with a cursor: keys, mouse, scrolling; the cursor stays on its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Row
from aitune_widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.geometry import Offset


class KeyMessage(Message):
    """Something happened to the item with this key.

    Attributes:
        key: The key of the item, as the app gave it.
    """

    def __init__(self, sender: CursorList, key: str) -> None:
        super().__init__()
        self.sender = sender
        self.key = key

    @property
    def control(self) -> CursorList:
        """The list that says so."""
        return self.sender


class CursorList(LineWidget, can_focus=True):
    """Items under a fixed head, one of them the cursor's while the list has the focus.

    Messages: `Highlighted` when the cursor moved to another item, `Chosen` on Enter or a click on
    the cursor's item, `StageAsked` on Space.
    """

    class Highlighted(KeyMessage):
        """The cursor stands on another item."""

    class Chosen(KeyMessage):
        """Enter, or a click on the cursor's item."""

    class StageAsked(KeyMessage):
        """Space: stage the advised value, or take it back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("ctrl+u", "page(-0.5)", show=False),
        Binding("ctrl+d", "page(0.5)", show=False),
        Binding("home,g", "end(-1)", show=False),
        Binding("end,G", "end(1)", show=False),
        Binding("enter", "choose", show=False),
        Binding("space", "stage", show=False),
    ]

    item_height: int = 1
    """Lines of one item."""
    more_column: int = 2
    """Where `↓ 3 more` begins."""

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._keys: tuple[str | None, ...] = ()
        self._cursor = -1
        self._top = 0
        self._focused_by_click = False

    # What a subclass says

    def head_rows(self, width: int) -> Sequence[Row]:
        """Lines above the items, which do not scroll."""
        del width
        return ()

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """The `item_height` lines of one item."""
        raise NotImplementedError

    def more_text(self, hidden: Sequence[int]) -> str:
        """What the last line says of items below it."""
        choosable = sum(self._keys[index] is not None for index in hidden)
        return f"↓ {choosable or len(hidden)} more"

    # What the app calls

    @property
    def cursor_key(self) -> str | None:
        """The key under the cursor; None without items."""
        return self._keys[self._cursor] if 0 <= self._cursor < len(self._keys) else None

    def move_to(self, key: str) -> bool:
        """Put the cursor on this key; False if no item has it."""
        if key not in self._keys:
            return False
        self._put_cursor(self._keys.index(key))
        return True

    def set_keys(self, keys: Sequence[str | None]) -> None:
        """The items' keys, None for what the cursor passes over; the cursor stays on its key.

        When its item is gone, the cursor goes to the one that took its place.
        """
        before = self.cursor_key
        self._keys = tuple(keys)
        if before in self._keys and before is not None:
            self._cursor = self._keys.index(before)
        else:
            self._cursor = self._nearest(self._cursor)
            if self.cursor_key is not None and before is not None:
                self.post_message(self.Highlighted(self, self.cursor_key))
        self._top = max(0, min(self._top, self._last_top()))
        self.repaint()

    # Drawing

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """Head, the items in view, and how many are below."""
        head = list(self.head_rows(width))
        room = height - len(head)
        if room < 1:
            return head[:height]
        last = len(self._keys)
        whole = (last - self._top) * self.item_height <= room
        fitting = last if whole else self._top + max(0, (room - 1) // self.item_height)
        out = head
        for index in range(self._top, fitting):
            selected = self.has_focus and index == self._cursor
            out.extend(self.item_rows(index, width, selected=selected))
        if not whole:
            columns = Columns(width)
            columns.put(self.more_column, self.more_text(range(fitting, last)), "dim")
            out.append(Row(columns.line()))
        return out

    def row_count(self, width: int) -> int:
        """Lines of everything."""
        return len(self.head_rows(width)) + len(self._keys) * self.item_height

    def cursor_mark(self, columns: Columns, column: int = 0) -> None:
        """Draw the mark of the cursor: a bar on a tint, an arrow where the row is reversed."""
        columns.put(column, "▌" if palette_of(self).tinted else "▸", "focus")

    # Moving

    def resized(self) -> None:
        """Show no blanks while items are hidden above, and the cursor's item."""
        self._top = max(0, min(self._top, self._last_top()))
        self._reveal()

    def _nearest(self, index: int) -> int:
        """The selectable item at, after or else before an index; -1 when there is none."""
        after = [i for i, key in enumerate(self._keys) if key is not None and i >= index]
        before = [i for i, key in enumerate(self._keys) if key is not None and i < index]
        return after[0] if after else before[-1] if before else -1

    def _room(self) -> int:
        """Items that fit, with the line that counts the rest."""
        width, height = self.content_size
        room = height - len(self.head_rows(width))
        if len(self._keys) * self.item_height > room:
            room -= 1
        return max(1, room // self.item_height)

    def _last_top(self) -> int:
        width, height = self.content_size
        room = height - len(self.head_rows(width))
        return max(0, len(self._keys) - max(1, room // self.item_height))

    def _put_cursor(self, index: int) -> None:
        moved = index != self._cursor
        self._cursor = index
        self._reveal()
        self.repaint()
        if moved and self.cursor_key is not None:
            self.post_message(self.Highlighted(self, self.cursor_key))

    def _reveal(self) -> None:
        """Scroll so that the cursor's item is in view, its heading too where it is the first."""
        if self.content_size.height < 1 or self._cursor < 0:
            return
        first = self._cursor
        while first > 0 and self._keys[first - 1] is None:
            first -= 1
        if first < self._top:
            self._top = first
        elif self._cursor >= self._top + self._room():
            self._top = min(self._cursor - self._room() + 1, self._last_top())

    def action_move(self, step: int) -> None:
        """Move the cursor by so many items."""
        self._focused_by_click = False
        index = self._cursor
        while 0 <= index + step < len(self._keys):
            index += step
            if self._keys[index] is not None:
                self._put_cursor(index)
                return

    def action_page(self, pages: float) -> None:
        """Move the cursor by a part of what is in view."""
        step = max(1, int(self._room() * abs(pages))) * (1 if pages > 0 else -1)
        target = max(0, min(len(self._keys) - 1, self._cursor + step))
        index = self._nearest(target)
        if index >= 0:
            self._put_cursor(index)

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first item or the last."""
        index = self._nearest(len(self._keys) if direction > 0 else 0)
        if index >= 0:
            self._put_cursor(index)

    def action_choose(self) -> None:
        """Say that the cursor's item is chosen."""
        if self.cursor_key is not None:
            self.post_message(self.Chosen(self, self.cursor_key))

    def action_stage(self) -> None:
        """Say that the cursor's item is to be staged."""
        if self.cursor_key is not None:
            self.post_message(self.StageAsked(self, self.cursor_key))

    # Focus and mouse

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show the cursor, or hide it."""
        super().watch_has_focus(has_focus)
        self._focused_by_click = has_focus
        self._reveal()
        self.repaint()

    def index_at(self, y: int) -> int | None:
        """The item drawn on this line of the widget, if one is."""
        width, height = self.content_size
        offset = y - len(self.head_rows(width))
        index = self._top + offset // self.item_height
        overflows = (len(self._keys) - self._top) * self.item_height > height - len(
            self.head_rows(width)
        )
        on_more_line = overflows and y == height - 1
        if offset < 0 or index >= len(self._keys) or on_more_line:
            return None
        return index

    def on_click(self, event: events.Click) -> None:
        """Move to the item clicked on; a second click chooses it."""
        position = event.get_content_offset(self)
        if position is not None:
            self.clicked(position)

    def clicked(self, position: Offset) -> None:
        """A click inside the widget."""
        first_click, self._focused_by_click = self._focused_by_click, False
        index = self.index_at(position.y)
        if index is None or self._keys[index] is None:
            return
        if index == self._cursor and not first_click:
            self.action_choose()
        else:
            self._put_cursor(index)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Show what is below, the cursor left where it is."""
        self._scroll_view(3, event)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Show what is above."""
        self._scroll_view(-3, event)

    def _scroll_view(self, lines: int, event: events.MouseEvent) -> None:
        top = max(0, min(self._top + lines, self._last_top()))
        if top != self._top:
            self._top = top
            self.repaint()
            event.stop()
