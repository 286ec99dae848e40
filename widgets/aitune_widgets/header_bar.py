"""The first line of every screen: which host, what it is, what is pending, when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Line, Row, clean, fit, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone

ChipKind = Literal["staged", "trial", "urgent", "plain", "alarm"]

_CHIP_TONES: Final[dict[ChipKind, Tone]] = {
    "staged": "chip-staged",
    "trial": "chip-trial",
    "urgent": "chip-urgent",
    "plain": "chip-plain",
    "alarm": "chip-alarm",
}

_WIDE: Final = 110
# What is shown of the machine, and whether the helper is, in the order in which it is given up.
_FACTS_FIRST: Final = (("facts", True), ("facts", False), ("short", True), ("short", False))
_HELPER_FIRST: Final = (("facts", True), ("short", True), ("facts", False), ("short", False))


@dataclass(frozen=True, slots=True)
class Chip:
    """A short text on its own ground: `◐ TRIAL 41 s`, `◆ 3 staged`, `read-only`."""

    text: str
    kind: ChipKind = "plain"


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says.

    Attributes:
        host: Name of the machine.
        facts: `64 cores, 2 nodes · 1007.5 GiB · …`, where there is room.
        facts_short: `64c 1007G 8×H100`, where there is less.
        chips: What is pending; never dropped.
        helper: State of the root helper, dropped first.
        clock: Time of the last sample.
        stale: Takes the clock's place, in amber: `! data 4 s old`. Empty while data are fresh.
        stale_urgent: The stale text is red: the data are older than 15 s.
        goal: What the machine is for: `inference`; never dropped.
        helper_matters: The helper is not as it should be: the facts give way to it.
    """

    host: str
    facts: str = ""
    facts_short: str = ""
    chips: tuple[Chip, ...] = ()
    helper: str = ""
    clock: str = ""
    stale: str = ""
    stale_urgent: bool = False
    goal: str = ""
    helper_matters: bool = False


class HeaderBar(LineWidget):
    """Draws a `Header` in one line."""

    DEFAULT_CSS: ClassVar[str] = "HeaderBar { height: 1; background: $surface; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._header = Header("")

    def show(self, header: Header) -> None:
        """Show this."""
        self._header = header
        self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """One line; fields are dropped whole: the helper, the long facts, all facts."""
        return (Row(header_line(self._header, width)),)


def header_line(header: Header, width: int) -> Line:
    """The header as a line of exactly `width` cells."""
    columns = Columns(width)
    wide = width >= _WIDE
    right, facts = _right(header, wide=wide, with_helper=False), ""
    forms = _HELPER_FIRST if header.helper_matters else _FACTS_FIRST
    for wanted, with_helper in forms if wide else forms[-1:]:
        text = clean(header.facts if wanted == "facts" else header.facts_short)
        tried = _right(header, wide=wide, with_helper=with_helper)
        taken = 5 + width_of(((clean(header.host), "dim"), (text, "dim"))) + 2
        if taken + width_of(tried) + 1 <= width:
            right, facts = tried, text
            break
    start = width - 1 - width_of(right)
    host = fit(clean(header.host), max(8, start - 5))
    column = columns.put(1, f" {host} ", "chip-host") if host else 1
    columns.put(column + 2, facts, "dim")
    columns.put_line(max(column + 1, start), right)
    return columns.line()


def _right(header: Header, *, wide: bool, with_helper: bool) -> Line:
    """Chips, goal, helper and clock, two columns apart."""
    fields: list[Line] = [((f" {clean(c.text)} ", _CHIP_TONES[c.kind]),) for c in header.chips]
    if header.goal:
        fields.append(((clean(f"for {header.goal}" if wide else header.goal), "dim"),))
    if with_helper and header.helper:
        fields.append(((clean(header.helper), "dim"),))
    if header.stale:
        tone: Tone = "failed-bold" if header.stale_urgent else "differs-bold"
        fields.append(((clean(header.stale), tone),))
    elif header.clock:
        fields.append(((clean(header.clock), "fg"),))
    out: list[tuple[str, Tone]] = []
    for field in fields:
        if out:
            out.append(("  ", "fg"))
        out.extend(field)
    return tuple(out)
