"""What is known of one knob: its meaning, its risk, what is advised, and how well that is founded.

Entries are data. Every fact in them has a source, named beside it; where nothing shows that a
value helps, the entry says so and advises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_LOADING = "model-loading"
INFERENCE = "inference"
TRAINING = "training"
GOALS = (MODEL_LOADING, INFERENCE, TRAINING)
DEFAULT_GOAL = INFERENCE

Risk = Literal["low", "medium", "high"]

HUGE_PAGES = "Huge pages"
OVERCOMMIT = "Overcommit"
NUMA_AND_RECLAIM = "NUMA and reclaim"
CPU = "CPU"
BLOCK = "Block"
GROUPS = (HUGE_PAGES, OVERCOMMIT, NUMA_AND_RECLAIM, CPU, BLOCK)


# What stands for the fields of a text where no change on no machine is meant.
_GENERAL_WORDS = {
    "value": "the new value",
    "value_size": "that far",
    "frequency": "that frequency",
    "amount": "that much",
    "available": "the available memory",
    "committed": "",
    "commit_limit": "only up to a limit",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What it means to set a knob, or to set it to one value.

    Texts may hold fields in braces, those that `describe` fills in.

    Attributes:
        effect: What changes, in whole sentences.
        danger: What may go wrong, in whole sentences.
        risk: How much that is worth: `low`, `medium`, or `high` (asks for the name to be typed).
        note: The risk in half a line, for a plan 120 columns wide.
        note_short: The same for 80 columns.
    """

    effect: str
    danger: str
    risk: Risk
    note: str
    note_short: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one knob.

    Attributes:
        knob: Id of the knob.
        title: Its name in plain words.
        group: One of `GROUPS`.
        what: What the kernel does with it.
        why: Why it matters, or does not, to a model's load and to serving it.
        meaning: What it means to change it; where there is a `lowered`, to raise it.
        stars: How well the advice is founded: 3 kernel documentation, several vendors or
            measured; 2 one vendor; 1 custom; 0 nothing is advised.
        evidence: Who says so, in one or two sentences.
        sources: Where that can be read.
        absent: Why a machine may not have it, and what to do then.
        no_effect: When no value of it has any effect, or what it never has an effect on.
        advice: The value advised for each goal, or None. None too where it depends on the machine:
            `depends` then says on what.
        depends: What the advice depends on, in one sentence; "" where it is the same everywhere.
        differs: Why another value is worth a look, in one sentence.
        as_good: Words that serve as well as the advised one.
        as_good_numbers: Numbers that do.
        values: What single values mean, where that is more than `meaning` says.
        lowered: What it means to set less than there is, where that is something else.
        endless_at_zero: 0 sets no limit: as a value it is above all others.
        minor: Shown on its own page only, not among what a screen begins with.
        since: The Linux version that brought it, as `6.8`; "" where it is older than any in use.
        instead: Knobs that say the same on machines that lack this one.
    """

    knob: str
    title: str
    group: str
    what: str
    why: str
    meaning: Meaning
    stars: int
    evidence: str
    sources: tuple[str, ...]
    absent: str
    no_effect: str
    advice: Mapping[str, str | None] = field(default_factory=lambda: same_for_all(None))
    depends: str = ""
    differs: str = ""
    as_good: tuple[str, ...] = ()
    as_good_numbers: range = range(0)
    values: Mapping[str, Meaning] = field(default_factory=dict)
    lowered: Meaning | None = None
    endless_at_zero: bool = False
    minor: bool = False
    since: str = ""
    instead: tuple[str, ...] = ()

    def in_general(self, text: str) -> str:
        """A text of a meaning without the numbers of one machine and one change."""
        filled = text.format_map({**_GENERAL_WORDS, "instance": self._kind})
        return filled[:1].upper() + filled[1:]

    @property
    def _kind(self) -> str:
        """An instance of it, in a sentence that means no machine."""
        special = {
            "cpu.idle_latency": "a core",
            "thp.size_enabled": "that size",
            "numa.weighted_interleave": "a node",
        }
        kinds = {CPU: "a policy", BLOCK: "a disk"}
        return special.get(self.knob) or kinds.get(self.group, "it")

    def is_as_good(self, value: str) -> bool:
        """Whether a value that is not the advised one serves as well."""
        if value in self.as_good:
            return True
        return _is_number(value) and int(value) in self.as_good_numbers

    def meaning_of(self, value: str, now: str = "") -> Meaning:
        """What it means to set this value, where `now` is held, if that is known."""
        if value in self.values:
            return self.values[value]
        return self.lowered if self.lowered and self._is_lowered(value, now) else self.meaning

    def _is_lowered(self, value: str, now: str) -> bool:
        if not (_is_number(value) and _is_number(now)):
            return False
        if self.endless_at_zero and "0" in {value, now}:
            return now == "0" != value
        return int(value) < int(now)


def _is_number(text: str) -> bool:
    # No kernel prints more digits; a damaged capture may, and int() raises on thousands.
    return len(text) < 20 and text.isdecimal()


def same_for_all(value: str | None) -> Mapping[str, str | None]:
    """The same advice for every goal."""
    return dict.fromkeys(GOALS, value)
