"""What is known of one service, as data: its name, what it does, how its files are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.host import Host


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a service sets.

    Attributes:
        knob: Id of the knob.
        instance: As in a change that is typed: "" is the machine's own, a pool's total, or every
            instance of what has instances.
        value: To what; None where the service decides as it goes.
        place: The line that says so, `FILE:LINE`; a file or "" where nothing more is written.
        bound: `at least` where it leaves a higher value alone, `at most`, or "".
    """

    knob: str
    instance: str
    value: str | None
    place: str
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a service's own files say."""

    sets: tuple[Setting, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A service that is known.

    Attributes:
        name: Of its unit.
        sentence: What it does.
        read: Reads what it sets; called only where the service is there.
        others: Further names of its unit.
        commands: What its processes are called, where not like the unit.
        against: Those with which it does not go.
        keeps: See `Manager`.
    """

    name: str
    sentence: str
    read: Callable[[Host], Facts] = lambda _: Facts()
    others: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    keeps: bool = True
