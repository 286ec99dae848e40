"""What keeps setting things while a machine runs, or sets them late at boot: services and daemons.

One family of services has one module: `managers_tuned`, `managers_cpu`, `managers_tlp` and
`managers_memory`. Each says of a service what it sets, to what, and in which line that is written.
A service is listed where it runs, is started at boot, or is at least installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends import managers_cpu, managers_memory, managers_tlp, managers_tuned
from aitune_backends.services import Services

if TYPE_CHECKING:
    from aitune_backends.host import Host
    from aitune_backends.manager_kind import Kind, Setting


@dataclass(frozen=True, slots=True)
class Manager:
    """A service that sets things, or that an operator who sets things should know of.

    Attributes:
        name: What it is called: `tuned`.
        running: Whether it runs now, or has run and counts as active.
        enabled: Whether it is started at boot; None where the machine does not show that.
        sets: What it sets.
        where: What its own setting is written in, or chosen by: `profile hpc-compute`, a file.
        sentence: What it does, in one sentence.
        clashes: Others that are here, running or started at boot, with which it does not go.
        keeps: Whether it sets things again while it runs, and not only when it starts.
    """

    name: str
    running: bool
    enabled: bool | None
    sets: tuple[Setting, ...]
    where: str
    sentence: str
    clashes: tuple[str, ...]
    keeps: bool = True


@dataclass(frozen=True, slots=True)
class Keeper:
    """One service that sets one target.

    Attributes:
        manager: Its name.
        place: The line that says so, `FILE:LINE`, or "".
        value: To what; None where it decides as it goes.
        running: Whether it runs now.
        sentence: `tuned is running and sets 10 (FILE:LINE).`
        keeps: Whether it sets it again while it runs, and not only when it starts.
    """

    manager: str
    place: str
    value: str | None
    running: bool
    sentence: str
    keeps: bool = True


_KINDS = (
    *managers_tuned.KINDS,
    *managers_tlp.KINDS,
    *managers_cpu.KINDS,
    *managers_memory.KINDS,
)


def read_managers(host: Host) -> tuple[Manager, ...]:
    """Every known service that this machine has, what runs first.

    A machine that shows neither its services nor its files (many captures) has none.
    """
    services = Services(host)
    found: list[tuple[Kind, bool, bool | None]] = []
    for kind in _KINDS:
        units = (kind.name, *kind.others)
        running = any(services.running(unit, kind.commands) for unit in units)
        starts = [services.enabled(unit) for unit in units]
        enabled = True if True in starts else starts[0]
        if running or enabled or any(services.installed(unit) for unit in units):
            found.append((kind, running, enabled))
    active = {kind.name for kind, running, enabled in found if running or enabled}
    managers = [_manager(host, kind, running, enabled, active) for kind, running, enabled in found]
    return tuple(sorted(managers, key=lambda manager: not manager.running))


def _manager(
    host: Host, kind: Kind, running: bool, enabled: bool | None, active: set[str]
) -> Manager:
    facts = kind.read(host)
    return Manager(
        name=kind.name,
        running=running,
        enabled=enabled,
        sets=facts.sets,
        where=facts.where,
        sentence=kind.sentence,
        clashes=tuple(name for name in kind.against if name in active and kind.name in active),
        keeps=kind.keeps,
    )


def keeper_of(manager: Manager, setting: Setting) -> Keeper:
    """What a service does to one target, in words too."""
    value = " ".join(filter(None, (setting.bound, setting.value)))
    what = f"sets {value}" if setting.value is not None else "sets it as it sees fit"
    place = f" ({setting.place})" if setting.place else ""
    if manager.running and manager.keeps:
        sentence = f"{manager.name} is running and {what}{place}."
    else:
        sentence = f"{manager.name} {what} when it starts{place}."
    return Keeper(
        manager.name, setting.place, setting.value, manager.running, sentence, manager.keeps
    )
