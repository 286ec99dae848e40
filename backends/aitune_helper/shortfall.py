"""Why a pool is not of the size that was asked: the sentence that goes with `partial`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_helper import messages, plan
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item
    from aitune_helper.plan import Memory

_NODE_FREE = re.compile(r"MemFree:\s+([0-9]+) kB")


def at_floor(memory: Memory) -> str:
    """Growing stopped because the next step would take what has to stay available."""
    left, keep = plan.gib(memory.available), plan.gib(memory.reserve)
    return f"{messages.AT_FLOOR}: {left} left, {keep} have to stay"


def reason(kernel: KernelIO, pool: str, item: Item) -> str:
    """Why the kernel itself stopped, from what its nodes have free now.

    The kernel reclaims and compacts by itself before it gives up. So where a node still has as much
    free as one page takes, that memory lies in smaller blocks; else there is none.

    Args:
        kernel: The machine.
        pool: The pool's id.
        item: What got less than asked.

    Returns:
        A clause without a full stop, naming the nodes that are meant.
    """
    if int(item.effective or 0) > int(item.requested):
        return "the others are in use"
    page = plan.page_bytes(pool)
    nodes = [item.instance] if item.instance else [part.instance for part in item.parts]
    free = {node: _free(kernel, node) for node in nodes}
    broken = [node for node, size in free.items() if size is not None and size >= page]
    if broken:
        where = ", ".join(broken[:4]) + (" …" if len(broken) > 4 else "")
        size = sum(free[node] or 0 for node in broken)
        blocks = plan.gib(page) if page >= 2**20 else f"{page // 1024} KiB"
        free_there = plan.gib(size)
        return f"{messages.FRAGMENTED} on {where}: {free_there} free, but not in blocks of {blocks}"
    if free and None not in free.values():
        where = ", ".join(nodes[:4]) + (" …" if len(nodes) > 4 else "")
        return f"no memory is free on {where}"
    return f"asked {item.requested} {KNOBS[item.knob].unit}, got {item.effective}"


def _free(kernel: KernelIO, node: str) -> int | None:
    """Bytes free on a node, None where they cannot be read."""
    try:
        found = _NODE_FREE.search(kernel.read(f"/sys/devices/system/node/{node}/meminfo"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
