"""The trial: seconds left, the two keys, what was read back. A tinted band, not a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len

from aitune_widgets.bars import unit
from aitune_widgets.footer_bar import HintChosen, Place, place_at
from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Line, Row, Segment, clean, fit, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from aitune_widgets.theme import Ground, Tone


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial that can still be kept or put back.

    Attributes:
        number: Its number.
        title: What it is: `profile classic`.
        seconds_left: Until everything goes back.
        seconds_total: What the countdown began with.
        outcome: What was read back, item after item.
        reassurance: `Closing this terminal is safe: …`.
        urgent: The last 10 s: amber turns red.
        keep: Verb of K.
        back: Verb of R.
        until: After the seconds.
        outcome_short: Counts, where the outcome does not fit.
        reassurance_short: The same in fewer words, likewise.
    """

    number: int | str
    title: str
    seconds_left: int
    seconds_total: int
    outcome: tuple[Segment, ...] = ()
    reassurance: str = ""
    urgent: bool = False
    keep: str = "keep all"
    back: str = "put back now"
    until: str = "until every setting goes back"
    outcome_short: tuple[Segment, ...] = ()
    reassurance_short: str = ""


class TrialBand(LineWidget):
    """Draws a `TrialView` in five lines, or in one when folded. K and R can be clicked."""

    DEFAULT_CSS: ClassVar[str] = "TrialBand { height: auto; dock: bottom; }"

    HintChosen = HintChosen

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._view = TrialView("", "", 0, 1)
        self._folded = False
        self._places: tuple[Place, ...] = ()
        self._keys_y = 0

    def show(self, view: TrialView) -> None:
        """Show this."""
        self._view = view
        self.repaint()

    @property
    def folded(self) -> bool:
        """Only the first line is shown."""
        return self._folded

    @folded.setter
    def folded(self, value: bool) -> None:
        self._folded = value
        self.refresh(layout=True)
        self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """Five lines, or one."""
        view = self._view
        ground: Ground = "trial-urgent" if view.urgent else "trial"
        amber: Tone = "failed-bold" if view.urgent else "differs-bold"
        if self._folded:
            return (Row(self._folded_line(width, amber), ground),)
        lines = (
            _title_line(view, width, amber),
            self._time_line(width, amber),
            _drain_line(view, width, amber),
            _outcome_line(view, width),
            _reassurance_line(view, width),
        )
        return tuple(Row(line, ground) for line in lines)

    def _keys(self, columns: Columns, y: int, edge: int, *, verbs: bool = True) -> int:
        """K and R at the right; returns the column they begin at."""
        view = self._view
        keep, back = (f" {view.keep}", f" {view.back}") if verbs else ("", "")
        chip: Tone = "chip-urgent" if view.urgent else "chip-trial"
        first: Line = ((" K ", chip), (keep, "strong"))
        second: Line = ((" R ", "chip-plain"), (back, "strong"))
        start_back = columns.put_line_right(edge, second)
        end_keep = start_back - 4
        start_keep = columns.put_line_right(end_keep, first)
        self._places = ((start_keep, end_keep, "K"), (start_back, edge, "R"))
        self._keys_y = y
        return start_keep

    def _time_line(self, width: int, amber: Tone) -> Line:
        columns = Columns(width)
        start = self._keys(columns, 1, width - 2)
        column = columns.put(2, f"{self._view.seconds_left} s", amber)
        until = clean(self._view.until)
        if column + 2 + len(until) < start:
            columns.put(column + 2, until, "strong")
        return columns.line()

    def _folded_line(self, width: int, amber: Tone) -> Line:
        columns = Columns(width)
        columns.put(0, "━" * width, amber)
        start = self._keys(columns, 0, width - 2)
        for column in (start - 1, self._places[0][1], self._places[1][0] - 1, width - 2):
            columns.put(column, " ")
        return _put_title(columns, self._view, amber, start - 2, seconds=True).line()

    def on_click(self, event: events.Click) -> None:
        """Do what the key clicked on does."""
        key = place_at(self._places, event.get_content_offset(self), self._keys_y)
        if key:
            self.post_message(HintChosen(key))


def _put_title(
    columns: Columns, view: TrialView, amber: Tone, end: int, *, seconds: bool = False
) -> Columns:
    column = columns.put(1, " ")
    column = columns.put(column, f"◐ Trial {view.number}", amber)
    if seconds:
        column = columns.put(column, f"  {view.seconds_left} s", amber)
    column = columns.put(column, " ")
    title = fit(clean(view.title), max(0, end - column - 1))
    if title and (title == clean(view.title) or len(title) >= 8):
        column = columns.put(column, f"{title} ", "fg")
    return columns


def _title_line(view: TrialView, width: int, amber: Tone) -> Line:
    columns = Columns(width)
    columns.put(0, "━" * width, amber)
    return _put_title(columns, view, amber, width - 2).line()


def _drain_line(view: TrialView, width: int, amber: Tone) -> Line:
    """What is left of the time, draining from the right."""
    columns = Columns(width)
    room = max(0, width - 4)
    left = round(unit(view.seconds_left / max(1, view.seconds_total)) * room)
    columns.put(2, "━" * left, amber)
    columns.put(2 + left, "─" * (room - left), "rule")
    return columns.line()


def _outcome_line(view: TrialView, width: int) -> Line:
    columns = Columns(width)
    fits = width_of(view.outcome) <= width - 4
    columns.put_line(2, view.outcome if fits or not view.outcome_short else view.outcome_short)
    return columns.line()


def _reassurance_line(view: TrialView, width: int) -> Line:
    columns = Columns(width)
    text = clean(view.reassurance)
    if cell_len(text) > width - 4 and view.reassurance_short:
        text = clean(view.reassurance_short)
    columns.put(2, fit(text, max(0, width - 4)), "dim")
    return columns.line()
