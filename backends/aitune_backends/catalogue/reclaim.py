"""Making memory free: when the kernel begins, what it gives up, and what it moves."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import NUMA_AND_RECLAIM, Entry, Meaning, same_for_all

MIN_FREE = Entry(
    knob="vm.min_free_kbytes",
    title="Memory that always stays free",
    group=NUMA_AND_RECLAIM,
    what=(
        "How much memory the kernel keeps free for what cannot wait, in KiB. The kernel works it "
        "out by itself, and anew when transparent huge pages are switched."
    ),
    why=(
        "Bursts from the network (RDMA) or from a GPU's direct reads need free pages at once. "
        "Up to 1 % of memory is customary then. Ordinary loads do not gain."
    ),
    meaning=Meaning(
        effect="{amount} of {available} always stay free: nobody can use them.",
        danger=(
            "Too much leaves programs nothing, and the kernel does not check: it ends them at "
            "once. Once written, the kernel never works it out anew until the next boot."
        ),
        risk="high",
        note="{amount} are lost to all; pinned until the next boot",
        note_short="pinned until reboot",
    ),
    lowered=Meaning(
        effect="Only {amount} always stay free; programs and page cache may use the rest.",
        danger=(
            "With too little the kernel can stand still when memory is short. Once written, the "
            "kernel never works it out anew until the next boot."
        ),
        risk="high",
        note="may stand still when full; pinned until reboot",
        note_short="pinned until reboot",
    ),
    stars=2,
    evidence=(
        "Kernel documentation warns of both ends. TuneD hpc-compute and NVIDIA's GB200 profile "
        "set it; how much suits depends on the network, so none is advised."
    ),
    sources=(sources.SYSCTL_VM, sources.TUNED, sources.NVIDIA_TUNED, sources.MEASURED_SYSCTLS),
    absent="This kernel shows no vm.min_free_kbytes.",
    no_effect="On how fast files are read while memory is plenty.",
    minor=True,
)

WATERMARK_SCALE = Entry(
    knob="vm.watermark_scale_factor",
    title="How early the kernel begins to free memory",
    group=NUMA_AND_RECLAIM,
    what=(
        "How far apart the marks lie between which the kernel frees memory beside the programs, "
        "in ten-thousandths of memory: 10 is 0.1 %."
    ),
    why=(
        "With much memory and a fast load, 0.1 % is gone before the kernel has freed more: the "
        "load then stops to free memory itself. /proc/vmstat counts that."
    ),
    meaning=Meaning(
        effect="The marks lie {value} ten-thousandths of memory apart, from now on.",
        danger="That much memory stays free more often, and the page cache is that much smaller.",
        risk="low",
        note="more memory stays free, less is cache",
        note_short="less page cache",
    ),
    lowered=Meaning(
        effect="The marks lie only {value} ten-thousandths of memory apart, from now on.",
        danger="A fast load may have to stop and free memory itself.",
        risk="low",
        note="programs may stop to free memory themselves",
        note_short="loads may stop to free",
    ),
    stars=3,
    evidence=(
        "Kernel documentation names the sign: programs that free memory themselves (allocstall) "
        "or a kernel thread that cannot keep up. Without the sign, nothing is advised."
    ),
    sources=(sources.SYSCTL_VM,),
    absent="This kernel shows no vm.watermark_scale_factor.",
    no_effect="While memory is plenty, and no program waits for it, it changes nothing.",
    depends="50 where /proc/vmstat shows that programs often had to free memory themselves.",
    differs="Programs often stop here to free memory themselves: {value} begins late.",
    as_good_numbers=range(50, 3001),
    minor=True,
    since="4.6",
)

WATERMARK_BOOST = Entry(
    knob="vm.watermark_boost_factor",
    title="Freeing more after memory was found in pieces",
    group=NUMA_AND_RECLAIM,
    what=(
        "How much more memory the kernel frees for a while after it had to mix kinds of pages, in "
        "ten-thousandths of a mark: 15000 is one and a half; 0 never."
    ),
    why="It keeps memory in larger pieces for huge pages. It matters little to a load.",
    meaning=Meaning(
        effect="After mixing kinds of pages, the kernel frees more than it did.",
        danger="That takes from the page cache for a while.",
        risk="low",
        note="takes from the page cache for a while",
        note_short="less page cache",
    ),
    lowered=Meaning(
        effect="After mixing kinds of pages, the kernel frees less than it did; with 0 no more.",
        danger="Memory may lie in smaller pieces, and huge pages be harder to find.",
        risk="low",
        note="memory may lie in smaller pieces",
        note_short="memory may fragment",
    ),
    stars=1,
    evidence="Nothing shows that another value helps, so none is advised.",
    sources=(sources.SYSCTL_VM,),
    absent="This kernel shows no vm.watermark_boost_factor.",
    no_effect="While memory is plenty it changes nothing.",
    minor=True,
    since="5.0",
)

CACHE_PRESSURE = Entry(
    knob="vm.vfs_cache_pressure",
    title="Forgetting names of files against their contents",
    group=NUMA_AND_RECLAIM,
    what=(
        "How readily the kernel gives up what it knows of directories and files, against their "
        "contents: 100 is even, less keeps it longer."
    ),
    why="A model is a few large files: their names take next to nothing.",
    meaning=Meaning(
        effect="When memory runs short, names of files are given up more readily.",
        danger="Names that are needed again are read from the disk again.",
        risk="low",
        note="names of files are read again",
        note_short="names are read again",
    ),
    lowered=Meaning(
        effect="When memory runs short, names of files are kept for longer.",
        danger="Names may fill memory that contents of files could use.",
        risk="low",
        note="names of files may fill memory",
        note_short="names may fill memory",
    ),
    stars=1,
    evidence=(
        "50 is advice for file servers with millions of small files. Nothing shows that it helps "
        "a model, so none is advised."
    ),
    sources=(sources.SYSCTL_VM,),
    absent="This kernel shows no vm.vfs_cache_pressure.",
    no_effect="While memory is plenty it changes nothing.",
    minor=True,
)

ZONE_RECLAIM = Entry(
    knob="vm.zone_reclaim_mode",
    title="Freeing a node's memory before using another's",
    group=NUMA_AND_RECLAIM,
    what=(
        "What the kernel does when a node is full: 0 takes memory of another node; 1 first gives "
        "up cached files of that node; 2 and 4, added to it, also write out and swap."
    ),
    why=(
        "A model's files are page cache. With 1 they are confined to one node and given up while "
        "other nodes are free: a load then reads them from the disk again and again."
    ),
    meaning=Meaning(
        effect="A full node gives up cached files before memory of another node is used.",
        danger="The page cache of a large model stays confined to one node.",
        risk="medium",
        note="page cache is confined to a node",
        note_short="confines page cache",
    ),
    values={
        "0": Meaning(
            effect="A full node uses memory of the others; cached files stay.",
            danger="A program bound to a node may get memory that is farther away.",
            risk="low",
            note="memory may come from a farther node",
            note_short="memory may be farther",
        ),
    },
    stars=3,
    evidence=(
        "Kernel documentation: leave it off where cached files matter. TuneD hpc-compute sets 1, "
        "for work that reads little."
    ),
    sources=(sources.SYSCTL_VM, sources.TUNED),
    absent="This kernel was built without NUMA.",
    no_effect="While every node has free memory it changes nothing.",
    advice=same_for_all("0"),
    differs="A full node gives up the model's cached files while others have free memory.",
    minor=True,
)

COMPACTION = Entry(
    knob="vm.compaction_proactiveness",
    title="Tidying memory in advance",
    group=NUMA_AND_RECLAIM,
    what=(
        "How eagerly the kernel moves pages together so that huge ones can be found later: 0 "
        "never, 100 most. Any value but 0 makes it begin at once."
    ),
    why=(
        "Huge pages are found sooner after it. Moving pages stops the programs that use them for "
        "an instant, which can show in the slowest answers of a server."
    ),
    meaning=Meaning(
        effect="The kernel moves pages together in advance more eagerly, from now on.",
        danger="Programs stop for instants while their pages are moved.",
        risk="low",
        note="programs stop while pages are moved",
        note_short="programs may stop",
    ),
    lowered=Meaning(
        effect="The kernel moves pages together in advance less eagerly, from now on.",
        danger="Huge pages may be found later once memory is in pieces.",
        risk="low",
        note="huge pages may be found later",
        note_short="huge pages found later",
    ),
    values={
        "0": Meaning(
            effect="The kernel no longer moves pages in advance.",
            danger="Huge pages are found later, or not at all, once memory is in pieces.",
            risk="low",
            note="huge pages may not be found later",
            note_short="fewer huge pages",
        ),
    },
    stars=2,
    evidence=(
        "Kernel documentation warns of latency. It is worth 0 where the slowest answers count; "
        "for pools made at run time 20 helps. So no one value is advised."
    ),
    sources=(sources.SYSCTL_VM,),
    absent="This kernel was built without compaction.",
    no_effect="While memory lies in large pieces it does nothing.",
    minor=True,
    since="5.9",
)

MIN_TTL = Entry(
    knob="lru_gen.min_ttl_ms",
    title="How long memory in use is left alone",
    group=NUMA_AND_RECLAIM,
    what=(
        "Memory used within so many milliseconds is not given up (the multi-generational LRU); "
        "if nothing else is left, a program is ended. 0 protects nothing."
    ),
    why=(
        "It ends thrashing by ending a program, which on a server may be the one that matters. "
        "It does not make loads faster."
    ),
    meaning=Meaning(
        effect="Memory used within the last {value} ms is not given up.",
        danger="When memory is short, a program is ended sooner.",
        risk="medium",
        note="a program is ended sooner when memory is short",
        note_short="ends programs sooner",
    ),
    lowered=Meaning(
        effect="Memory used within the last {value} ms is not given up; older memory may be.",
        danger="When memory is short, what programs use may be given up and read again.",
        risk="low",
        note="memory in use may be given up and read again",
        note_short="memory may be reread",
    ),
    values={
        "0": Meaning(
            effect="Memory is given up as is needed, however lately it was used.",
            danger="When memory is short, what programs use may be given up and read again.",
            risk="low",
            note="memory in use may be given up and read again",
            note_short="memory may be reread",
        ),
    },
    stars=1,
    evidence="Kernel documentation aims it at desktops. Nothing shows that it helps a server.",
    sources=(sources.MULTIGEN_LRU,),
    absent="This kernel was built without the multi-generational LRU.",
    no_effect="While memory is plenty it changes nothing.",
    minor=True,
    since="6.1",
)

ENTRIES = (
    ZONE_RECLAIM,
    WATERMARK_SCALE,
    MIN_FREE,
    COMPACTION,
    WATERMARK_BOOST,
    CACHE_PRESSURE,
    MIN_TTL,
)
