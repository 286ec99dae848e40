"""Queues of block devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import BLOCK, Entry, Meaning, same_for_all

if TYPE_CHECKING:
    from collections.abc import Mapping

_ABSENT = "This machine shows no disk whose queue can be set."
_PASSES_ON = "Arrays and mappings (md, dm) pass requests on: what counts is below them."

SCHEDULER = Entry(
    knob="block.scheduler",
    title="Order of requests to a disk",
    group=BLOCK,
    what=(
        "Who orders the requests waiting for a disk: none passes them on, mq-deadline bounds "
        "how long one waits, kyber aims at latencies, bfq shares among programs."
    ),
    why=(
        "An NVMe disk orders requests itself, and the kernel starts it with none. No comparison "
        "shows a model loading faster by another scheduler: here for checking, not as a promise."
    ),
    meaning=Meaning(
        effect="{instance} orders its requests by {value}. Loads are not expected to change.",
        danger=(
            "The disk pauses for an instant. The kernel resets nr_requests with it; undo puts "
            "both back. A scheduler that is not loaded yet makes the kernel load its module."
        ),
        risk="low",
        note="the disk pauses for an instant; nr_requests is reset",
        note_short="resets nr_requests",
    ),
    stars=3,
    evidence=(
        "None is the kernel's own choice for NVMe, mq-deadline for a disk with one queue. "
        "Measured: loads under all four overlapped, so no gain is shown."
    ),
    sources=(sources.ELEVATOR_SOURCE, sources.SYSFS_BLOCK, sources.MEASURED_READ_AHEAD),
    absent=_ABSENT,
    no_effect=(
        "Arrays and mappings (md, dm) pass requests on: the scheduler of the disks below counts."
    ),
    depends="The kernel's own choice for that kind of disk: none for NVMe, mq-deadline for a disk "
    "that turns, nothing for others.",
    differs="The kernel's own choice for this disk is {advised}; no load is known to gain.",
)

READ_AHEAD = Entry(
    knob="block.read_ahead_kb",
    title="Reading ahead",
    group=BLOCK,
    what=(
        "How far the kernel reads ahead of a program that reads a file in order, in KiB, by "
        "read and by mmap alike. A filesystem on md or dm uses the value of that device."
    ),
    why=(
        "A load reads its files from front to back. With little read-ahead the disk waits for "
        "the program between small requests. The one block setting that is known to matter."
    ),
    meaning=Meaning(
        effect=(
            "Files read in order from {instance} are fetched {value_size} ahead, from the next "
            "read on. The kernel rounds to whole pages."
        ),
        danger="Random reads fetch more than they need; each open stream takes up to that much.",
        risk="low",
        note="random reads fetch more than they need",
        note_short="random reads fetch more",
    ),
    lowered=Meaning(
        effect=(
            "Files read in order from {instance} are fetched only {value_size} ahead, from the "
            "next read on. The kernel rounds to whole pages."
        ),
        danger="Reads in order wait for the disk more often: cold loads may take longer.",
        risk="low",
        note="reads in order wait for the disk more often",
        note_short="loads may be slower",
    ),
    values={
        "0": Meaning(
            effect="{instance} reads nothing ahead: every read waits for the disk.",
            danger="Measured: cold loads at a seventh of the speed.",
            risk="high",
            note="cold loads at a seventh of the speed",
            note_short="loads far slower",
        ),
    },
    stars=3,
    evidence=(
        "TuneD sets 4096 for throughput, hpc and accelerators. Measured on one virtual disk, "
        "cold: 0 to 128 seven times faster, 128 to 1024 about twice, beyond that undecided."
    ),
    sources=(sources.TUNED, sources.MEASURED_READ_AHEAD, sources.LLAMA_CPP_28223),
    absent=_ABSENT,
    no_effect=(
        "A disk below an array does not read ahead: the array does. Nor does a program that reads "
        "directly, or asks for random order."
    ),
    advice=same_for_all("4096"),
    differs="Cold reads gained up to about 1024 KiB where it was measured.",
    as_good_numbers=range(1024, 2**32),
)

NR_REQUESTS = Entry(
    knob="block.nr_requests",
    title="Requests that may wait",
    group=BLOCK,
    what=(
        "How many requests may wait in each queue of a disk. With the scheduler none, at most "
        "what the hardware holds; changing the scheduler resets it."
    ),
    why="No source shows a load to gain from another value: leave it unless you measure.",
    meaning=Meaning(
        effect="Each queue of {instance} holds up to {value} requests.",
        danger="More than the disk can hold is refused by the kernel.",
        risk="low",
        note="refused where the hardware holds fewer",
        note_short="may be refused",
    ),
    lowered=Meaning(
        effect="Each queue of {instance} holds {value} requests at most.",
        danger="Programs that ask for more at once wait until there is room.",
        risk="low",
        note="programs wait where the queue is full",
        note_short="full queues wait",
    ),
    stars=0,
    evidence="Nothing shows that another value helps, so none is advised.",
    sources=(sources.SYSFS_BLOCK,),
    absent=_ABSENT,
    no_effect=_PASSES_ON,
)

MAX_SECTORS = Entry(
    knob="block.max_sectors_kb",
    title="Largest request to a disk",
    group=BLOCK,
    what=(
        "How much one request to a disk may carry, in KiB: at most what max_hw_sectors_kb says "
        "the hardware takes. The kernel chose a value when it found the disk."
    ),
    why="No source shows a load to gain from another value: leave it unless you measure.",
    meaning=Meaning(
        effect="Requests to {instance} carry {value_size} each.",
        danger=(
            "The kernel may raise read_ahead_kb with it, and never lowers that again; undo puts "
            "both back."
        ),
        risk="low",
        note="read_ahead_kb may be raised with it",
        note_short="may raise read_ahead_kb",
    ),
    lowered=Meaning(
        effect="Requests to {instance} carry {value_size} each, and no more.",
        danger="A large read is split into more requests.",
        risk="low",
        note="large reads are split into more requests",
        note_short="splits large reads",
    ),
    stars=0,
    evidence="Nothing shows that another value helps, so none is advised.",
    sources=(sources.SYSFS_BLOCK, sources.MEASURED_QUEUES),
    absent=_ABSENT,
    no_effect=_PASSES_ON,
    minor=True,
)


def _unproven(
    knob: str,
    title: str,
    what: str,
    meaning: Meaning,
    no_effect: str,
    *,
    lowered: Meaning | None = None,
    values: Mapping[str, Meaning] | None = None,
) -> Entry:
    return Entry(
        knob=knob,
        title=title,
        group=BLOCK,
        what=what,
        why="No source shows a load to gain from another value: leave it unless you measure.",
        meaning=meaning,
        stars=1,
        evidence="Kernel documentation says what it does. No gain is shown, so none is advised.",
        sources=(sources.SYSFS_BLOCK,),
        absent=_ABSENT,
        no_effect=no_effect,
        values=values or {},
        lowered=lowered,
        endless_at_zero=knob == "block.wbt_lat_usec",
        minor=True,
    )


NO_MERGES = _unproven(
    "block.nomerges",
    "Joining requests to a disk",
    "Whether requests for neighbouring places are joined to one: 0 looks everywhere, 1 at the "
    "simplest cases alone, 2 not at all.",
    Meaning(
        effect="The kernel looks less for requests to {instance} that it can join.",
        danger="Where requests are not joined, a stream of small ones stays small.",
        risk="low",
        note="small requests may stay small",
        note_short="requests stay small",
    ),
    _PASSES_ON,
    lowered=Meaning(
        effect="The kernel looks more widely for requests to {instance} that it can join.",
        danger="Looking takes time of the cores for each request.",
        risk="low",
        note="looking takes time of the cores",
        note_short="takes time of cores",
    ),
)
RQ_AFFINITY = _unproven(
    "block.rq_affinity",
    "Which core finishes a request",
    "Which core finishes a request: 0 the one that is interrupted, 1 one near the core that asked, "
    "2 the very core that asked.",
    Meaning(
        effect="Requests of {instance} are finished nearer to the core that asked.",
        danger="The asking cores are kept busier.",
        risk="low",
        note="the asking cores are kept busier",
        note_short="asking cores busier",
    ),
    "A disk with a queue for each core finishes requests there anyway; md and dm pass them on.",
    lowered=Meaning(
        effect="Requests of {instance} may be finished farther from the core that asked.",
        danger="The cores that the disk interrupts are kept busier.",
        risk="low",
        note="the interrupted cores are kept busier",
        note_short="interrupted cores busier",
    ),
)
WBT_LATENCY = _unproven(
    "block.wbt_lat_usec",
    "Holding writes back for reads",
    "How long a read may take, in microseconds, before the kernel holds background writes back "
    "for it; 0 never does.",
    Meaning(
        effect="Writes to {instance} are held back later: once reads take {value} us.",
        danger="Reads may wait longer while checkpoints are written.",
        risk="low",
        note="reads may wait longer for writes",
        note_short="reads may be slower",
    ),
    "The scheduler bfq switches it off; while nothing is written it does nothing.",
    lowered=Meaning(
        effect="Writes to {instance} are held back sooner: once reads take {value} us.",
        danger="Checkpoints may be written more slowly while something is read.",
        risk="low",
        note="checkpoints may write more slowly",
        note_short="writes may be slower",
    ),
    values={
        "0": Meaning(
            effect="Writes to {instance} are never held back for reads.",
            danger="Reads may wait longer while checkpoints are written.",
            risk="low",
            note="reads may wait longer for writes",
            note_short="reads may be slower",
        ),
    },
)
IO_STATS = _unproven(
    "block.iostats",
    "Counting what a disk does",
    "Whether the kernel counts what a disk reads and writes: 1 yes, 0 no.",
    Meaning(
        effect="What {instance} does is counted from now on: rates here and in iostat need it.",
        danger="Counting takes a moment for each request.",
        risk="low",
        note="counting takes a moment for each request",
        note_short="a moment each request",
    ),
    "On what the disk does, beyond a moment for counting each request.",
    lowered=Meaning(
        effect="What {instance} does is no longer counted: rates here and in iostat need it.",
        danger="Nobody sees any more what the disk does.",
        risk="low",
        note="rates are no longer seen",
        note_short="rates no longer seen",
    ),
)

ENTRIES = (
    SCHEDULER,
    READ_AHEAD,
    NR_REQUESTS,
    MAX_SECTORS,
    NO_MERGES,
    RQ_AFFINITY,
    WBT_LATENCY,
    IO_STATS,
)
