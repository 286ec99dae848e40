"""Block devices: which there are, what their queues are set to, and what they move."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.probes.numbers import first_line, natural, parse_int
from aitune_backends.readings import Disk
from aitune_helper.knobs import parse_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from aitune_backends.host import Host

DIRECTORY = "/sys/block"
_SECTOR = 512  # of /sys/block/*/{size,stat}, whatever the device's own sectors are
# Memory, optical and floppy drives; and the hidden single paths of a multipath NVMe namespace.
_NO_DISK = re.compile(r"(?:ram|sr|fd)[0-9]+|nvme[0-9]+c[0-9]+n[0-9]+")


class Moved(NamedTuple):
    """What a device has moved since it appeared, in bytes, and its requests in flight."""

    read: int
    written: int
    in_flight: int


def parse_block_stat(text: str | bytes) -> Moved | None:
    """`/sys/block/X/stat`; None for anything that is not at least nine numbers."""
    fields = text.split()[:9]
    if len(fields) < 9:  # in_flight is the ninth
        return None
    try:
        return Moved(int(fields[2]) * _SECTOR, int(fields[6]) * _SECTOR, int(fields[8]))
    except ValueError:
        return None


def parse_size(text: str) -> int:
    """`/sys/block/X/size` in bytes; 0 where it tells none."""
    return max(0, parse_int(text) or 0) * _SECTOR


def disk_names(host: Host, known: Container[str] = ()) -> tuple[str, ...]:
    """The devices worth showing: disks, arrays and mappings, loop and zram devices in use.

    A device of size 0 has nothing behind it: a free loop device, an empty card reader.

    Args:
        host: The machine.
        known: Devices that need not be asked for their size again.
    """
    return tuple(
        name
        for name in sorted(host.names(DIRECTORY), key=natural)
        if name in known or (not _NO_DISK.fullmatch(name) and _has_something(host, name))
    )


def _has_something(host: Host, name: str) -> bool:
    size = host.first_line(f"{DIRECTORY}/{name}/size")
    if size is None:  # captures may lack the file, or have but a link to nothing
        return host.exists(f"{DIRECTORY}/{name}")
    return size != "0"


def read_disk(host: Host, read: Callable[[str], str], name: str) -> Disk:
    """Everything about one device except its rates, which take two readings.

    Args:
        host: For its directories and for what never changes.
        read: Reads a file; raises OSError where there is none.
        name: As in `/sys/block`.
    """
    directory = f"{DIRECTORY}/{name}"

    def text(file: str) -> str:
        try:
            return first_line(read(f"{directory}/{file}"))
        except OSError:
            return ""

    scheduler, schedulers = parse_listed(text("queue/scheduler"))
    rotational = text("queue/rotational")
    moved = parse_block_stat(text("stat"))
    return Disk(
        name=name,
        size=parse_size(text("size")),
        model=_model(text),
        rotational={"0": False, "1": True}.get(rotational),
        node=_node(text),
        # A bare `none` without brackets offers nothing to choose: there is no scheduler.
        scheduler=scheduler if schedulers else None,
        schedulers=schedulers,
        read_ahead_kib=parse_int(text("queue/read_ahead_kb")),
        nr_requests=parse_int(text("queue/nr_requests")),
        in_flight=moved.in_flight if moved else None,
        read_rate=None,
        write_rate=None,
        slaves=tuple(sorted(host.names(f"{directory}/slaves"), key=natural)),
        diskseq=text("diskseq"),
        max_sectors_kib=parse_int(text("queue/max_sectors_kb")),
    )


def _model(text: Callable[[str], str]) -> str:
    """What a device calls itself; for a mapping its name, for an array its level."""
    return text("device/model") or text("dm/name") or text("md/level")


def _node(text: Callable[[str], str]) -> int | None:
    for file in ("device/numa_node", "device/device/numa_node"):
        node = parse_int(text(file))
        if node is not None and node >= 0:
            return node
    return None
