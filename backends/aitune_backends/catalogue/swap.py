"""Swapping programs out, compressing what is swapped, and merging equal pages."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import NUMA_AND_RECLAIM, Entry, Meaning, same_for_all

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

ENTRIES = (SWAPPINESS,)
