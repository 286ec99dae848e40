"""Which services of a machine run now, and which are started at boot: read from files alone.

Where systemd runs, a service that runs has a directory among the control groups, and one that is
enabled a link below a `.wants` directory; elsewhere the names of the processes tell, and the links
of `/etc/rc?.d`. No bus is asked and no program is run: it has to be cheap, and to work on a copy of
a machine too. Read in systemd.unit(5), systemd.exec(5) and update-rc.d(8).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aitune_backends.host import Host

# Where a service's control group lies: with version 2, with version 1, with both.
_GROUPS = (
    "/sys/fs/cgroup/system.slice",
    "/sys/fs/cgroup/systemd/system.slice",
    "/sys/fs/cgroup/unified/system.slice",
)
# systemd keeps a link for each unit that is active, also where its program has ended already.
_ACTIVE = "/run/systemd/units"
_UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_INIT_LINKS = tuple(f"/etc/rc{level}.d" for level in "S2345")
_INIT_LINK = re.compile(r"S[0-9]{2}(.+)")
# The kernel cuts names here.
_COMM = 15
# Names of processes are looked through only where systemd does not run: few, or a container.
_PROCESSES = 2000


def systemd_runs(host: Host) -> bool:
    """Whether systemd starts this machine; taken for granted where that cannot be told."""
    first = host.first_line("/proc/1/comm")
    return first in (None, "", "systemd") or host.exists("/run/systemd/system")


class Services:
    """The services of one machine at one moment; made anew for each look.

    Args:
        host: The machine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        groups = [host.names(directory) for directory in _GROUPS]
        active = [name.partition(":")[2] for name in host.names(_ACTIVE)]
        self._systemd = systemd_runs(host)
        self._shown = any(groups) or bool(active)
        running = {*(name for names in groups for name in names), *active}
        self._running = {name.removesuffix(".service") for name in running}
        self._commands = frozenset[str]() if self._shown else frozenset(_commands(host))
        self._wanted: frozenset[str] | None = None
        self._known = False

    def running(self, unit: str, commands: Iterable[str] = ()) -> bool:
        """Whether a service runs, or has run and counts as active.

        Args:
            unit: Its name without `.service`.
            commands: What its processes are called, where that is not the unit's name.
        """
        if self._shown:
            return unit in self._running
        return any(command[:_COMM] in self._commands for command in (unit, *commands))

    def enabled(self, unit: str) -> bool | None:
        """Whether a service is started at boot; None where the machine shows no such directory."""
        if self._wanted is None:
            self._wanted = frozenset(self._read_wanted())
        if not self._known:
            return None
        return unit in self._wanted and not self._masked(unit)

    def installed(self, unit: str) -> bool:
        """Whether the machine has the service at all, as far as its files tell."""
        return any(self._host.exists(f"{folder}/{unit}.service") for folder in _UNITS) or (
            self._host.exists(f"/etc/init.d/{unit}")
        )

    def _masked(self, unit: str) -> bool:
        try:
            return self._host.link(f"/etc/systemd/system/{unit}.service") == "/dev/null"
        except (OSError, ValueError):
            return False

    def _read_wanted(self) -> Iterator[str]:
        for folder in _UNITS:
            names = self._host.names(folder)
            self._known = self._known or bool(names)
            for name in names if self._systemd else ():
                if name.endswith((".wants", ".requires")):
                    for unit in self._host.names(f"{folder}/{name}"):
                        yield unit.removesuffix(".service")
        for folder in _INIT_LINKS:
            for name in self._host.names(folder):
                self._known = True
                found = _INIT_LINK.fullmatch(name)
                if found and not self._systemd:
                    yield found[1]


def _commands(host: Host) -> Iterator[str]:
    """Names of processes, at most so many."""
    pids = [name for name in host.names("/proc") if name.isdecimal()]
    for pid in pids[:_PROCESSES]:
        try:
            yield host.read(f"/proc/{pid}/comm", limit=64).strip()
        except (OSError, ValueError):
            continue
