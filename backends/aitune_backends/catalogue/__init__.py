"""What each knob means, its risk, what is advised and on whose word: the same ids as the helper's.

The order of `ENTRIES` is the order in which settings are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.catalogue import (
    block,
    frequency,
    huge_pages,
    idle,
    numa,
    out_of_memory,
    overcommit,
    reclaim,
    swap,
    transparent,
    written_data,
)
from aitune_backends.catalogue.entry import (
    BLOCK,
    CPU,
    DEFAULT_GOAL,
    GOALS,
    GROUPS,
    HUGE_PAGES,
    INFERENCE,
    MODEL_LOADING,
    NUMA_AND_RECLAIM,
    OVERCOMMIT,
    TRAINING,
    Entry,
    Meaning,
)
from aitune_backends.catalogue.huge_pages import size_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BLOCK",
    "CPU",
    "DEFAULT_GOAL",
    "ENTRIES",
    "GOALS",
    "GROUPS",
    "HUGE_PAGES",
    "INFERENCE",
    "MODEL_LOADING",
    "NUMA_AND_RECLAIM",
    "OVERCOMMIT",
    "TRAINING",
    "Entry",
    "Meaning",
    "size_text",
]

ENTRIES: Mapping[str, Entry] = {
    entry.knob: entry
    for entry in (
        *huge_pages.ENTRIES,
        *transparent.ENTRIES,
        *overcommit.ENTRIES,
        *out_of_memory.ENTRIES,
        *numa.ENTRIES,
        *reclaim.ENTRIES,
        *swap.ENTRIES,
        *written_data.ENTRIES,
        *frequency.ENTRIES,
        *idle.ENTRIES,
        *block.ENTRIES,
    )
}
