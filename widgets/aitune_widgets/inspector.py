"""The Why of the selected row: what it is, why it matters, who says so, what undoes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from aitune_widgets.footer_bar import HintChosen, KeyHint, Place, keys_line, place_at
from aitune_widgets.lines import LineWidget
from aitune_widgets.rule import rule_line
from aitune_widgets.text import Columns, Line, Row, clean, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from aitune_widgets.theme import Tone


@dataclass(frozen=True, slots=True)
class Field:
    """A label and its text; without a label the text has the whole width.

    Attributes:
        label: `Why`, `Path`; empty for the lead of the short form.
        text: Prose; wraps.
        tone: Tone of the text.
        gap: A blank line before it. Paragraphs of several lines get one by themselves.
        mono: Not used for wrapping: a path breaks anywhere rather than at spaces.
    """

    label: str
    text: str
    tone: Tone = "fg"
    gap: bool = False
    mono: bool = False


def field_lines(fields: Sequence[Field], width: int, *, text_column: int, airy: bool) -> list[Line]:
    """Fields as lines of `width` cells; `airy` puts a blank line around paragraphs."""
    out: list[Line] = []
    after_paragraph = False
    for field in fields:
        column = text_column if field.label else 1
        parts = wrap(((field.text, field.tone),), max(1, width - column - 1)) or ((),)
        paragraph = len(parts) > 1 if airy else not field.label
        if out and (field.gap or after_paragraph or (airy and paragraph)):
            out.append(())
        for number, part in enumerate(parts):
            columns = Columns(width)
            if number == 0 and field.label:
                columns.put(1, clean(field.label), "dim")
            columns.put_line(column, part)
            out.append(columns.line())
        after_paragraph = paragraph
    return out


class Inspector(LineWidget, can_focus=True):
    """Draws a title rule, fields that wrap and scroll, and the keys on its last line."""

    DEFAULT_CSS: ClassVar[str] = "Inspector { height: 1fr; }"

    HintChosen = HintChosen

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_by(-1)", show=False),
        Binding("down,j", "scroll_by(1)", show=False),
        Binding("pageup,ctrl+u", "scroll_by(-8)", show=False),
        Binding("pagedown,ctrl+d", "scroll_by(8)", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._title = ""
        self._right: Line = ()
        self._fields: tuple[Field, ...] = ()
        self._keys: tuple[KeyHint, ...] = ()
        self._top = 0
        self._places: tuple[Place, ...] = ()
        self._keys_y = -1

    def show(
        self,
        title: str,
        right: Line = (),
        fields: Sequence[Field] = (),
        keys: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Show this; another title begins at its top."""
        if title != self._title:
            self._top = 0
        self._title = title
        self._right = right
        self._fields = tuple(fields)
        self._keys = tuple(KeyHint(key, verb) for key, verb in keys)
        self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """Rule, fields, keys."""
        rule = rule_line(width, self._title, self._right, focused=self.has_focus)
        airy = not any(field.label == "" for field in self._fields)
        body = field_lines(self._fields, width, text_column=self._text_column(airy=airy), airy=airy)
        if height > 10_000:
            return [Row(rule), *(Row(line) for line in body), *((Row(()),) if self._keys else ())]
        room = height - 1 - (1 if self._keys else 0)
        self._top = max(0, min(self._top, len(body) - room))
        shown = body[self._top : self._top + max(0, room)]
        rows = [Row(rule), *(Row(line) for line in shown)]
        below = len(body) - self._top - len(shown)
        if below > 0 and len(rows) > 1:
            columns = Columns(width)
            columns.put(1, f"↓ {below + 1} more", "dim")
            rows[-1] = Row(columns.line())
        if self._keys and height > 1:
            rows.extend(Row(()) for _ in range(height - 1 - len(rows)))
            line, self._places = keys_line(self._keys, (), width)
            self._keys_y = height - 1
            rows.append(Row(line))
        return rows

    def _text_column(self, *, airy: bool) -> int:
        longest = max((len(field.label) for field in self._fields), default=0)
        return max(longest, 8) + (3 if airy else 2)

    def action_scroll_by(self, lines: int) -> None:
        """Scroll the fields."""
        self._top = max(0, self._top + lines)
        self.repaint()

    def on_mouse_scroll_down(self) -> None:
        """Show what is below."""
        self.action_scroll_by(3)

    def on_mouse_scroll_up(self) -> None:
        """Show what is above."""
        self.action_scroll_by(-3)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show the focus on the rule, or take it back."""
        super().watch_has_focus(has_focus)
        self.repaint()

    def on_click(self, event: events.Click) -> None:
        """Do what the key clicked on does."""
        key = place_at(self._places, event.get_content_offset(self), self._keys_y)
        if key:
            self.post_message(HintChosen(key))
