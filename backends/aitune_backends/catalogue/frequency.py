"""Frequencies of processors."""

from __future__ import annotations

from aitune_backends.catalogue import sources
from aitune_backends.catalogue.entry import CPU, Entry, Meaning, same_for_all

GOVERNOR = Entry(
    knob="cpu.governor",
    title="How frequencies are chosen",
    group=CPU,
    what=(
        "Who chooses the frequency between the limits, for each group of cores that share one: "
        "performance keeps it high, powersave low or leaves it to the processor (intel_pstate "
        "and amd-pstate), schedutil and ondemand follow the load."
    ),
    why=(
        "A core that has to wake up and speed up adds latency to short work between GPU steps. "
        "Nobody published a comparison that shows a model loading faster by it: measure yours."
    ),
    meaning=Meaning(
        effect="The cores of {instance} follow {value}, at once.",
        danger="A governor that is not loaded yet makes the kernel load its module.",
        risk="low",
        note="frequencies follow {value} at once",
        note_short="at once",
    ),
    values={
        "performance": Meaning(
            effect="The cores of {instance} stay at their highest frequency. No load is promised "
            "to gain.",
            danger="They take more power and give more heat, also when idle.",
            risk="low",
            note="more power and heat, also when idle",
            note_short="more power and heat",
        ),
        "powersave": Meaning(
            effect=(
                "The cores of {instance} stay low, or with intel_pstate and amd-pstate run as the "
                "processor itself sees fit."
            ),
            danger="With other drivers they stay at their lowest frequency whatever runs.",
            risk="medium",
            note="may stay at the lowest frequency",
            note_short="may stay slow",
        ),
    },
    stars=3,
    evidence=(
        "NVIDIA Grace guide and TuneD's throughput, latency, hpc and accelerator profiles. How "
        "much it gives depends on the work; with intel_pstate powersave is not slow by design."
    ),
    sources=(
        sources.NVIDIA_GRACE,
        sources.TUNED,
        sources.NVIDIA_TUNED,
        sources.INTEL_PSTATE,
        sources.POWER_PROFILES_DAEMON,
        sources.CPUFREQ,
    ),
    absent=(
        "This kernel offers no CPU frequency control. Usual in a virtual machine: set it on the "
        "host."
    ),
    advice=same_for_all("performance"),
    differs="Vendors' guides for GPU servers set {advised}; what it gives depends on the work.",
)

EPP = Entry(
    knob="cpu.epp",
    title="What the processor itself prefers",
    group=CPU,
    what=(
        "Where intel_pstate or amd-pstate leaves the frequency to the processor: which the "
        "processor prefers, speed (performance) or saving (power), and two steps between. The "
        "governor performance sets it to performance and takes nothing else."
    ),
    why=(
        "Under the governor powersave it decides how soon a core speeds up. Nobody published a "
        "comparison that shows a model loading faster by it: measure yours."
    ),
    meaning=Meaning(
        effect="The processor weighs speed against power as {value} says, for {instance}, at once.",
        danger="Towards performance it takes more power; towards power it speeds up later.",
        risk="low",
        note="trades power for how soon a core speeds up",
        note_short="power against speed",
    ),
    stars=2,
    evidence=(
        "TuneD throughput-performance sets performance, and so does the governor of that name, "
        "which is what is advised; so nothing is advised here besides."
    ),
    sources=(sources.TUNED, sources.INTEL_PSTATE, sources.AMD_PSTATE),
    absent=(
        "The driver that sets frequencies here leaves no preference to the processor: "
        "intel_pstate and amd-pstate do."
    ),
    minor=True,
)

ENTRIES = (GOVERNOR, EPP)
