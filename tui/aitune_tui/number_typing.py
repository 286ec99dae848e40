"""A number as it is typed for a setting: its unit, its bounds, and what it amounts to.

Frequencies are typed in MHz and written in kHz; a word that a setting takes besides numbers is
typed as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.explanation import takes_of
from aitune_backends.value_words import in_words, spelled
from aitune_helper.knobs import KNOBS, refusal

if TYPE_CHECKING:
    from aitune_backends.explanation import Ground, Takes
    from aitune_tui.selection import Selection
    from aitune_tui.state import State

_KHZ_PER_MHZ = 1000
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Typing:
    """How the number of a setting is typed.

    Attributes:
        knob: Id of the setting.
        takes: What may be written here.
        scale: How much of the kernel's unit one of the typed unit is.
        unit: The unit in which it is typed.
    """

    knob: str
    takes: Takes
    scale: int
    unit: str

    @property
    def allowed(self) -> str:
        """What may be typed at all, as a pattern: digits, and the letters of words."""
        letters = "".join(sorted({letter for word in self.takes.words for letter in word}))
        return rf"[0-9{re.escape(letters)}]*" if letters else r"[0-9]*"

    def shown(self, value: str) -> str:
        """A value of the kernel's as it is typed."""
        if not value.isdecimal() or int(value) % self.scale:
            return value
        return str(int(value) // self.scale)

    def written(self, typed: str) -> str:
        """What is typed as the kernel's value."""
        text = typed.lstrip("0") or typed[:1]
        if not text.isdecimal() or len(text) > _DIGITS:
            return text
        return str(int(text) * self.scale)

    def refused(self, value: str) -> str:
        """Why a value of the kernel's cannot be set here, or ""."""
        low, high = self.takes.low, self.takes.high
        if low is not None and high is not None and value not in self.takes.words:
            is_number = value.isdecimal() and len(value) <= _DIGITS
            if not is_number or not low <= int(value) <= high:
                return f"{self.knob} takes {self.range} here"
        return refusal(KNOBS[self.knob], value) or ""

    @property
    def range(self) -> str:
        """`800 to 3800 MHz, or n/a`."""
        low, high = (self.shown(str(bound or 0)) for bound in (self.takes.low, self.takes.high))
        words = "".join(f", or {word}" for word in self.takes.words)
        return f"{low} to {high} {self.unit}".rstrip() + words

    def says(self, value: str) -> str:
        """What a value amounts to, where that is not what is typed: `3.8 GHz (3800000)`."""
        unit = KNOBS[self.knob].unit
        if in_words(self.knob, value, unit) == (value, unit):
            return ""
        return spelled(self.knob, value, unit)


def typing_for(state: State | None, selection: Selection) -> Typing:
    """How the number of a selection is typed, within the bounds that were read by now."""
    knob = KNOBS[selection.knob]
    takes = takes_of(knob, selection.statuses, _ground(state, selection))
    numbers = [int(value) for value in selection.values if value.isdecimal()]
    in_mhz = knob.unit == "kHz" and not any(number % _KHZ_PER_MHZ for number in numbers)
    return Typing(
        selection.knob, takes, _KHZ_PER_MHZ if in_mhz else 1, "MHz" if in_mhz else knob.unit
    )


def _ground(state: State | None, selection: Selection) -> Ground | None:
    """What was read of the machine for this very selection."""
    read = state.ground if state is not None else None
    if read is None or read.selection.targets != selection.targets:
        return None
    return read.ground
