"""Which targets a row of a table stands for, told from the row's key and back.

A key is one of
`vm.swappiness` the knob itself: the total of a quantity, every instance of anything else ·
`cpu.governor@policy3` this instance alone ·
`cpu.governor@policy3+` this instance and all that hold the same value ·
`hugepages.2048kB@*` the nodes of a quantity, each with a value of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aitune_backends.targets import DIFFERS, UNREAD
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from aitune_backends.targets import TargetStatus

T = TypeVar("T")


class Target(NamedTuple):
    """Knob and instance: one thing that holds one value."""

    knob: str
    instance: str = ""

    @property
    def text(self) -> str:
        """The target as the command line writes it."""
        return f"{self.knob}@{self.instance}" if self.instance else self.knob


class Statuses(tuple["TargetStatus", ...]):
    """The targets of a survey, in its order; those of one knob are found without a search.

    On a machine of 512 cores there are thousands, and each line on the screen asks for its own.
    """

    @classmethod
    def of(cls, statuses: Iterable[TargetStatus]) -> Statuses:
        """These targets; the very same where they are found by knob already."""
        return statuses if isinstance(statuses, Statuses) else cls(statuses)

    @cached_property
    def by_knob(self) -> Mapping[str, tuple[TargetStatus, ...]]:
        """The targets of each knob, in the order of the survey."""
        found: dict[str, list[TargetStatus]] = {}
        for status in self:
            found.setdefault(status.knob, []).append(status)
        return {knob: tuple(own) for knob, own in found.items()}

    @cached_property
    def asking(self) -> Mapping[str, tuple[TargetStatus, ...]]:
        """Those of each knob that differ from what is advised, or could not be read."""
        found: dict[str, list[TargetStatus]] = {}
        for status in self:
            if status.state in {DIFFERS, UNREAD}:
                found.setdefault(status.knob, []).append(status)
        return {knob: tuple(own) for knob, own in found.items()}


class Selection(NamedTuple):
    """What a row stands for.

    Attributes:
        knob: The knob.
        statuses: Its targets, in the order of the survey; empty where the machine lacks them.
        each: True where every target takes a value of its own (the nodes of a pool).
    """

    knob: str
    statuses: tuple[TargetStatus, ...]
    each: bool = False

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets themselves."""
        return tuple(Target(status.knob, status.instance) for status in self.statuses)

    def among(self, known: Mapping[Target, T]) -> list[T]:
        """What is known of its targets, in their order; quick where nothing is, as mostly."""
        if not any(target.knob == self.knob for target in known):
            return []
        return [known[target] for target in self.targets if target in known]

    @property
    def values(self) -> tuple[str, ...]:
        """The different values now, in the order in which they are first met."""
        return tuple(dict.fromkeys(s.value for s in self.statuses if s.value is not None))

    @property
    def advised(self) -> str | None:
        """The one value advised for all, or None where there is none or they disagree."""
        advised = {status.advised for status in self.statuses}
        return advised.pop() if len(advised) == 1 else None

    @property
    def name(self) -> str:
        """How people call it: the knob, with the instance where it is a single one."""
        if len(self.statuses) == 1 and self.statuses[0].instance:
            return f"{self.knob}  {self.statuses[0].instance}"
        return self.knob


def group_key(knob: str, first_instance: str) -> str:
    """The key of a row for all instances that hold the same value as the first of them."""
    return f"{knob}@{first_instance}+"


def each_key(knob: str) -> str:
    """The key of a row for the nodes of a quantity."""
    return f"{knob}@*"


def select(key: str, statuses: Iterable[TargetStatus]) -> Selection:
    """The targets that the row `key` stands for, among those surveyed."""
    knob, _, rest = key.partition("@")
    own = Statuses.of(statuses).by_knob.get(knob, ())
    if not rest:
        if knob in KNOBS and KNOBS[knob].quantity:
            own = tuple(status for status in own if not status.instance)
        return Selection(knob, own)
    if rest == "*":
        return Selection(knob, tuple(status for status in own if status.instance), each=True)
    instance = rest.rstrip("+")
    first = next((status for status in own if status.instance == instance), None)
    if first is None:
        return Selection(knob, ())
    if rest.endswith("+"):
        return Selection(
            knob, tuple(s for s in own if s.value == first.value and s.state == first.state)
        )
    return Selection(knob, (first,))
