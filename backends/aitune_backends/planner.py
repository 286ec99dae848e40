"""What growing a pool of huge pages would get, and what it would cost: estimates, never promises.

Two numbers bound what can be had. `at once` counts blocks that lie free as a whole now. `at most`
is what the memory guard leaves, once the kernel has given up page cache and moved pages together;
how much of that it manages is known only when it is tried.

Assumed of the kernel (mm/hugetlb.c, mm/page_alloc.c of 6.12; 2 MiB pages on 6.18 by test):
- Huge pages come from the zones Normal, Movable, HighMem and DMA32. Of DMA32 the kernel keeps
  1/256 of the zones above it (lowmem_reserve_ratio), of DMA all.
- Each node keeps its share of vm.min_free_kbytes.
- A page larger than the largest block of the buddy allocator (1 GiB on x86) is gigantic: it takes
  a whole range that can be emptied, which buddyinfo does not tell of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends import node_memory
from aitune_backends.probes import buddyinfo, hugepages
from aitune_backends.probes.meminfo import parse_meminfo
from aitune_backends.probes.numbers import read_int
from aitune_helper import plan
from aitune_helper.formats import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_backends.host import Host
    from aitune_backends.readings import HugePool

_KIB = 1024
_ZONES = frozenset({"Normal", "Movable", "HighMem", "DMA32"})
_LOWMEM_RATIO = 256  # of vm.lowmem_reserve_ratio: what DMA32 keeps from the zones above it
_STRUCT_PAGE = 64  # bytes that describe one base page
_USUAL_ORDERS = 11  # of the buddy allocator, where buddyinfo is not there to be counted
_KUBELET_PLACES = ("/var/lib/kubelet", "/var/snap/microk8s/common/var/lib/kubelet")
_VLLM_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class NodeOutlook:
    """One node that pages can be taken from.

    Attributes:
        node: Its number.
        total, free, surplus: Pages it holds now.
        at_once: More pages that lie free as whole blocks; None where that cannot be known.
        at_most: More pages that it could give up at the very most.
    """

    node: int
    total: int
    free: int
    surplus: int
    at_once: int | None
    at_most: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What so many more pages leave of the machine, in bytes.

    Attributes:
        pages: How many more; fewer if negative.
        taken: The memory they hold.
        available: MemAvailable then.
        cache: Page cache that has to go because free memory does not suffice.
        commit_limit: CommitLimit then, which holds in overcommit mode 2 alone; None if not told.
        read_ahead: The largest checkpoint that vLLM would still read ahead.
        vmemmap: What describing these pages costs less with vm.hugetlb_optimize_vmemmap.
    """

    pages: int
    taken: int
    available: int
    cache: int
    commit_limit: int | None
    read_ahead: int
    vmemmap: int


@dataclass(frozen=True, slots=True)
class PoolOutlook:
    """One size of huge pages on one machine: what there is, what could be had, what it costs.

    Attributes:
        size_kib: Size of a page.
        total, free, reserved, surplus: Pages now. Free ones that are reserved are promised to a
            program that has not touched them yet.
        nodes: The nodes that pages can be taken from; empty where the kernel has no nodes.
        left_out: Memory without processors, by number: GPU or far memory, no target.
        at_once, at_most: More pages, of all nodes together; `at_once` None if not known.
        gigantic: Whether a page is larger than any block of the buddy allocator.
        available, spare, free_memory: MemAvailable, what of it the guard lets go, and MemFree.
        commit_limit: CommitLimit now, None if not told; `commit_share` of each byte taken.
        vmemmap_each: Bytes that describe one page and could be saved.
        optimized: Whether vm.hugetlb_optimize_vmemmap is on; None where the kernel lacks it.
        kubelet: Whether a kubelet lives here.
    """

    size_kib: int
    total: int
    free: int
    reserved: int
    surplus: int
    nodes: tuple[NodeOutlook, ...]
    left_out: tuple[int, ...]
    at_once: int | None
    at_most: int
    gigantic: bool
    available: int
    spare: int
    free_memory: int
    commit_limit: int | None
    commit_share: float
    vmemmap_each: int
    optimized: bool | None
    kubelet: bool

    @property
    def page(self) -> int:
        """Bytes in a page."""
        return self.size_kib * _KIB

    @property
    def most_safe(self) -> int:
        """The largest total that the memory guard lets pass now."""
        return self.total + max(0, self.spare) // self.page

    def costs(self, pages: int) -> Costs:
        """What `pages` more (or fewer, if negative) leave of the machine."""
        taken = pages * self.page
        available = max(0, self.available - taken)
        limit = self.commit_limit
        return Costs(
            pages=pages,
            taken=taken,
            available=available,
            cache=max(0, taken - self.free_memory),
            commit_limit=None if limit is None else max(0, limit - int(taken * self.commit_share)),
            read_ahead=int(available * _VLLM_SHARE),
            vmemmap=max(0, pages) * self.vmemmap_each,
        )

    def boot_words(self, pages: int, node: int | None = None) -> str:
        """The words of the kernel command line that make so many pages.

        Args:
            pages: On one node, or spread over all.
            node: The node; the others keep what they have.
        """
        if len(self.nodes) < 2:
            return command_line(self.size_kib, str(pages))
        each, rest = divmod(pages, len(self.nodes))
        parts = []
        for at, here in enumerate(self.nodes):
            share = each + (at < rest)
            if node is not None:
                share = pages if here.node == node else here.total
            parts.append((f"node{here.node}", str(share)))
        return command_line(self.size_kib, str(pages), parts)


def plan_pool(host: Host, size_kib: int) -> PoolOutlook | None:
    """Estimate what one pool could become; None where the machine has no pages of this size."""
    return next((pool for pool in plan_pools(host) if pool.size_kib == size_kib), None)


def plan_pools(host: Host) -> tuple[PoolOutlook, ...]:
    """Estimate all sizes of a machine, the smallest first: some ten small files are read.

    Empty where the machine has no huge pages, or does not tell of its memory.
    """
    pools = hugepages.read_pools(host)
    totals = [pool for pool in pools if pool.node is None]
    if not totals:
        return ()
    try:
        ground = _read_ground(host)
    except OSError:
        return ()
    return tuple(_outlook(ground, total, pools) for total in totals)


def has_kubelet(host: Host) -> bool:
    """Whether a kubelet keeps its state on this machine."""
    return any(host.exists(place) for place in _KUBELET_PLACES)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is the same for all sizes of one machine."""

    memory: plan.Memory
    free: int
    reserve: int
    commit_limit: int | None
    commit_share: float
    zones: tuple[buddyinfo.Zone, ...]
    page_kib: int
    nodes: tuple[node_memory.NodeMemory, ...]
    optimized: bool | None
    kubelet: bool


def _read_ground(host: Host) -> _Ground:
    text = host.read("/proc/meminfo")
    fields = parse_meminfo(text)
    zones = buddyinfo.parse_buddyinfo(_text(host, buddyinfo.PATH))
    free = fields.get("MemFree", 0)
    kbytes = read_int(host, "/proc/sys/vm/overcommit_kbytes")
    ratio = read_int(host, "/proc/sys/vm/overcommit_ratio") or 0
    optimized = read_int(host, "/proc/sys/vm/hugetlb_optimize_vmemmap")
    return _Ground(
        memory=plan.parse_memory(text),
        free=free,
        reserve=(read_int(host, "/proc/sys/vm/min_free_kbytes") or 0) * _KIB,
        commit_limit=fields.get("CommitLimit"),
        # An amount in KiB stands by itself; a share is of memory without huge pages.
        commit_share=0.0 if kbytes else ratio / 100,
        zones=zones,
        page_kib=buddyinfo.base_page_kib(zones, free // _KIB),
        nodes=node_memory.read_nodes(host),
        optimized=None if optimized is None else bool(optimized),
        kubelet=has_kubelet(host),
    )


def _outlook(ground: _Ground, total: HugePool, pools: Iterable[HugePool]) -> PoolOutlook:
    size = total.size_kib * _KIB
    own = {p.node: p for p in pools if p.node is not None and p.size_kib == total.size_kib}
    orders = max((len(zone.counts) for zone in ground.zones), default=0)
    order = (total.size_kib // ground.page_kib).bit_length() - 1
    spare = max(0, ground.memory.spare)
    gigantic = order >= (orders or _USUAL_ORDERS)
    nodes = tuple(
        _node_outlook(ground, node, own[node.number], None if gigantic or not orders else order)
        for node in ground.nodes
        if node.has_cpus and node.number in own
    )
    return PoolOutlook(
        size_kib=total.size_kib,
        total=total.total,
        free=total.free,
        reserved=total.reserved or 0,
        surplus=total.surplus,
        nodes=nodes,
        left_out=tuple(node.number for node in ground.nodes if not node.has_cpus),
        at_once=_sum_at_once(nodes, spare // size),
        at_most=min(spare // size, sum(n.at_most for n in nodes)) if nodes else spare // size,
        gigantic=gigantic,
        available=ground.memory.available,
        spare=spare,
        free_memory=max(0, ground.free - ground.reserve),
        commit_limit=ground.commit_limit,
        commit_share=ground.commit_share,
        vmemmap_each=_vmemmap(total.size_kib, ground.page_kib),
        optimized=ground.optimized,
        kubelet=ground.kubelet,
    )


def _sum_at_once(nodes: Sequence[NodeOutlook], most: int) -> int | None:
    found = [node.at_once for node in nodes if node.at_once is not None]
    return min(most, sum(found)) if found else None


def _node_outlook(
    ground: _Ground, node: node_memory.NodeMemory, pool: HugePool, order: int | None
) -> NodeOutlook:
    """One node; `order` is that of a page, None where blocks do not tell."""
    size = pool.size_kib * _KIB
    at_once = None if order is None else _at_once(ground, node, order, size)
    most = min(max(0, ground.memory.spare), node.obtainable - _kept(ground, node))
    return NodeOutlook(
        node=node.number,
        total=pool.total,
        free=pool.free,
        surplus=pool.surplus,
        at_once=at_once,
        at_most=max(at_once or 0, most // size),
    )


def _at_once(ground: _Ground, node: node_memory.NodeMemory, order: int, size: int) -> int:
    """Whole blocks of a node, without what its zones and the guard keep back."""
    blocks = free = 0
    for zone in ground.zones:
        if zone.node != node.number or zone.name not in _ZONES:
            continue
        kept = node.total // _LOWMEM_RATIO if zone.name == "DMA32" else 0
        usable = max(0, zone.pages * ground.page_kib * _KIB - kept)
        blocks += min(zone.blocks(order), usable // size)
        free += usable
    least = max(0, free - _kept(ground, node)) // size
    return min(blocks, least, max(0, ground.memory.spare) // size)


def _kept(ground: _Ground, node: node_memory.NodeMemory) -> int:
    """A node's share of vm.min_free_kbytes, in bytes."""
    return ground.reserve * node.total // ground.memory.total if ground.memory.total else 0


def _vmemmap(size_kib: int, page_kib: int) -> int:
    """What describes one huge page beyond the one base page that the kernel keeps of it.

    Linux Documentation/mm/vmemmap_dedup.rst: 7 of 8 pages for 2 MiB, 4095 of 4096 for 1 GiB.
    """
    described = size_kib // page_kib * _STRUCT_PAGE
    return max(0, described - page_kib * _KIB)


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except OSError:
        return ""
