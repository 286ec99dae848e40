"""The memory of each NUMA node: what is free, what could be given up, whether processors are near.

A node without processors is memory that somebody put there on purpose: that of a GPU on Grace, or
far memory behind CXL. Huge pages are not planned onto it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aitune_backends.host import Host

_NODES = "/sys/devices/system/node"
_LINE = re.compile(r"^Node [0-9]{1,4} ([A-Za-z_()]+): *([0-9]{1,15}) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """One node, in bytes.

    Attributes:
        number: The node.
        total, free: MemTotal and MemFree.
        given_up: What reading files has left there: pages of files on the active and inactive
            lists, and reclaimable slabs. None of it is certain to go.
        has_cpus: Whether processors belong to it.
    """

    number: int
    total: int
    free: int
    given_up: int
    has_cpus: bool

    @property
    def obtainable(self) -> int:
        """Free memory, and all that could become free."""
        return self.free + self.given_up


def parse_node_meminfo(text: str) -> dict[str, int]:
    """The fields of a node's meminfo that are sizes, in bytes."""
    return {name: int(number) * 1024 for name, number in _LINE.findall(text)}


def read_nodes(host: Host) -> tuple[NodeMemory, ...]:
    """Every node with memory, by number."""
    numbers = sorted(
        int(name[4:]) for name in host.names(_NODES) if re.fullmatch(r"node[0-9]{1,4}", name)
    )
    nodes = []
    for number in numbers:
        here = f"{_NODES}/node{number}"
        try:
            fields = parse_node_meminfo(host.read(f"{here}/meminfo"))
        except OSError:
            continue
        get = fields.get
        # Older captures have the sum alone, which counts shared memory too.
        files = max(0, get("FilePages", 0) - get("Shmem", 0))
        if "Inactive(file)" in fields:
            files = get("Active(file)", 0) + get("Inactive(file)", 0)
        if get("MemTotal", 0):
            nodes.append(
                NodeMemory(
                    number=number,
                    total=get("MemTotal", 0),
                    free=get("MemFree", 0),
                    given_up=files + get("SReclaimable", 0),
                    has_cpus=host.first_line(f"{here}/cpulist") != "",
                )
            )
    return tuple(nodes)
