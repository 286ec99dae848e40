"""Promising memory: how the kernel answers a request for more than there may be."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import OVERCOMMIT, Entry, Meaning, same_for_all

OVERCOMMIT_MEMORY = Entry(
    knob="vm.overcommit_memory",
    title="Promising more memory than there is",
    group=OVERCOMMIT,
    what=(
        "How the kernel answers a request for memory: 0 refuses only one that is larger than "
        "memory and swap together, 1 refuses none, 2 keeps all promises below a limit."
    ),
    why=(
        "It decides the answer, not the speed. Maps that only read a file cost nothing in any "
        "mode. One case needs 1: a private writable map, or one block, larger than memory and "
        "swap. kubelet and Redis expect 1."
    ),
    meaning=Meaning(
        effect="The kernel checks each request by its own estimate again, which is its default.",
        danger="A writable map larger than memory and swap is refused.",
        risk="low",
        note="a request beyond memory and swap is refused",
        note_short="oversized maps refused",
    ),
    values={
        "1": Meaning(
            effect=(
                "The kernel stops checking memory requests, on this whole machine. "
                "Helps one case: a writable map larger than memory and swap. "
                "Loads get no faster."
            ),
            danger=(
                "If a load then outgrows {available}, the OOM killer ends a process, "
                "perhaps not yours."
            ),
            risk="medium",
            note="a load that cannot fit is killed, not refused",
            note_short="killed instead of refused",
        ),
        "2": Meaning(
            effect=("The kernel promises {commit_limit} in all and refuses the rest{committed}."),
            danger=(
                "Programs that reserve more than they use, as CUDA does, fail; new programs and "
                "log-ins may fail too."
            ),
            risk="high",
            note="any program may be refused memory, log-ins too",
            note_short="log-ins may fail",
        ),
    },
    stars=3,
    evidence="Kernel documentation; measured on 6.1 and 6.12. NVIDIA's GB200 profile sets 1.",
    sources=(
        sources.OVERCOMMIT_ACCOUNTING,
        sources.MEASURED_OVERCOMMIT,
        sources.SAFETENSORS_528,
        sources.NVIDIA_TUNED,
    ),
    absent="This kernel shows no overcommit settings.",
    no_effect="On maps that only read a file: they cost nothing in any mode.",
    advice=same_for_all("0"),
    differs="Mode 2 refuses the large reservations that GPU programs make.",
    as_good=("1",),
)

OVERCOMMIT_RATIO = Entry(
    knob="vm.overcommit_ratio",
    title="Share of memory that may be promised",
    group=OVERCOMMIT,
    what=(
        "In mode 2 alone: how much of memory, huge pages left out, may be promised; swap comes "
        "on top. vm.overcommit_kbytes is the same as an amount, and setting one clears the other."
    ),
    why="Outside mode 2 the kernel does not read it, whatever it says.",
    meaning=Meaning(
        effect="The kernel promises {value} % of memory without huge pages, and all of swap.",
        danger="Set below what is promised now, new requests are refused at once.",
        risk="medium",
        note="requests beyond the new limit are refused",
        note_short="moves the limit",
    ),
    stars=3,
    evidence="Kernel documentation: it has an effect only when vm.overcommit_memory is 2.",
    sources=(sources.OVERCOMMIT_ACCOUNTING, sources.MEASURED_OVERCOMMIT),
    absent="This kernel shows no overcommit settings.",
    no_effect="The kernel reads it only while vm.overcommit_memory is 2.",
)

OVERCOMMIT_KBYTES = Entry(
    knob="vm.overcommit_kbytes",
    title="Amount of memory that may be promised",
    group=OVERCOMMIT,
    what=(
        "In mode 2 alone: how much may be promised, in KiB; swap comes on top. It is "
        "vm.overcommit_ratio as an amount: 0 means that the ratio counts, and setting one clears "
        "the other."
    ),
    why="Outside mode 2 the kernel does not read it, whatever it says.",
    meaning=Meaning(
        effect="The kernel promises {amount}, and all of swap.",
        danger="Set below what is promised now, new requests are refused at once.",
        risk="medium",
        note="requests beyond the new limit are refused",
        note_short="moves the limit",
    ),
    stars=3,
    evidence="Kernel documentation: it has an effect only when vm.overcommit_memory is 2.",
    sources=(sources.OVERCOMMIT_ACCOUNTING, sources.MEASURED_OVERCOMMIT),
    absent="This kernel knows the limit as a ratio alone.",
    no_effect="The kernel reads it only while vm.overcommit_memory is 2.",
    minor=True,
    since="3.14",
)


def _reserve(knob: str, title: str, whom: str) -> Entry:
    return Entry(
        knob=knob,
        title=title,
        group=OVERCOMMIT,
        what=f"In mode 2: how much memory is not promised to others so that {whom}, in KiB.",
        why=(
            "Outside mode 2 it does nothing. In it, too little can lock an administrator out of a "
            "machine that is full. No load is faster by it."
        ),
        meaning=Meaning(
            effect="{amount} stay unpromised for it, while vm.overcommit_memory is 2.",
            danger="Ordinary programs are refused memory sooner.",
            risk="medium",
            note="programs are refused memory sooner",
            note_short="refuses sooner",
        ),
        lowered=Meaning(
            effect="Only {amount} stay unpromised for it, while vm.overcommit_memory is 2.",
            danger="With too little, a full machine leaves no room to log in or to end a program.",
            risk="medium",
            note="too little may leave no way into a full machine",
            note_short="no way in when full",
        ),
        stars=0,
        evidence=(
            "Kernel documentation: about 128 MiB let an administrator log in and look around. "
            "It depends on mode 2, which is not advised, so nothing is advised here."
        ),
        sources=(sources.SYSCTL_VM, sources.OVERCOMMIT_ACCOUNTING),
        absent="This kernel shows no overcommit settings.",
        no_effect="The kernel reads it only while vm.overcommit_memory is 2.",
        minor=True,
    )


ADMIN_RESERVE = _reserve(
    "vm.admin_reserve_kbytes",
    "Memory left for an administrator",
    "root can still log in and end programs",
)
USER_RESERVE = _reserve(
    "vm.user_reserve_kbytes",
    "Memory left beside a large program",
    "one large program cannot take what its user needs to end it",
)

ENTRIES = (OVERCOMMIT_MEMORY, OVERCOMMIT_RATIO, OVERCOMMIT_KBYTES, ADMIN_RESERVE, USER_RESERVE)
