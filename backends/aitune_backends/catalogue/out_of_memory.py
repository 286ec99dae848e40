"""What happens when a program gets no memory: too many maps, and the OOM killer."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import (
    INFERENCE,
    MODEL_LOADING,
    OVERCOMMIT,
    TRAINING,
    Entry,
    Meaning,
)

MAX_MAP_COUNT = Entry(
    knob="vm.max_map_count",
    title="Maps that one program may have",
    group=OVERCOMMIT,
    what=(
        "How many pieces of memory one program may have mapped. Beyond it mmap fails with "
        '"cannot allocate memory", however much is free.'
    ),
    why=(
        "Loaders that map every shard, and data loaders that map every sample, can reach the "
        "usual 65530. It decides whether they run, not how fast."
    ),
    meaning=Meaning(
        effect="A program may map up to {value} pieces, from its next map on.",
        danger="The kernel's own notes on that many pieces take memory.",
        risk="low",
        note="notes on many maps take memory",
        note_short="notes take memory",
    ),
    lowered=Meaning(
        effect="A program may map {value} pieces at most, from its next map on.",
        danger="Where a running program has more than that, its next map fails.",
        risk="medium",
        note="maps beyond it fail",
        note_short="maps beyond it fail",
    ),
    stars=2,
    evidence=(
        "Kernel documentation says what fails beyond it; a PyTorch report of refused small maps "
        "fits, though its cause is not proven. 262144 is customary, more serves as well."
    ),
    sources=(sources.SYSCTL_VM, sources.PYTORCH_87861),
    absent="This kernel shows no vm.max_map_count.",
    no_effect="On a program that maps fewer pieces, which most do.",
    advice={MODEL_LOADING: "262144", TRAINING: "262144", INFERENCE: None},
    differs="A loader that maps thousands of pieces fails beyond {value}, with memory to spare.",
    as_good_numbers=range(262144, 2**31),
    minor=True,
)

PANIC_ON_OOM = Entry(
    knob="vm.panic_on_oom",
    title="Whether the machine stops when memory is out",
    group=OVERCOMMIT,
    what=(
        "What the kernel does when memory is out: 0 ends a program, 1 stops the whole machine "
        "(a panic), 2 stops it even when only one container is out of memory."
    ),
    why="On a machine with more than one tenant, 1 and 2 take all of them down for one.",
    meaning=Meaning(
        effect="When memory is out, the kernel ends one program and the machine goes on.",
        danger="The program that is ended may be yours.",
        risk="low",
        note="a program is ended when memory is out",
        note_short="a program is ended",
    ),
    values={
        "1": Meaning(
            effect="When memory is out, the machine stops, or starts again if kernel.panic says.",
            danger="Every program on it is lost.",
            risk="high",
            note="the whole machine stops when memory is out",
            note_short="stops the machine",
        ),
        "2": Meaning(
            effect="When memory is out, even of one container, the machine stops.",
            danger="One container at its own limit takes down everything.",
            risk="high",
            note="one full container stops the machine",
            note_short="stops the machine",
        ),
    },
    stars=0,
    evidence="The kernel starts with 0, and kubelet expects 0; a cluster may want otherwise.",
    sources=(sources.SYSCTL_VM, sources.KUBELET),
    absent="This kernel shows no vm.panic_on_oom.",
    no_effect="It means nothing until memory is out.",
    minor=True,
)

KILL_ALLOCATING = Entry(
    knob="vm.oom_kill_allocating_task",
    title="Which program is ended when memory is out",
    group=OVERCOMMIT,
    what=(
        "With 0 the kernel looks for the program that holds most memory; with 1 it ends the one "
        "that happened to ask."
    ),
    why="With 1 the search is spared, and any program may be the one: a shell as well as a load.",
    meaning=Meaning(
        effect="When memory is out, the program is chosen as {value} says.",
        danger="The program that holds most memory may be yours.",
        risk="low",
        note="the largest program is ended",
        note_short="the largest ends",
    ),
    values={
        "1": Meaning(
            effect="When memory is out, the kernel ends the program that happened to ask.",
            danger="Any program may be ended, however small: a shell, or the server of log-ins.",
            risk="medium",
            note="any program may be ended",
            note_short="any may be ended",
        ),
    },
    stars=0,
    evidence="Nothing shows that another value helps, so none is advised.",
    sources=(sources.SYSCTL_VM,),
    absent="This kernel shows no vm.oom_kill_allocating_task.",
    no_effect="It means nothing while vm.panic_on_oom is 2, nor until memory is out.",
    minor=True,
)

ENTRIES = (MAX_MAP_COUNT, PANIC_ON_OOM, KILL_ALLOCATING)
