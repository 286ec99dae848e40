"""Promising memory, giving it back, and moving it between nodes."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import (
    NUMA_AND_RECLAIM,
    OVERCOMMIT,
    Entry,
    Meaning,
    same_for_all,
)

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
    minor=True,
)

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
        effect="From the next time memory runs short, programs are swapped out {tendency}.",
        danger="Low values drop cached files instead, the model's among them.",
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
    advice=same_for_all("10"),
    differs="While a model fills the page cache, programs may be swapped out.",
    as_good_numbers=range(1, 10),
)

OVERCOMMIT_ENTRIES = (OVERCOMMIT_MEMORY, OVERCOMMIT_RATIO, OVERCOMMIT_KBYTES)
NUMA_ENTRIES = (NUMA_BALANCING, SWAPPINESS)
