"""How deeply a core may sleep while it has nothing to do."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import CPU, Entry, Meaning

IDLE_LATENCY = Entry(
    knob="cpu.idle_latency",
    title="How long a core may take to wake up",
    group=CPU,
    what=(
        "The longest that a core may take to come back from idling, in microseconds: it sleeps "
        "only so deeply. 0 sets no limit, n/a keeps it from sleeping at all."
    ),
    why=(
        "A core that sleeps deeply wakes late, which adds latency to short work between GPU "
        "steps and to the network. Nobody published a comparison that shows a model loading "
        "faster by it."
    ),
    meaning=Meaning(
        effect="{instance} may sleep as deeply as it can wake within {value} microseconds.",
        danger="It may wake later than it did.",
        risk="low",
        note="it may wake later",
        note_short="may wake later",
    ),
    lowered=Meaning(
        effect="{instance} sleeps only as deeply as it can wake within {value} microseconds.",
        danger="It takes more power, and cores beside it may get less room to speed up.",
        risk="low",
        note="more power; others may speed up less",
        note_short="more power",
    ),
    endless_at_zero=True,
    values={
        "0": Meaning(
            effect="{instance} may sleep as deeply as it can: no limit, the kernel's default.",
            danger="It may take a hundred microseconds and more to wake.",
            risk="low",
            note="it may wake later",
            note_short="may wake later",
        ),
        "n/a": Meaning(
            effect="{instance} does not sleep at all: it spins while it has nothing to do.",
            danger="It takes full power all the time, and cores beside it speed up less.",
            risk="medium",
            note="full power all the time",
            note_short="full power always",
        ),
    },
    stars=2,
    evidence=(
        "TuneD's accelerator profile asks 99 microseconds of the whole machine; AMD's MI300X "
        "guide switches C2 off for networks. It costs power always, so none is advised by default."
    ),
    sources=(sources.CPUIDLE, sources.SYSFS_POWER, sources.TUNED, sources.AMD_MI300X),
    absent="This kernel has no limit for idling of single cores.",
    no_effect="A kernel that knows no idle states, as in most virtual machines, does not read it.",
    minor=True,
)

ENTRIES = (IDLE_LATENCY,)
