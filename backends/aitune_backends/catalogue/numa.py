"""Which node, and which kind of memory, a page lies in."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import NUMA_AND_RECLAIM, Entry, Meaning, same_for_all

NUMA_BALANCING = Entry(
    knob="kernel.numa_balancing",
    title="Moving memory to the node that uses it",
    group=NUMA_AND_RECLAIM,
    what=(
        "The kernel moves memory pages to the node whose core uses them, while the program "
        "runs: 0 never, 1 among nodes, 2 and 3 also to and from slower memory."
    ),
    why=(
        "To find those pages it makes threads fault on purpose. Inference threads stop for "
        "milliseconds at a time. Worth nothing when the program is bound to its node."
    ),
    meaning=Meaning(
        effect="The kernel moves pages between nodes as threads use them.",
        danger="Threads stop for milliseconds at a time while it looks for pages to move.",
        risk="low",
        note="threads stop while pages are looked for",
        note_short="threads may stop",
    ),
    values={
        "0": Meaning(
            effect="Memory stays on the node where it was first touched; threads are not stopped.",
            danger="A program not bound to a node may get slower.",
            risk="low",
            note="a program not bound to a node may get slower",
            note_short="unbound may get slower",
        ),
    },
    stars=3,
    evidence=(
        "NVIDIA Grace guide, AMD MI300X guide, SGLang docs, TuneD hpc-compute. "
        "AMD says: compare 0 with 1. Unbound inference on the CPU may gain from 1."
    ),
    sources=(
        sources.NVIDIA_GRACE,
        sources.AMD_MI300X,
        sources.SGLANG,
        sources.TUNED,
        sources.SYSCTL_KERNEL,
        sources.DEEPEP_624,
        sources.OLLAMA_6425,
    ),
    absent="This kernel was built without NUMA balancing.",
    no_effect="A machine with one node has nothing to move; nor has a program bound to its node.",
    advice=same_for_all("0"),
    differs="It stops threads to find pages to move; guides for GPU servers turn it off.",
)

_TIERS = "Memory of one kind has no tiers: it takes slower memory beside it, as CXL."

PROMOTE_RATE = Entry(
    knob="kernel.numa_balancing_promote_rate_limit_MBps",
    title="How fast pages come back from slower memory",
    group=NUMA_AND_RECLAIM,
    what=(
        "How much may be moved from slower to faster memory in a second, in MB, while "
        "kernel.numa_balancing is 2 or 3."
    ),
    why="It bounds what moving takes from the programs. It means something with tiers alone.",
    meaning=Meaning(
        effect="Up to {value} MB a second come back to faster memory.",
        danger="Moving pages takes the memory's own speed from programs.",
        risk="low",
        note="moving pages takes speed from programs",
        note_short="moving takes speed",
    ),
    lowered=Meaning(
        effect="No more than {value} MB a second come back to faster memory.",
        danger="Pages that are used again stay in slower memory for longer.",
        risk="low",
        note="pages stay in slower memory for longer",
        note_short="pages stay slow longer",
    ),
    stars=1,
    evidence="Kernel documentation says what it does. Nothing shows which value suits.",
    sources=(sources.SYSCTL_KERNEL,),
    absent="This kernel was built without NUMA balancing.",
    no_effect="It is read only while kernel.numa_balancing is 2 or 3, and with slower memory.",
    minor=True,
    since="6.1",
)

DEMOTION = Entry(
    knob="numa.demotion_enabled",
    title="Moving pages to slower memory before swap",
    group=NUMA_AND_RECLAIM,
    what=(
        "With 1, pages that are seldom used move to slower memory (as CXL) when memory runs short, "
        "before any is given up or swapped out."
    ),
    why="It makes slower memory part of the machine. Without such memory it does nothing.",
    meaning=Meaning(
        effect="When memory runs short, seldom used pages go to slower memory.",
        danger="A page that is used again is slower until it comes back.",
        risk="low",
        note="seldom used pages get slower",
        note_short="for tiers alone",
    ),
    lowered=Meaning(
        effect="When memory runs short, seldom used pages are given up or swapped out at once.",
        danger="A page that is used again has to come back from the disk.",
        risk="low",
        note="seldom used pages are given up or swapped out",
        note_short="pages are swapped out",
    ),
    stars=1,
    evidence="Kernel documentation says what it does. Nothing shows which value suits.",
    sources=(sources.SYSFS_NUMA,),
    absent="This kernel was built without moving pages between kinds of memory.",
    no_effect=_TIERS,
    minor=True,
    since="5.15",
)

WEIGHTED_INTERLEAVE = Entry(
    knob="numa.weighted_interleave",
    title="A node's share of spread memory",
    group=NUMA_AND_RECLAIM,
    what=(
        "How many pages in a row the node gets when a program spreads its memory over nodes by "
        "weight (MPOL_WEIGHTED_INTERLEAVE)."
    ),
    why=(
        "Of use to inference on the CPU where nodes differ in speed, and only if the program asks "
        "for it."
    ),
    meaning=Meaning(
        effect="{instance} gets {value} pages in a row, a larger share, from the next page on.",
        danger="A weight above what its memory's speed is worth makes such a program slower.",
        risk="low",
        note="more of a program's memory on this node",
        note_short="larger share of memory",
    ),
    lowered=Meaning(
        effect="{instance} gets {value} pages in a row, a smaller share, from the next page on.",
        danger="A weight below what its memory's speed is worth makes such a program slower.",
        risk="low",
        note="less of a program's memory on this node",
        note_short="smaller share of memory",
    ),
    stars=1,
    evidence="Kernel documentation says what it does. Nothing shows which value suits.",
    sources=(sources.SYSFS_WEIGHTED_INTERLEAVE,),
    absent="This kernel was built without weights for nodes.",
    no_effect="On programs that do not ask for this policy, and with one node.",
    minor=True,
    since="6.9",
)

ENTRIES = (NUMA_BALANCING, PROMOTE_RATE, DEMOTION, WEIGHTED_INTERLEAVE)
