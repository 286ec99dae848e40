"""Swapping programs out, compressing what is swapped, and merging equal pages."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import NUMA_AND_RECLAIM, Entry, Meaning, same_for_all

_NO_SWAP = "Without swap nobody reads it."

SWAPPINESS = Entry(
    knob="vm.swappiness",
    title="Swapping against dropping cache",
    group=NUMA_AND_RECLAIM,
    what=(
        "Which the kernel prefers when memory runs short: below 100 to drop cached files, above "
        "to swap programs out. 0 still swaps when nearly nothing is free."
    ),
    why=(
        "While a model loads, the page cache fills and the kernel may swap out the very server "
        "that reads it. Without swap it means nothing."
    ),
    meaning=Meaning(
        effect="From the next time memory runs short, programs are swapped out more readily.",
        danger="A program that was swapped out is slow when it is needed again.",
        risk="low",
        note="programs are swapped out more readily",
        note_short="more is swapped out",
    ),
    lowered=Meaning(
        effect="From the next time memory runs short, programs are swapped out less readily.",
        danger="Cached files are dropped instead, the model's among them.",
        risk="low",
        note="cached files are dropped instead",
        note_short="cache dropped instead",
    ),
    values={
        "0": Meaning(
            effect="The kernel swaps only when nearly nothing is free.",
            danger="Memory running out then ends in the OOM killer sooner.",
            risk="medium",
            note="invites the OOM killer when memory runs out",
            note_short="invites the OOM killer",
        ),
    },
    stars=2,
    evidence="TuneD sets 10 in its throughput, latency and accelerator profiles; NVIDIA sets 1.",
    sources=(sources.TUNED, sources.NVIDIA_TUNED, sources.SYSCTL_VM),
    absent="This kernel shows no vm.swappiness.",
    no_effect="Without swap, and without slower memory to move pages to, nobody reads it.",
    advice=same_for_all("10"),
    differs="While a model fills the page cache, programs may be swapped out.",
    as_good_numbers=range(1, 10),
)

PAGE_CLUSTER = Entry(
    knob="vm.page-cluster",
    title="Pages read from swap at once",
    group=NUMA_AND_RECLAIM,
    what=(
        "How many pages are read from swap together, as a power of two: 0 one, 3 eight. It is for "
        "swap what reading ahead is for files."
    ),
    why=(
        "0 suits swap in memory (zram) and on NVMe, where one page costs little. It says nothing "
        "of model files."
    ),
    meaning=Meaning(
        effect="Swap is read in groups of 2 to the power of {value} pages.",
        danger="Pages may be read that nobody wants.",
        risk="low",
        note="pages may be read that nobody wants",
        note_short="may read too much",
    ),
    lowered=Meaning(
        effect="Swap is read in smaller groups: 2 to the power of {value} pages.",
        danger="On a turning disk, what was swapped out comes back more slowly.",
        risk="low",
        note="swap on a turning disk comes back more slowly",
        note_short="slow on turning disks",
    ),
    stars=1,
    evidence="Kernel documentation says what it does. Nothing shows a gain on AI servers.",
    sources=(sources.SYSCTL_VM,),
    absent="This kernel was built without swap.",
    no_effect=_NO_SWAP,
    minor=True,
)


def _zswap(
    name: str, title: str, what: str, meaning: Meaning, lowered: Meaning | None = None
) -> Entry:
    return Entry(
        knob=f"zswap.{name}",
        title=title,
        group=NUMA_AND_RECLAIM,
        what=f"{what} zswap packs pages on their way to swap and keeps them in memory.",
        why=(
            "Packing spares the swap disk and costs time of the cores. A model that fits into "
            "memory does not meet it."
        ),
        meaning=meaning,
        lowered=lowered,
        stars=1,
        evidence="Kernel documentation says what it does. Nothing shows a gain on AI servers.",
        sources=(sources.ZSWAP,),
        absent="This kernel was built without zswap.",
        no_effect=_NO_SWAP,
        minor=True,
    )


ZSWAP = (
    _zswap(
        "enabled",
        "Packing pages on their way to swap",
        "With 1 it is on.",
        Meaning(
            effect="Pages swapped out from now on are packed and kept in memory.",
            danger="Packing takes time of the cores.",
            risk="low",
            note="packing takes time of the cores",
            note_short="takes time of cores",
        ),
        Meaning(
            effect="Pages swapped out from now on go to the disk; what is packed stays until used.",
            danger="What is swapped out comes back at the speed of the disk.",
            risk="low",
            note="swap comes back at the speed of the disk",
            note_short="swap at disk speed",
        ),
    ),
    _zswap(
        "compressor",
        "How pages on their way to swap are packed",
        "How they are packed: lz4 is quick, zstd packs tighter.",
        Meaning(
            effect="Pages swapped out from now on are packed with {value}.",
            danger="One that is not loaded yet makes the kernel load its module.",
            risk="low",
            note="for pages swapped out from now on",
            note_short="from now on",
        ),
    ),
    _zswap(
        "max_pool_percent",
        "Memory for packed pages",
        "How much of memory packed pages may take, in per cent.",
        Meaning(
            effect="Packed pages may take {value} % of memory.",
            danger="What they take is lost to programs and page cache.",
            risk="low",
            note="taken from everything else",
            note_short="taken from the rest",
        ),
        Meaning(
            effect="Packed pages may take only {value} % of memory.",
            danger="Beyond that, pages go to the swap disk, which is slower.",
            risk="low",
            note="more pages go to the swap disk",
            note_short="more goes to the disk",
        ),
    ),
)

KSM_RUN = Entry(
    knob="ksm.run",
    title="Merging equal pages",
    group=NUMA_AND_RECLAIM,
    what=(
        "A kernel thread looks for equal pages of programs that ask for it, and merges them: 0 "
        "stops it, 1 runs it, 2 stops it and parts what was merged."
    ),
    why=(
        "Meant for many virtual machines on one host. On a GPU server it takes time of a core and "
        "finds little: worth a check, it should be 0 there."
    ),
    meaning=Meaning(
        effect="The thread stops; pages that are merged stay so until they are written.",
        danger="None beyond what was merged coming apart when it is written.",
        risk="low",
        note="merged pages stay until written",
        note_short="merged pages stay",
    ),
    values={
        "1": Meaning(
            effect="The thread looks for equal pages of programs that ask for it.",
            danger="It takes time of a core, and a write to a merged page waits for a copy.",
            risk="low",
            note="takes time of a core",
            note_short="takes time of a core",
        ),
        "2": Meaning(
            effect="The thread stops, and every merged page becomes pages of their own.",
            danger="That takes memory at once: what merging had saved.",
            risk="medium",
            note="takes the memory that merging saved",
            note_short="takes memory at once",
        ),
    },
    stars=1,
    evidence="Kernel documentation says what it does; ksmtuned switches it on virtual hosts.",
    sources=(sources.KSM,),
    absent="This kernel was built without merging of equal pages (KSM).",
    no_effect="On programs that do not ask for it, which are nearly all but QEMU.",
    minor=True,
)

ENTRIES = (SWAPPINESS, PAGE_CLUSTER, *ZSWAP, KSM_RUN)
