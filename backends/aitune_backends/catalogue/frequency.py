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
    no_effect="On cores whose frequency the firmware or the host decides.",
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
        "TuneD throughput-performance sets performance, and so does the governor of that name. "
        "It counts where another governor stays, as power-profiles-daemon has it."
    ),
    sources=(sources.TUNED, sources.INTEL_PSTATE, sources.AMD_PSTATE),
    absent=(
        "The driver that sets frequencies here leaves no preference to the processor: "
        "intel_pstate and amd-pstate do."
    ),
    no_effect="Under the governor performance the processor prefers performance, whatever is set.",
    advice=same_for_all("performance"),
    differs="TuneD's throughput profile sets {advised}; what it gives depends on the work.",
    minor=True,
)

_NO_LIMITS = "This kernel offers no CPU frequency control. Usual in a virtual machine."

MAX_FREQ = Entry(
    knob="cpu.max_freq",
    title="Highest frequency allowed",
    group=CPU,
    what=(
        "The most that the cores of a policy may run at, in kHz. The kernel starts with what the "
        "hardware can."
    ),
    why=(
        "A cap that somebody set long ago, for heat or for a test, slows everything the cores do "
        "and is easily forgotten. How much a load meets it depends on the load."
    ),
    meaning=Meaning(
        effect="The cores of {instance} run at most at {frequency}, at once.",
        danger="They may take more power and give more heat.",
        risk="low",
        note="more power and heat under load",
        note_short="more power and heat",
    ),
    lowered=Meaning(
        effect="The cores of {instance} run at most at {frequency}, at once.",
        danger="All work of these cores slows down, the more the lower the cap is.",
        risk="medium",
        note="all work of these cores slows down",
        note_short="slower cores",
    ),
    stars=2,
    evidence=(
        "Kernel documentation: without a cap it is what the hardware can, which TuneD's "
        "performance profiles leave or set. A cap may be there for a reason: ask who set it."
    ),
    sources=(sources.CPUFREQ, sources.TUNED),
    absent=_NO_LIMITS,
    no_effect="Beyond what the hardware can; the firmware may allow less still.",
    depends="What the hardware of the policy can: no cap.",
    differs="It is capped below the {advised} kHz that the hardware can.",
    minor=True,
)

MIN_FREQ = Entry(
    knob="cpu.min_freq",
    title="Lowest frequency allowed",
    group=CPU,
    what="The least that the cores of a policy run at while they work, in kHz.",
    why=(
        "Raising it does in part what the governor performance does as a whole. Nobody published "
        "a comparison that shows a model loading faster by it."
    ),
    meaning=Meaning(
        effect="The cores of {instance} run at least at {frequency}, at once.",
        danger="They take more power and give more heat, also with little to do.",
        risk="low",
        note="more power and heat, also with little to do",
        note_short="more power and heat",
    ),
    lowered=Meaning(
        effect="The cores of {instance} may run as slowly as {frequency}, at once.",
        danger="A core that idled has farther to speed up when work comes.",
        risk="low",
        note="cores may have to speed up first",
        note_short="cores may speed up late",
    ),
    stars=0,
    evidence="Nothing shows that another value helps, so none is advised.",
    sources=(sources.CPUFREQ,),
    absent=_NO_LIMITS,
    no_effect="Under the governor performance cores run at the highest frequency anyway.",
    minor=True,
)


def _boost(
    knob: str, title: str, what: str, on: str, absent: str, instead: tuple[str, ...]
) -> Entry:
    off = "1" if on == "0" else "0"
    whose = "of {instance} " if knob == "cpu.policy_boost" else ""
    return Entry(
        knob=knob,
        title=title,
        group=CPU,
        what=what,
        why=(
            "Single threads that prepare work for a GPU run above the base frequency by it, as "
            "far as power and heat allow. Off, the cores are slower and steadier."
        ),
        meaning=Meaning(
            effect=f"Cores {whose}may run above the base frequency, as power and heat allow.",
            danger="They take more power then, and their frequency moves with the load.",
            risk="low",
            note="more power; the frequency moves with the load",
            note_short="more power",
        ),
        values={
            off: Meaning(
                effect=f"Cores {whose}stay at the base frequency or below.",
                danger="Work of single threads gets slower.",
                risk="medium",
                note="work of single threads gets slower",
                note_short="slower single threads",
            )
        },
        stars=3,
        evidence=(
            "Kernel documentation; TuneD's performance profiles keep it on, and so does the "
            "kernel unless the firmware forbids it."
        ),
        sources=(sources.CPUFREQ, sources.TUNED, sources.SYSFS_CPU),
        absent=absent,
        no_effect="Where the firmware has switched it off, the kernel cannot switch it on.",
        advice=same_for_all(on),
        differs="Cores stay at the base frequency: {value} switches the rest off.",
        minor=True,
        instead=instead,
    )


BOOST = _boost(
    "cpu.boost",
    "Running above the base frequency",
    "Whether cores may run above their base frequency (boost, turbo): 1 yes, 0 no. For drivers "
    "other than intel_pstate, all cores at once.",
    "1",
    "The driver that sets frequencies here has no switch for it.",
    ("cpu.no_turbo",),
)
POLICY_BOOST = _boost(
    "cpu.policy_boost",
    "Running above the base frequency, for each policy",
    "Whether the cores of one policy may run above their base frequency: 1 yes, 0 no. Newer "
    "kernels have it beside cpu.boost.",
    "1",
    "This kernel, or the driver that sets frequencies here, has the switch for all cores alone.",
    ("cpu.boost", "cpu.no_turbo"),
)
NO_TURBO = _boost(
    "cpu.no_turbo",
    "Staying at the base frequency (intel_pstate)",
    "Whether cores must stay at their base frequency: 0 they may run above it, 1 they may not. "
    "It is intel_pstate's own switch, and the other way round than cpu.boost.",
    "0",
    "It belongs to intel_pstate, which does not set frequencies here.",
    ("cpu.boost",),
)


def _share(
    knob: str,
    title: str,
    what: str,
    evidence: str,
    raised: Meaning,
    lowered: Meaning,
    *,
    most: bool = False,
) -> Entry:
    return Entry(
        knob=knob,
        title=title,
        group=CPU,
        what=f"{what} In per cent of the most that the processor can. It is intel_pstate's own.",
        why=(
            "It bounds all cores at once, beside what each policy allows; of two bounds the "
            "tighter one counts."
        ),
        meaning=raised,
        lowered=lowered,
        stars=2,
        evidence=evidence,
        sources=(sources.INTEL_PSTATE, sources.TUNED),
        absent="It belongs to intel_pstate, which does not set frequencies here.",
        no_effect="A policy whose own limit is tighter does not meet it.",
        advice=same_for_all("100" if most else None),
        differs="All cores are capped at {value} % of what they can." if most else "",
        minor=True,
    )


MAX_PERF = _share(
    "cpu.max_perf_pct",
    "Highest share of speed allowed",
    "The most that cores may run at.",
    "Kernel documentation: without a cap it is 100. A cap may be there for a reason.",
    Meaning(
        effect="Cores run at {value} % of the most that they can, if not less, at once.",
        danger="They may take more power and give more heat.",
        risk="low",
        note="more power and heat under load",
        note_short="more power and heat",
    ),
    Meaning(
        effect="Cores run at {value} % of the most that they can, and no faster, at once.",
        danger="All work of the cores slows down, the more the lower the cap is.",
        risk="medium",
        note="all work of the cores slows down",
        note_short="slower cores",
    ),
    most=True,
)
MIN_PERF = _share(
    "cpu.min_perf_pct",
    "Lowest share of speed allowed",
    "The least that cores run at while they work.",
    "TuneD's latency profile sets 100, which the governor performance does as well; so nothing is "
    "advised here besides.",
    Meaning(
        effect="Cores run at {value} % of the most that they can, or more, at once.",
        danger="They take more power and give more heat, also with little to do.",
        risk="low",
        note="more power and heat, also with little to do",
        note_short="more power and heat",
    ),
    Meaning(
        effect="Cores may run as slowly as {value} % of the most that they can, at once.",
        danger="A core that idled has farther to speed up when work comes.",
        risk="low",
        note="cores may have to speed up first",
        note_short="cores may speed up late",
    ),
)

ENTRIES = (
    GOVERNOR,
    EPP,
    MAX_FREQ,
    MIN_FREQ,
    BOOST,
    POLICY_BOOST,
    NO_TURBO,
    MAX_PERF,
    MIN_PERF,
)
