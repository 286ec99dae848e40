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
    advice=same_for_all("0"),
    differs="It stops threads to find pages to move; guides for GPU servers turn it off.",
)

ENTRIES = (NUMA_BALANCING,)
