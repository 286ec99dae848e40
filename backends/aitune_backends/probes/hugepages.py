"""Pools of huge pages: one per size for the machine, and one per size and NUMA node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.probes.numbers import natural, read_int
from aitune_backends.readings import HugePool

if TYPE_CHECKING:
    from aitune_backends.host import Host

_MACHINE = "/sys/kernel/mm/hugepages"
_NODES = "/sys/devices/system/node"
_DIRECTORY = re.compile(r"hugepages-([1-9][0-9]{0,11})kB")


def read_pools(host: Host) -> tuple[HugePool, ...]:
    """Every pool the kernel lists, the machine's own first, then each node's; smallest first.

    A pool whose count cannot be read is left out: a missing file is an absent pool.
    """
    nodes = sorted(
        int(name[4:]) for name in host.names(_NODES) if re.fullmatch(r"node[0-9]{1,4}", name)
    )
    places: list[tuple[int | None, str]] = [(None, _MACHINE)]
    places += [(node, f"{_NODES}/node{node}/hugepages") for node in nodes]
    return tuple(
        pool
        for node, directory in places
        for name in sorted(host.names(directory), key=natural)
        if (pool := _read_pool(host, f"{directory}/{name}", node)) is not None
    )


def _read_pool(host: Host, directory: str, node: int | None) -> HugePool | None:
    match = _DIRECTORY.fullmatch(directory.rpartition("/")[2])
    if match is None:
        return None
    total = read_int(host, f"{directory}/nr_hugepages")
    if total is None or total < 0:
        return None
    return HugePool(
        size_kib=int(match[1]),
        node=node,
        total=total,
        free=read_int(host, f"{directory}/free_hugepages") or 0,
        reserved=None if node is not None else read_int(host, f"{directory}/resv_hugepages"),
        surplus=read_int(host, f"{directory}/surplus_hugepages") or 0,
    )
