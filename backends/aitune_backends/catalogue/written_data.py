"""Data that programs have written and that is not on disk yet: how much of it there may be.

Each of two limits is said in one of two ways, as a share of memory or as an amount.
"""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import NUMA_AND_RECLAIM, Entry, Meaning

_ABSENT = "This kernel shows no limits for written data."


def _limit(
    knob: str, other: str, title: str, what: str, meaning: Meaning, lowered: Meaning
) -> Entry:
    return Entry(
        knob=knob,
        title=title,
        group=NUMA_AND_RECLAIM,
        what=f"{what} {other} says the same in another unit: one counts, the other is 0.",
        why=(
            "Reading a model writes nothing. It matters to checkpoints: with much memory a share "
            "is tens of gigabytes, which then go to the disk in one long stall."
        ),
        meaning=meaning,
        lowered=lowered,
        stars=2,
        evidence=(
            "TuneD sets 40 % and 10 % for throughput. An amount bounds the stall where memory is "
            "large; how much suits depends on the disk, so none is advised."
        ),
        sources=(sources.SYSCTL_VM, sources.TUNED),
        absent=_ABSENT,
        no_effect="Reading a model writes nothing: a load does not meet it.",
        minor=True,
    )


_WAITING = "How much written data may wait in memory before the program that writes has to wait"
_WAKING = "How much written data may wait in memory before the kernel begins to write it out"


def _later(effect: str) -> Meaning:
    """More written data waits in memory."""
    return Meaning(
        effect=effect,
        danger="The more waits, the longer the stall when it goes to the disk.",
        risk="low",
        note="the more waits, the longer the stall",
        note_short="more waits, longer stall",
    )


def _waits_sooner(effect: str) -> Meaning:
    """Programs that write wait with less in memory."""
    return Meaning(
        effect=effect,
        danger="Checkpoints wait for the disk sooner.",
        risk="low",
        note="checkpoints wait for the disk sooner",
        note_short="writing waits sooner",
    )


def _wakes_sooner(effect: str) -> Meaning:
    """The kernel writes out with less in memory."""
    return Meaning(
        effect=effect,
        danger="A page that is changed again is written more than once.",
        risk="low",
        note="some pages are written more than once",
        note_short="some written twice",
    )


DIRTY_RATIO = _limit(
    "vm.dirty_ratio",
    "vm.dirty_bytes",
    "Written data before programs wait, as a share",
    f"{_WAITING}, as a share of the memory that is available.",
    _later("Programs wait for the disk once {value} % of memory hold written data."),
    _waits_sooner("Programs wait for the disk already at {value} % of memory with written data."),
)
DIRTY_BYTES = _limit(
    "vm.dirty_bytes",
    "vm.dirty_ratio",
    "Written data before programs wait, as an amount",
    f"{_WAITING}, in bytes.",
    _later("Programs wait for the disk once {amount} of memory hold written data."),
    _waits_sooner("Programs wait for the disk already at {amount} of written data."),
)
BACKGROUND_RATIO = _limit(
    "vm.dirty_background_ratio",
    "vm.dirty_background_bytes",
    "Written data before it goes to disk, as a share",
    f"{_WAKING}, as a share of the memory that is available.",
    _later("The kernel writes out once {value} % of memory hold written data."),
    _wakes_sooner("The kernel writes out already at {value} % of memory with written data."),
)
BACKGROUND_BYTES = _limit(
    "vm.dirty_background_bytes",
    "vm.dirty_background_ratio",
    "Written data before it goes to disk, as an amount",
    f"{_WAKING}, in bytes.",
    _later("The kernel writes out once {amount} of memory hold written data."),
    _wakes_sooner("The kernel writes out already at {amount} of written data."),
)


def _clock(
    knob: str,
    title: str,
    what: str,
    meaning: Meaning,
    lowered: Meaning,
    never: Meaning | None = None,
) -> Entry:
    return Entry(
        knob=knob,
        title=title,
        group=NUMA_AND_RECLAIM,
        what=f"{what} In hundredths of a second.",
        why=(
            "It decides how much is lost when the power fails, and how even the writing is. "
            "Reading a model writes nothing."
        ),
        meaning=meaning,
        lowered=lowered,
        values={"0": never} if never else {},
        endless_at_zero=never is not None,
        stars=1,
        evidence="Nothing shows that another value helps, so none is advised.",
        sources=(sources.SYSCTL_VM,),
        absent=_ABSENT,
        no_effect="Reading a model writes nothing: a load does not meet it.",
        minor=True,
    )


EXPIRE = _clock(
    "vm.dirty_expire_centisecs",
    "How long written data may wait",
    "How old written data may get before it is written out.",
    Meaning(
        effect="Data goes to the disk once it is {value} hundredths of a second old.",
        danger="More is lost when the power fails.",
        risk="low",
        note="a power cut may lose more",
        note_short="a cut may lose more",
    ),
    _wakes_sooner("Data goes to the disk already at {value} hundredths of a second."),
)
WRITEBACK = _clock(
    "vm.dirty_writeback_centisecs",
    "How often written data is looked for",
    "How often the kernel looks for written data that is old enough.",
    Meaning(
        effect="The kernel looks less often: every {value} hundredths of a second.",
        danger="More is written at a time, and more is lost when the power fails.",
        risk="low",
        note="a power cut may lose more",
        note_short="a cut may lose more",
    ),
    _wakes_sooner("The kernel looks more often: every {value} hundredths of a second."),
    Meaning(
        effect="The kernel no longer looks for data that is old enough.",
        danger="Data may wait until there is much of it, and is lost when the power fails.",
        risk="medium",
        note="a power cut may lose much more",
        note_short="a cut loses much more",
    ),
)
ENTRIES = (DIRTY_RATIO, DIRTY_BYTES, BACKGROUND_RATIO, BACKGROUND_BYTES, EXPIRE, WRITEBACK)
