"""Settings that are none of their own: what an undo puts back along with another one."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import NUMA_AND_RECLAIM, Entry, Meaning


def entry_for(knob: str) -> Entry:
    """What is said of a knob that is not offered."""
    return Entry(
        knob=knob,
        title="Put back along with another setting",
        group=NUMA_AND_RECLAIM,
        what="The kernel changes it along with another setting.",
        why="It is not offered; an undo brings it back as it was.",
        meaning=Meaning(
            effect="It is as it was before the change that is undone.",
            danger="None that was not there before.",
            risk="low",
            note="as it was before",
            note_short="as it was",
        ),
        stars=0,
        evidence="Read from this kernel before the change that is undone.",
        sources=(sources.MEASURED_QUEUES,),
        absent="It comes and goes with the setting that it belongs to.",
        no_effect="It has no effect of its own that anybody asked for.",
    )
