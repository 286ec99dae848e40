"""What the kernel has counted since it booted: kills, stalls, files read again and again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.changes import Wanted
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import counters, size, text
from aitune_backends.probes import meminfo
from aitune_backends.probes.numbers import read_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.host import Host

_PAGE = 4096
# A machine that was always short of free pages, not one that was full for a minute.
_MANY_STALLS = 1000
_STALLS_AN_HOUR = 60
_MORE_WATERMARK = 50
_SHARE_READ_AGAIN = 0.25
_MANY_FAULTS = 1000
_SHARE_FALLEN_BACK = 0.5


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters since boot, and what they are measured against.

    Attributes:
        seconds: Since boot; 0 where that is not told.
        total: MemTotal in bytes.
        watermark: vm.watermark_scale_factor, None where there is none.
        killed: Processes killed for lack of memory.
        stalls: Times a thread had to free memory itself before it got some.
        refaults: Pages of files read again after they had been in memory.
        read: Bytes read from disks into memory.
        huge, fallen_back: Faults that got a huge page, and that had to do without.
    """

    seconds: float = 0.0
    total: int = 0
    watermark: int | None = None
    killed: int = 0
    stalls: int = 0
    refaults: int = 0
    read: int = 0
    huge: int = 0
    fallen_back: int = 0


def findings(host: Host) -> Iterator[Finding]:
    """What the counters tell of the time since boot."""
    yield from judge(read_counted(host))


def read_counted(host: Host) -> Counted:
    """`/proc/vmstat`, and what goes with it."""
    counts = counters(host, "/proc/vmstat")
    uptime = re.match(r"([0-9]{1,12})(?:\.|\s|$)", host.first_line("/proc/uptime") or "")
    return Counted(
        seconds=float(uptime[1]) if uptime else 0.0,
        total=meminfo.parse_meminfo(text(host, meminfo.PATH)).get("MemTotal", 0),
        watermark=read_int(host, "/proc/sys/vm/watermark_scale_factor"),
        killed=counts.get("oom_kill", 0),
        stalls=sum(count for name, count in counts.items() if name.startswith("allocstall")),
        refaults=counts.get("workingset_refault_file", counts.get("workingset_refault", 0)),
        read=counts.get("pgpgin", 0) * 1024,
        huge=counts.get("thp_fault_alloc", 0),
        fallen_back=counts.get("thp_fault_fallback", 0),
    )


def judge(counted: Counted) -> Iterator[Finding]:
    """Findings from counters alone."""
    when = _ago(counted.seconds)
    if counted.killed:
        yield Finding(
            "oom-kills",
            f"{counted.killed} killed for lack of memory",
            f"The kernel has killed {counted.killed} processes for lack of memory {when}: of the "
            "machine, or at the limit of a group.",
            "`journalctl -k -g 'Out of memory|oom-kill'` names them and says which.",
            "problem",
            source=sources.SYSCTL_VM,
        )
    hours = max(counted.seconds / 3600, 1.0)
    if counted.stalls >= max(_MANY_STALLS, _STALLS_AN_HOUR * hours):
        fix: tuple[Wanted, ...] = ()
        hint = "It is raised already; look at what fills the memory."
        if counted.watermark is not None and 0 < counted.watermark < _MORE_WATERMARK:
            fix = (Wanted("vm.watermark_scale_factor", None, str(_MORE_WATERMARK)),)
            hint = (
                "Test it with your load: the marks between which the kernel frees memory then lie "
                f"{_MORE_WATERMARK / 100:g} % of memory apart, now {counted.watermark / 100:g} %."
            )
        yield Finding(
            "allocation-stalls",
            "Programs wait for free memory",
            f"{counted.stalls} times {when} a program had to free memory itself before it got "
            "some: the kernel keeps too few pages free for what is asked at once, as a load does.",
            hint,
            "warning",
            fix,
            sources.SYSCTL_VM,
        )
    again = counted.refaults * _PAGE
    if counted.total and again >= counted.total and again >= counted.read * _SHARE_READ_AGAIN:
        share = f", {again / counted.read:.0%} of all that was read" if counted.read else ""
        yield Finding(
            "read-again",
            "Files are read again and again",
            f"{size(again)} {when} were read from disk that had been in memory before{share}: "
            "what is in use does not fit beside the rest.",
            "Look at what takes memory from the page cache: huge pages that nobody uses, limits "
            "of groups, several copies of one model.",
            "warning",
            source=sources.WORKINGSET,
        )
    asked = counted.huge + counted.fallen_back
    if asked >= _MANY_FAULTS and counted.fallen_back >= asked * _SHARE_FALLEN_BACK:
        yield Finding(
            "thp-fallback",
            "Huge pages were not to be had",
            f"{counted.fallen_back / asked:.0%} of {asked} faults {when} that could have had a "
            "transparent huge page got small ones: memory is in pieces.",
            "`vm.compact_memory` puts it together once; it stalls for a moment.",
            "info",
            source=sources.THP_FALLBACK,
        )


def _ago(seconds: float) -> str:
    """`since boot, 3 days ago`."""
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"since boot {number} {name}{'' if number == 1 else 's'} ago"
    return "since boot"
