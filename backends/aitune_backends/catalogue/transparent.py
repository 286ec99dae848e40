"""Transparent huge pages: those that programs get unasked, or on a hint."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import HUGE_PAGES, Entry, Meaning, same_for_all

_ABSENT = "This kernel was built without transparent huge pages."
_UNREAD_WHEN_OFF = "While transparent huge pages are off (never), nobody reads it."

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
    absent=_ABSENT,
    no_effect="On maps of ordinary files, and on memory that is touched already.",
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
    absent=_ABSENT,
    no_effect=_UNREAD_WHEN_OFF,
    advice=same_for_all("madvise"),
    differs="{value} is not what the kernel documents for programs that ask by madvise.",
    as_good=("defer+madvise", "defer"),
)

SIZE_ENABLED = Entry(
    knob="thp.size_enabled",
    title="Transparent huge pages of one size",
    group=HUGE_PAGES,
    what=(
        "The same as thp.enabled for pages of one size alone: always, madvise, never, or inherit, "
        "which follows thp.enabled. The kernel starts 2 MiB with inherit and the others with never."
    ),
    why=(
        "Sizes between the ordinary page and 2 MiB take less memory than a program may not need. "
        "64 KiB is of interest on ARM servers, Grace among them. Ordinary file maps are not its "
        "business."
    ),
    meaning=Meaning(
        effect="Memory touched from now on may get pages of {instance} as {value} says.",
        danger="Programs that touch memory sparsely may grow.",
        risk="low",
        note="for memory touched from now on",
        note_short="for new memory only",
    ),
    stars=1,
    evidence="Kernel documentation says what it does. No comparison shows a gain on AI servers.",
    sources=(sources.TRANSPARENT_HUGE_PAGES,),
    absent="This kernel has one size of transparent huge pages, or none.",
    no_effect="On maps of ordinary files, and on memory that is touched already.",
    minor=True,
    since="6.8",
)

SHMEM_ENABLED = Entry(
    knob="thp.shmem_enabled",
    title="Transparent huge pages in shared memory",
    group=HUGE_PAGES,
    what=(
        "Whether shared memory gets huge pages: shm, memfd and shared anonymous maps. advise "
        "gives them on request (madvise). deny and force overrule every tmpfs, for tests."
    ),
    why=(
        "Data loaders that pass samples through shared memory may try advise. A tmpfs such as "
        "/dev/shm has a mount option of its own (huge=). Loading model files is not touched by it."
    ),
    meaning=Meaning(
        effect="Shared memory made from now on gets huge pages as {value} says.",
        danger="Small pieces of shared memory take a whole huge page each.",
        risk="low",
        note="for shared memory made from now on",
        note_short="for new memory only",
    ),
    values={
        "force": Meaning(
            effect="Every tmpfs and all shared memory gets huge pages, asked for or not.",
            danger="Small files in tmpfs take a whole huge page each. Meant for tests.",
            risk="medium",
            note="small files in tmpfs take huge pages too",
            note_short="meant for tests",
        ),
    },
    stars=1,
    evidence="Kernel documentation says what it does. No comparison shows a gain on AI servers.",
    sources=(sources.TRANSPARENT_HUGE_PAGES,),
    absent=_ABSENT,
    no_effect="On a tmpfs that is mounted with huge= of its own, and on model files.",
    minor=True,
)

SHRINK_UNDERUSED = Entry(
    knob="thp.shrink_underused",
    title="Splitting huge pages that are mostly empty",
    group=HUGE_PAGES,
    what=(
        "With 1 the kernel splits a huge page whose small pages are mostly zero when memory runs "
        "short, and gives back the empty ones."
    ),
    why="It takes back what always wastes. Programs that use their memory do not meet it.",
    meaning=Meaning(
        effect="From the next time memory runs short, huge pages that are mostly empty are split.",
        danger="A program that fills such a page later no longer has it as a huge one.",
        risk="low",
        note="mostly empty huge pages are split",
        note_short="empty pages are split",
    ),
    lowered=Meaning(
        effect="Huge pages that are mostly empty stay whole when memory runs short.",
        danger="What they waste stays taken.",
        risk="low",
        note="what huge pages waste stays taken",
        note_short="waste stays taken",
    ),
    stars=0,
    evidence="Nothing shows that another value helps, so none is advised.",
    sources=(sources.TRANSPARENT_HUGE_PAGES,),
    absent=_ABSENT,
    no_effect="With thp.khugepaged.max_ptes_none at 511, no page counts as mostly empty.",
    minor=True,
    since="6.12",
)

USE_ZERO_PAGE = Entry(
    knob="thp.use_zero_page",
    title="One shared huge page of zeros",
    group=HUGE_PAGES,
    what=(
        "With 1, memory that a program reads before it writes is backed by one huge page of zeros "
        "that all share; with 0 each gets a page of its own."
    ),
    why="It saves memory on large tables that stay empty. A model's memory is written, not so.",
    meaning=Meaning(
        effect="Memory that is only read shares one page of zeros, if touched from now on.",
        danger="The first write to such memory stops for an instant to part it.",
        risk="low",
        note="for memory touched from now on",
        note_short="for new memory only",
    ),
    lowered=Meaning(
        effect="Memory that is only read gets pages of its own, if touched from now on.",
        danger="Such memory takes room, also where it stays empty.",
        risk="low",
        note="memory that is only read takes room",
        note_short="read memory takes room",
    ),
    stars=0,
    evidence="Nothing shows that another value helps, so none is advised.",
    sources=(sources.TRANSPARENT_HUGE_PAGES,),
    absent=_ABSENT,
    no_effect=_UNREAD_WHEN_OFF,
    minor=True,
)


def _busier(effect: str) -> Meaning:
    """The thread works more than it did."""
    return Meaning(
        effect=effect,
        danger="It takes more time of a core.",
        risk="low",
        note="takes more time of a core",
        note_short="more of a core's time",
    )


def _calmer(effect: str) -> Meaning:
    """The thread works less than it did."""
    return Meaning(
        effect=effect,
        danger="Huge pages are found later, or not at all.",
        risk="low",
        note="huge pages are found later",
        note_short="huge pages found later",
    )


def _growing(effect: str, danger: str, note: str, note_short: str) -> Meaning:
    return Meaning(effect=effect, danger=danger, risk="low", note=note, note_short=note_short)


def _khugepaged(
    name: str, title: str, what: str, raised: Meaning, lowered: Meaning, *, since: str = ""
) -> Entry:
    return Entry(
        knob=f"thp.khugepaged.{name}",
        title=title,
        group=HUGE_PAGES,
        what=f"{what} khugepaged is the kernel thread that makes huge pages of small ones.",
        why=(
            "It trades time of one core and memory for huge pages found later. Programs that get "
            "huge pages at once, as large buffers do, hardly meet it."
        ),
        meaning=raised,
        lowered=lowered,
        stars=1,
        evidence="Kernel documentation says what it does. Nothing shows that another value helps.",
        sources=(sources.TRANSPARENT_HUGE_PAGES, sources.MEASURED_SYSCTLS),
        absent=_ABSENT,
        no_effect=_UNREAD_WHEN_OFF,
        minor=True,
        since=since,
    )


KHUGEPAGED = (
    _khugepaged(
        "defrag",
        "Whether khugepaged makes room",
        "With 1 it moves other pages away where no huge page is free.",
        _busier("khugepaged makes room where no huge page is free."),
        _calmer("khugepaged takes only huge pages that are free."),
    ),
    _khugepaged(
        "pages_to_scan",
        "How far khugepaged looks at a time",
        "How many small pages it looks at before it sleeps.",
        _busier("khugepaged looks at {value} pages before it sleeps."),
        _calmer("khugepaged looks at only {value} pages before it sleeps."),
    ),
    _khugepaged(
        "scan_sleep_millisecs",
        "How long khugepaged sleeps",
        "How long it sleeps between two looks, in milliseconds.",
        _calmer("khugepaged sleeps {value} ms between two looks."),
        _busier("khugepaged sleeps only {value} ms between two looks."),
    ),
    _khugepaged(
        "alloc_sleep_millisecs",
        "How long khugepaged waits after it found no page",
        "How long it waits after it found no huge page, in milliseconds.",
        _calmer("khugepaged tries again {value} ms after it found no huge page."),
        _busier("khugepaged tries again already {value} ms after it found no huge page."),
    ),
    _khugepaged(
        "max_ptes_none",
        "Empty pages that a huge page may take in",
        "How many pages that a program never touched it may fill in to make a huge page.",
        _growing(
            "A huge page may take in {value} pages that its program never touched.",
            "Programs may take more memory than they touch.",
            "programs may take more memory than they touch",
            "programs may grow",
        ),
        _calmer("A huge page may take in only {value} pages that its program never touched."),
    ),
    _khugepaged(
        "max_ptes_swap",
        "Swapped pages that a huge page may take in",
        "How many pages it may read back from swap to make a huge page.",
        _growing(
            "A huge page may take in {value} pages from swap.",
            "Pages are read back from swap that no program asked for.",
            "reads swap that no program asked for",
            "reads more from swap",
        ),
        _calmer("A huge page may take in only {value} pages from swap."),
    ),
    _khugepaged(
        "max_ptes_shared",
        "Shared pages that a huge page may take in",
        "How many pages that programs share it may copy to make a huge page.",
        _growing(
            "A huge page may take in {value} pages that programs share.",
            "Pages that were shared are copied, which takes memory.",
            "copies of shared pages take memory",
            "copies take memory",
        ),
        _calmer("A huge page may take in only {value} pages that programs share."),
        since="5.8",
    ),
)

ENTRIES = (
    THP_ENABLED,
    THP_DEFRAG,
    SIZE_ENABLED,
    SHMEM_ENABLED,
    SHRINK_UNDERUSED,
    USE_ZERO_PAGE,
    *KHUGEPAGED,
)
