"""Huge pages: pools that programs must ask for, and transparent ones that they get unasked."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import HUGE_PAGES, Entry, Meaning, same_for_all
from aitune_helper.knobs import HUGE_PAGE_SIZES_KIB

_ONLY_ON_REQUEST = (
    "A page in a pool is taken from everything else, page cache and model included, and serves "
    "only programs that ask for it by MAP_HUGETLB or hugetlbfs. Ordinary loaders do not: such "
    "maps cannot be of an ordinary file. Where the program asks, it saves address translation."
)

_POOL_MEANING = Meaning(
    effect=(
        "Pages in the pool serve only programs that ask for them. "
        "Loads by read or mmap get no faster."
    ),
    danger=(
        "The kernel reports success also where it got fewer pages: memory may be fragmented. "
        "What was got is read back."
    ),
    risk="low",
    note="taken from everything else; may be partial",
    note_short="may be partial",
)


def size_text(size_kib: int) -> str:
    """The size of a page in words: `2 MiB`, `1 GiB`, `64 KiB`."""
    for unit, factor in (("GiB", 1 << 20), ("MiB", 1 << 10)):
        if size_kib >= factor and size_kib % factor == 0:
            return f"{size_kib // factor} {unit}"
    return f"{size_kib} KiB"


def _pool(knob: str, title: str, what: str, absent: str) -> Entry:
    return Entry(
        knob=knob,
        title=title,
        group=HUGE_PAGES,
        what=what,
        why=_ONLY_ON_REQUEST,
        meaning=_POOL_MEANING,
        stars=3,
        evidence=(
            "Kernel documentation; measured on 6.1 and 6.12: reserved pages stayed unused while "
            "a file was mapped and memory allocated. Advised: none, unless your program asks."
        ),
        sources=(
            sources.HUGETLB_PAGES,
            sources.HUGETLB_SOURCE,
            sources.MEASURED_POOLS,
            sources.LLAMA_CPP_2251,
            sources.COREWEAVE,
            sources.KUBERNETES_HUGE_PAGES,
        ),
        absent=absent,
    )


def _pool_of(size_kib: int) -> Entry:
    size = size_text(size_kib)
    return _pool(
        f"hugepages.{size_kib}kB",
        f"Pool of {size} pages",
        f"The number of {size} pages that the kernel keeps aside. Given for the machine the "
        "kernel spreads them over its nodes; given for a node they come from there.",
        f"This kernel offers no huge pages of {size}.",
    )


POOL_ENTRIES = (
    _pool(
        "vm.nr_hugepages",
        "Pool of default-size pages",
        "The pool of the default huge page size under its sysctl name. It is the same pool as "
        "the hugepages setting of that size, which is where it is shown.",
        "This kernel has no pools of huge pages.",
    ),
    *(_pool_of(size) for size in HUGE_PAGE_SIZES_KIB),
)

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

ENTRIES = (*POOL_ENTRIES, THP_ENABLED, THP_DEFRAG)
