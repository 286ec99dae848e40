"""Block devices, tick by tick: what they move each tick, how they are set in turn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aitune_backends.probes import block
from aitune_backends.probes.numbers import first_line, parse_int
from aitune_backends.readings import Disk
from aitune_backends.turns import Turns
from aitune_helper.knobs import parse_listed

if TYPE_CHECKING:
    from collections.abc import Container

    from aitune_backends.host import Host
    from aitune_backends.kept import KeptFiles

# Devices whose queue is read in one tick at most; four files each.
_SETTINGS = 3
_SETTINGS_EVERY_S = 5.0


class DiskSampler:
    """The block devices of one host, as they come and go."""

    def __init__(self, host: Host, files: KeptFiles) -> None:
        self._host = host
        self._files = files
        self._disks: dict[str, Disk] = {}
        self._moved: dict[str, tuple[float, block.Moved]] = {}
        self._settings = Turns[str]()

    def list_again(self) -> None:
        """See which devices there are; a new one is read whole.

        Only what is not shown yet is asked for its size; what is shown is asked in its turn.
        """
        self._list(self._disks.keys())

    def read_all_again(self) -> None:
        """Read every device whole at once; the rates go on."""
        known = self._disks
        self._list(())
        for name, old in known.items():
            if name in self._disks:  # what is new was read just now
                self._disks[name] = replace(
                    self._whole(name), read_rate=old.read_rate, write_rate=old.write_rate
                )

    def _list(self, trusted: Container[str]) -> None:
        names = block.disk_names(self._host, trusted)
        if names == tuple(self._disks):
            return
        for gone in self._disks.keys() - set(names):
            self._forget(gone)
        self._disks = {name: self._disks.get(name) or self._whole(name) for name in names}
        self._settings.set(names)

    def disks(self, now: float, since_s: float, shown: Container[str] | None) -> tuple[Disk, ...]:
        """Every device with its rates since it was last looked at.

        Args:
            now: Monotonic seconds.
            since_s: Seconds since the last call.
            shown: Devices on screen, None for all; only theirs are measured.
        """
        for name in list(self._disks):
            if shown is None or name in shown:
                self._measure(name, now)
        for name in self._settings.due(since_s, _SETTINGS_EVERY_S, _SETTINGS):
            if name in self._disks:
                self._read_settings(name)
        return tuple(self._disks.values())

    def _measure(self, name: str, now: float) -> None:
        try:
            moved = block.parse_block_stat(self._files.read(f"{block.DIRECTORY}/{name}/stat"))
        except OSError:
            self._start_afresh(name)
            return
        if moved is None:
            return
        disk = self._disks[name]
        then, before = self._moved.get(name, (now, moved))
        self._moved[name] = (now, moved)
        if now <= then:
            return
        read = (moved.read - before.read) / (now - then)
        written = (moved.written - before.written) / (now - then)
        if read < 0 or written < 0:  # another device under the same name counts from 0
            self._start_afresh(name)
        elif (read, written, moved.in_flight) != (
            disk.read_rate, disk.write_rate, disk.in_flight,
        ):  # fmt: skip
            self._disks[name] = Disk(
                name, disk.size, disk.model, disk.rotational, disk.node, disk.scheduler,
                disk.schedulers, disk.read_ahead_kib, disk.nr_requests, moved.in_flight,
                read, written, disk.slaves, disk.diskseq, disk.max_sectors_kib,
            )  # fmt: skip

    def _start_afresh(self, name: str) -> None:
        """A device is gone, or another came under its name: see what is there now."""
        self._forget(name)
        del self._disks[name]
        self._list(self._disks.keys())

    def _forget(self, name: str) -> None:
        self._files.drop_below(f"{block.DIRECTORY}/{name}")
        self._moved.pop(name, None)

    def _whole(self, name: str) -> Disk:
        return block.read_disk(self._host, self._host.read, name)

    def _read_settings(self, name: str) -> None:
        old = self._disks[name]
        size = self._seldom(f"{name}/size")
        if size == "0":
            self._start_afresh(name)
            return
        scheduler, schedulers = parse_listed(self._seldom(f"{name}/queue/scheduler"))
        new = replace(
            old,
            size=block.parse_size(size),
            scheduler=scheduler if schedulers else None,
            schedulers=schedulers,
            read_ahead_kib=parse_int(self._seldom(f"{name}/queue/read_ahead_kb")),
            nr_requests=parse_int(self._seldom(f"{name}/queue/nr_requests")),
            max_sectors_kib=parse_int(self._seldom(f"{name}/queue/max_sectors_kb")),
        )
        if new != old:
            self._disks[name] = new

    def _seldom(self, file: str) -> str:
        try:
            return first_line(self._files.seldom(f"{block.DIRECTORY}/{file}"))
        except OSError:
            return ""
