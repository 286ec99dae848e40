"""Data that programs have written and that is not on disk yet: how much of it there may be.

Each of two limits is said in one of two ways, as a share of memory or as an amount.
"""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import NUMA_AND_RECLAIM, Entry, Meaning

_ABSENT = "This kernel shows no limits for written data."


def _limit(knob: str, other: str, title: str, what: str, meaning: Meaning) -> Entry:
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
_WAITS = "Too little makes checkpoints wait for the disk; too much makes one long stall."
_WAKES = "Too little writes the same page more than once; too much leaves a longer stall."


def _meaning(effect: str, danger: str) -> Meaning:
    return Meaning(
        effect=effect,
        danger=danger,
        risk="low",
        note="writing waits for the disk sooner, or later",
        note_short="when writing waits",
    )


DIRTY_RATIO = _limit(
    "vm.dirty_ratio",
    "vm.dirty_bytes",
    "Written data before programs wait, as a share",
    f"{_WAITING}, as a share of the memory that is available.",
    _meaning("Programs wait for the disk once {value} % of memory hold written data.", _WAITS),
)
DIRTY_BYTES = _limit(
    "vm.dirty_bytes",
    "vm.dirty_ratio",
    "Written data before programs wait, as an amount",
    f"{_WAITING}, in bytes.",
    _meaning("Programs wait for the disk once {amount} of memory hold written data.", _WAITS),
)
BACKGROUND_RATIO = _limit(
    "vm.dirty_background_ratio",
    "vm.dirty_background_bytes",
    "Written data before it goes to disk, as a share",
    f"{_WAKING}, as a share of the memory that is available.",
    _meaning("The kernel writes out once {value} % of memory hold written data.", _WAKES),
)
BACKGROUND_BYTES = _limit(
    "vm.dirty_background_bytes",
    "vm.dirty_background_ratio",
    "Written data before it goes to disk, as an amount",
    f"{_WAKING}, in bytes.",
    _meaning("The kernel writes out once {amount} of memory hold written data.", _WAKES),
)


def _clock(knob: str, title: str, what: str, meaning: Meaning) -> Entry:
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
        effect="Data older than {value} hundredths of a second goes to the disk.",
        danger="More is lost when the power fails, or more is written twice.",
        risk="low",
        note="how much a power cut may lose",
        note_short="what a cut may lose",
    ),
)
WRITEBACK = _clock(
    "vm.dirty_writeback_centisecs",
    "How often written data is looked for",
    "How often the kernel looks for written data that is old enough.",
    Meaning(
        effect="The kernel looks every {value} hundredths of a second.",
        danger="Seldom makes larger pieces at a time, and more is lost when the power fails.",
        risk="low",
        note="how much a power cut may lose",
        note_short="what a cut may lose",
    ),
)
ENTRIES = (DIRTY_RATIO, DIRTY_BYTES, BACKGROUND_RATIO, BACKGROUND_BYTES, EXPIRE, WRITEBACK)
