"""What can still be done for a pool of huge pages that came out short: offered, never done.

The kernel reclaims and compacts before it gives up, but only what it comes across; asked to, it
goes through all memory. What is reserved at boot finds memory in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends import sentences
from aitune_helper import plan
from aitune_helper.formats import command_line
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import AT_FLOOR, FRAGMENTED, PARTIAL, STOPPED, Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item

COMPACT = "compact_memory"
DROP = "drop_caches"


@dataclass(frozen=True, slots=True)
class Offer:
    """The ways to more pages of one pool.

    Attributes:
        item: What came out short: with what was asked and what was got.
        actions: Ids of actions that may free more, the most promising first; each is done before
            the pool is planned again. () where none would help.
        boot: The words of the kernel command line that reserve the pool at boot.
        why: Why it came out short: the helper's own clause.
    """

    item: Item
    actions: tuple[str, ...]
    boot: str
    why: str

    @property
    def change(self) -> Change:
        """The pool again, from whatever it holds by then."""
        return Change(self.item.knob, self.item.instance, self.item.requested)


def of(kernel: KernelIO, items: Iterable[Item]) -> Offer | None:
    """What can be done for the first pool that got less than was asked; None where none did.

    Args:
        kernel: Says which pool `vm.nr_hugepages` is.
        items: A trial's, as they came out; what the operator stopped is not short of anything.
    """
    for item in items:
        if item.status != PARTIAL or item.knob not in sentences.POOL_KNOBS:
            continue
        if item.note == STOPPED or int(item.effective or 0) >= int(item.requested):
            continue
        return Offer(item, _actions(item.note), _boot(kernel, item), item.note)
    return None


def _actions(why: str) -> tuple[str, ...]:
    """What helps: of memory that counts as available, the page cache is a part already."""
    if why.startswith(AT_FLOOR):
        return ()
    return (COMPACT, DROP) if why.startswith(FRAGMENTED) else (DROP, COMPACT)


def _boot(kernel: KernelIO, item: Item) -> str:
    try:
        pool = plan.pool_of(kernel, KNOBS[item.knob])
    except OSError:
        return ""
    if pool not in KNOBS:
        return ""
    size = plan.page_bytes(pool) // 1024
    nodes = ((item.instance, item.requested),) if item.instance else ()
    return command_line(size, item.requested, nodes)
