"""The facts of memory that its settings are decided by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_tui import present_pools
from aitune_tui.words import gib, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitune_backends.readings import HugePool, Memory
    from aitune_tui.state import State
    from aitune_widgets.text import Line

_LABEL = 16
_MOST_NODES = 4


def facts(state: State) -> tuple[Line, ...]:
    """Promised memory and its limit, what is anonymous, every pool with its nodes, who uses it."""
    sample = state.sample
    if sample is None:
        return ()
    lines: list[Line] = []
    if sample.memory is not None:
        lines += _memory(state, sample.memory)
    totals = [pool for pool in sample.pools if pool.node is None]
    for pool in totals:
        if pool.total or pool.surplus:
            nodes = [p for p in sample.pools if p.size_kib == pool.size_kib and p.node is not None]
            lines += _pool(pool, nodes)
    empty = [size_text(p.size_kib * 1024) for p in totals if not (p.total or p.surplus)]
    if empty:
        sizes = f"none of {' or '.join(empty)} reserved"
        lines.append((("Huge pages".ljust(_LABEL), "dim-bold"), (sizes, "dim")))
    lines += present_pools.lines(state)
    return tuple(lines)


def _memory(state: State, memory: Memory) -> Iterable[Line]:
    mode = next((s.value for s in state.statuses if s.knob == "vm.overcommit_memory"), None)
    limit = f" of {gib(memory.commit_limit)}" if memory.commit_limit is not None else ""
    remark = "the limit holds: mode 2" if mode == "2" else "a limit only in mode 2"
    yield (
        ("Promised".ljust(_LABEL), "dim-bold"),
        (gib(memory.committed), "fg"),
        (f"{limit} GiB  {remark}", "dim"),
    )
    yield (
        ("Anonymous".ljust(_LABEL), "dim-bold"),
        (gib(memory.anonymous), "fg"),
        (" GiB   shared ", "dim"),
        (gib(memory.shared), "fg"),
        (" GiB   dirty ", "dim"),
        (gib(memory.dirty), "fg"),
        (" GiB", "dim"),
    )


def _pool(pool: HugePool, nodes: list[HugePool]) -> Iterable[Line]:
    """`2 MiB pages  64 of 64 free   0 promised   0 surplus`, then `node0 32/32  node1 32/32`."""
    name = f"{size_text(pool.size_kib * 1024)} pages"
    yield (
        (name.ljust(_LABEL), "dim-bold"),
        (f"{pool.free}", "fg"),
        (f" of {pool.total} free", "dim"),
        (f"   {pool.reserved or 0} promised   {pool.surplus} surplus", "dim"),
    )
    if len(nodes) > 1:
        shown = "  ".join(f"node{n.node} {n.free}/{n.total}" for n in nodes[:_MOST_NODES])
        more = " …" if len(nodes) > _MOST_NODES else ""
        yield ((f"{' ' * _LABEL}free of total   {shown}{more}", "dim"),)
