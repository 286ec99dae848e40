"""`/proc/pressure/*`: the share of time in which work stood still for lack of something.

Absent where the kernel was built or booted without it; some kernels have the files and answer
EOPNOTSUPP instead. Both mean: not measured.
"""

from __future__ import annotations

import re

from aitune_backends.readings import Pressure, Stall

PATHS = {kind: f"/proc/pressure/{kind}" for kind in ("memory", "io", "cpu")}
_LINE = re.compile(
    r"^(some|full) avg10=([0-9]{1,9}\.[0-9]{1,4}) avg60=([0-9]{1,9}\.[0-9]{1,4})"
    r" avg300=([0-9]{1,9}\.[0-9]{1,4}) total=([0-9]{1,20})[ \t]*$",
    re.MULTILINE,
)


def parse_pressure(text: str) -> dict[str, Stall]:
    """The `some` and `full` lines of one pressure file; a line it does not print is missing."""
    return {
        kind: Stall(float(ten), float(sixty), float(three_hundred), int(total))
        for kind, ten, sixty, three_hundred, total in _LINE.findall(text)
    }


def pressure(memory: str, io: str, cpu: str) -> Pressure:
    """The three files' texts together, "" for one that is not there."""
    of_memory, of_io, of_cpu = parse_pressure(memory), parse_pressure(io), parse_pressure(cpu)
    return Pressure(
        memory_some=of_memory.get("some"),
        memory_full=of_memory.get("full"),
        io_some=of_io.get("some"),
        io_full=of_io.get("full"),
        cpu_some=of_cpu.get("some"),
    )
