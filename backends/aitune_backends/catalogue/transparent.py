"""Transparent huge pages: those that programs get unasked, or on a hint."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import HUGE_PAGES, Entry, Meaning, same_for_all

THP_ENABLED = Entry(
    knob="thp.enabled",
    title="Transparent huge pages",
    group=HUGE_PAGES,
    what=(
        "Whether anonymous memory gets huge pages unasked (always), for regions whose program "
        "asks by madvise (madvise), or not at all (never)."
    ),
    why=(
        "Helps large buffers in memory: pinned staging buffers, inference on the CPU. Ordinary "
        "file maps are not its business, so a load by mmap does not gain. always may take more "
        "memory than a program needs."
    ),
    meaning=Meaning(
        effect="Holds for memory touched from now on: restart the program to see it.",
        danger="Changing to or from never moves vm.min_free_kbytes too; undo puts both back.",
        risk="low",
        note="for memory touched from now on",
        note_short="for new memory only",
    ),
    values={
        "always": Meaning(
            effect=(
                "All anonymous memory may get huge pages, asked for or not. "
                "Holds for memory touched from now on: restart the program to see it."
            ),
            danger="Programs that touch memory sparsely grow; each touch takes a huge page.",
            risk="low",
            note="programs may take more memory than they need",
            note_short="programs may grow",
        ),
        "never": Meaning(
            effect=(
                "No memory gets a huge page any more, also where a program asks. "
                "Pages that are huge already stay so."
            ),
            danger="Large buffers and inference on the CPU may get slower.",
            risk="low",
            note="also not for programs that ask",
            note_short="not even on request",
        ),
    },
    stars=3,
    evidence="Kernel documentation; TuneD hpc-compute sets always, which serves as well.",
    sources=(sources.TRANSPARENT_HUGE_PAGES, sources.TUNED, sources.NVIDIA_GRACE),
    absent="This kernel was built without transparent huge pages.",
    advice=same_for_all("madvise"),
    differs="With never a program that asks for huge pages gets none.",
    as_good=("always",),
)

THP_DEFRAG = Entry(
    knob="thp.defrag",
    title="Making room for transparent huge pages",
    group=HUGE_PAGES,
    what=(
        "How hard the kernel tries for a transparent huge page when none is free: stop the "
        "program and make room (always), ask a kernel thread to (defer), stop only programs "
        "that asked by madvise (madvise, defer+madvise), or take small pages (never)."
    ),
    why=(
        "With always every touch of new memory may stop in reclaim and compaction, which shows "
        "as latency while a model comes up."
    ),
    meaning=Meaning(
        effect="Holds for memory touched from now on.",
        danger="Fewer huge pages may be found where memory is fragmented.",
        risk="low",
        note="for memory touched from now on",
        note_short="for new memory only",
    ),
    values={
        "always": Meaning(
            effect="A program that touches new memory may stop until a huge page is made.",
            danger="Stalls in direct reclaim and compaction, most of all while memory fills.",
            risk="medium",
            note="programs stall while memory is compacted",
            note_short="stalls on new memory",
        ),
    },
    stars=3,
    evidence="Kernel documentation: always stalls on allocation failure and compacts at once.",
    sources=(sources.TRANSPARENT_HUGE_PAGES,),
    absent="This kernel was built without transparent huge pages.",
    advice=same_for_all("madvise"),
    differs="{value} is not what the kernel documents for programs that ask by madvise.",
    as_good=("defer+madvise", "defer"),
)

ENTRIES = (THP_ENABLED, THP_DEFRAG)
