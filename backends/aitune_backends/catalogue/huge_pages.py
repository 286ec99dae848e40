"""Pools of huge pages, which programs must ask for."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import HUGE_PAGES, Entry, Meaning
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


ENTRIES = (
    _pool(
        "vm.nr_hugepages",
        "Pool of default-size pages",
        "The pool of the default huge page size under its sysctl name. It is the same pool as "
        "the hugepages setting of that size, which is where it is shown.",
        "This kernel has no pools of huge pages.",
    ),
    *(_pool_of(size) for size in HUGE_PAGE_SIZES_KIB),
)
