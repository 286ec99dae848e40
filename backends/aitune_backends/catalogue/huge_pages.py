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
        no_effect=("On programs that do not ask for huge pages, whatever files they read."),
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


_SURPLUS_MEANING = Meaning(
    effect=(
        "Programs that ask for huge pages may get up to {value} more than the pool holds, made "
        "when they ask and given back when they end."
    ),
    danger=(
        "Nothing is kept aside for it: where memory is fragmented the page is not found, and a "
        "program that was promised it ends with SIGBUS."
    ),
    risk="low",
    note="made when asked for; may not be found then",
    note_short="may not be found",
)

_SURPLUS_LOWERED = Meaning(
    effect=(
        "Programs that ask for huge pages may get only up to {value} more than the pool holds. "
        "Those in use stay until their program gives them back."
    ),
    danger="A program that asks for more gets an error, or ordinary pages if it knows how.",
    risk="low",
    note="programs may be refused huge pages",
    note_short="may refuse huge pages",
)


def _surplus(knob: str, title: str, what: str, absent: str) -> Entry:
    return Entry(
        knob=knob,
        title=title,
        group=HUGE_PAGES,
        what=what,
        why=(
            "Friendlier than a pool where a program may ask for huge pages or may not: it costs "
            "nothing until they are used. Ordinary loaders ask for none, so loads are as before."
        ),
        meaning=_SURPLUS_MEANING,
        lowered=_SURPLUS_LOWERED,
        stars=2,
        evidence=(
            "Kernel documentation. How many suit depends on the program, so no number is advised."
        ),
        sources=(sources.HUGETLB_PAGES, sources.MEASURED_POOLS),
        absent=absent,
        no_effect=(
            "It serves only programs that ask by MAP_HUGETLB or hugetlbfs. Pages that the kernel "
            "can make at boot alone, as 1 GiB on x86, have no surplus."
        ),
        minor=True,
    )


def _surplus_of(size_kib: int) -> Entry:
    size = size_text(size_kib)
    return _surplus(
        f"hugepages.{size_kib}kB.surplus",
        f"{size} pages beyond the pool",
        f"How many {size} pages more than the pool holds the kernel may make while programs ask "
        "for them.",
        f"This kernel offers no huge pages of {size}.",
    )


OPTIMIZE_VMEMMAP = Entry(
    knob="vm.hugetlb_optimize_vmemmap",
    title="Saving the kernel's notes on pages of a pool",
    group=HUGE_PAGES,
    what=(
        "The kernel keeps 64 bytes of notes on each small page. With 1 it gives back nearly all "
        "of them for the pages of a pool: 7 parts of 8 for 2 MiB, nearly all for 1 GiB."
    ),
    why=(
        "Worth something with large pools alone: about 1.75 GiB came back on a machine of 128 GiB. "
        "Programs get no faster by it."
    ),
    meaning=Meaning(
        effect="Holds for pages that join a pool from now on; those that are in it stay.",
        danger=(
            "Growing and shrinking a pool takes longer, and giving pages back may fail when "
            "memory is short."
        ),
        risk="low",
        note="pools grow and shrink more slowly",
        note_short="slower to resize",
    ),
    lowered=Meaning(
        effect="Holds for pages that join a pool from now on; those that are in it stay.",
        danger="Each page that joins a pool takes the kernel's notes on it from memory again.",
        risk="low",
        note="notes on new pages take memory again",
        note_short="notes take memory",
    ),
    stars=2,
    evidence=(
        "Kernel documentation; a pull request of llama.cpp reports the saving. Worth it with "
        "large pools only, so it is not advised for every machine."
    ),
    sources=(sources.SYSCTL_VM, sources.VMEMMAP_DEDUP, sources.LLAMA_CPP_21821),
    absent="This kernel was built without it.",
    no_effect="It acts on pages that join a pool after it is set; without a pool it does nothing.",
    minor=True,
    since="5.19",
)

SHM_GROUP = Entry(
    knob="vm.hugetlb_shm_group",
    title="Who may have shared memory of huge pages",
    group=HUGE_PAGES,
    what=(
        "The number of the group whose members may make shared memory of huge pages (SHM_HUGETLB) "
        "without being root."
    ),
    why="A right, not a speed: wanted where such a program runs as an ordinary user.",
    meaning=Meaning(
        effect="Members of group {value} may take pages of a pool as shared memory.",
        danger="Such memory stays locked: a member can take the whole pool.",
        risk="low",
        note="its members can take the whole pool",
        note_short="gives a right",
    ),
    stars=0,
    evidence="Kernel documentation; it follows from who runs the program, so none is advised.",
    sources=(sources.SYSCTL_VM, sources.HUGETLB_PAGES),
    absent="This kernel has no pools of huge pages.",
    no_effect="It means nothing to MAP_HUGETLB and hugetlbfs, and nothing to root.",
    minor=True,
)

POOLS = (
    _pool(
        "vm.nr_hugepages",
        "Pool of default-size pages",
        "The pool of the default huge page size under its sysctl name. It is the same pool as "
        "the hugepages setting of that size, which is where it is shown.",
        "This kernel has no pools of huge pages.",
    ),
    *(_pool_of(size) for size in HUGE_PAGE_SIZES_KIB),
)

SURPLUSES = (
    _surplus(
        "vm.nr_overcommit_hugepages",
        "Default-size pages beyond the pool",
        "How many pages of the default size more than the pool holds the kernel may make. It is "
        "the surplus setting of that size, which is where it is shown.",
        "This kernel has no pools of huge pages.",
    ),
    *(_surplus_of(size) for size in HUGE_PAGE_SIZES_KIB),
)

ENTRIES = (*POOLS, *SURPLUSES, OPTIMIZE_VMEMMAP, SHM_GROUP)
