"""One machine's readings, tick by tick: cheap enough to run beside what it watches.

Each tick: memory, pressure, how busy the CPUs are, what the disks move. Every five seconds or in
turn: what changes when somebody sets it. Whatever vanishes between two ticks is missing from the
next sample, and nothing else happens.
"""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from aitune_backends.cpu_sampler import CpuSampler
from aitune_backends.disk_sampler import DiskSampler
from aitune_backends.kept import KeptFiles
from aitune_backends.probes import hugepages, meminfo, pressure
from aitune_backends.readings import HugePool, Memory, Sample
from aitune_backends.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from aitune_backends.host import Host

_SLOW_EVERY_S = 5.0
_DISKS_EVERY_S = 2.0
_NOT_MEASURED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EOPNOTSUPP})


class Sampler:
    """Makes one `Sample` a call. For one thread; `refresh` and `show` may come from others."""

    def __init__(
        self,
        host: Host,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Open nothing yet: the first sample does, and reads everything once.

        Args:
            host: The machine.
            clock: Seconds that never jump; rates are counted by it.
            wall: Seconds since the epoch, for display.
        """
        self._host = host
        self._clock = clock
        self._wall = wall
        self._files = KeptFiles(host)
        self._cpus = CpuSampler(host, self._files)
        self._disks = DiskSampler(host, self._files)
        self._watcher = None if host.origin == "capture" else Watcher(host)
        self._pools: tuple[HugePool, ...] = ()
        self._in_pools = -1
        self._at: float | None = None
        self._slow_at = self._disks_at = float("-inf")
        self._again = True
        self._shown_cpus: Container[int] | None = None
        self._shown_disks: Container[str] | None = None
        self._errors: dict[str, str] = {}

    def show(self, cpus: Container[int] | None = None, disks: Container[str] | None = None) -> None:
        """Say what is on screen: its frequencies and rates are read each tick; None is all."""
        self._shown_cpus = cpus
        self._shown_disks = disks

    def refresh(self) -> None:
        """Have the next sample read every setting: something changed, or disks came or went."""
        self._again = True

    def sample(self) -> Sample:
        """Read the machine. Never raises for what the machine does or lacks."""
        began = time.thread_time()
        now = self._clock()
        since = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._errors = {}
        memory = self._memory()
        self._slow(now, memory)
        return Sample(
            at=now,
            wall=self._wall(),
            memory=memory,
            pressure=pressure.pressure(
                *(self._text(pressure.PATHS[kind]) for kind in ("memory", "io", "cpu"))
            ),
            pools=self._pools,
            cpus=self._cpus.cpus(),
            policies=self._cpus.policies(since, self._shown_cpus),
            disks=self._disks.disks(now, since, self._shown_disks),
            loads=self._watcher.look(now) if self._watcher else (),
            errors=self._errors,
            cost_s=time.thread_time() - began,
        )

    def close(self) -> None:
        """Close every file that is kept open."""
        self._files.close()

    def _slow(self, now: float, memory: Memory | None) -> None:
        """What is read whole, every few seconds or because something says it changed."""
        again, self._again = self._again, False
        slow = again or now - self._slow_at >= _SLOW_EVERY_S
        in_pools = memory.huge_pages if memory else -1
        if slow or in_pools != self._in_pools:
            self._pools = hugepages.read_pools(self._host)
            self._in_pools = in_pools
        if again:
            self._cpus.read_all_again()
            self._disks.read_all_again()
        elif slow:
            self._cpus.list_again()
        if slow:
            self._slow_at = now
        if again or now - self._disks_at >= _DISKS_EVERY_S:
            if not again:
                self._disks.list_again()
            self._disks_at = now

    def _memory(self) -> Memory | None:
        return meminfo.memory(meminfo.parse_meminfo(self._text(meminfo.PATH)))

    def _text(self, path: str) -> str:
        """The file's text; "" where it is absent or measures nothing. Other faults are noted."""
        try:
            return self._files.text(path)
        except OSError as error:
            if error.errno not in _NOT_MEASURED:
                self._errors[path] = error.strerror or str(error)
            return ""
