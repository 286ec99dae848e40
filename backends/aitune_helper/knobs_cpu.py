"""The knobs of processors: frequency, preference, boost, and how deep an idle core may sleep."""

from __future__ import annotations

from aitune_helper.knob import CPU, POLICY, Knob

# Governors that come as modules: valid though the file does not list them yet.
GOVERNOR_MODULES = (
    "performance", "powersave", "ondemand", "conservative", "schedutil",
)  # fmt: skip

_UINT_MAX = 2**32 - 1
# No processor takes a second to wake up: more is no limit at all.
_LATENCY_US_MAX = 1_000_000

_SYSTEM = "/sys/devices/system/cpu/"
_POLICY = _SYSTEM + "cpufreq/{instance}/"
_PSTATE = _SYSTEM + "intel_pstate/"


def _frequency(name: str, file: str, below: str = "", coupled: tuple[str, ...] = ()) -> Knob:
    """A limit of the frequency. The kernel takes any number, and cuts it to what the policy can.

    Of a driver with a table of frequencies it keeps the next one in it that is within the limit.
    """
    return Knob(
        name,
        _POLICY + file,
        scope=POLICY,
        low=1,
        high=_UINT_MAX,
        least_in=_POLICY + "cpuinfo_min_freq",
        most_in=_POLICY + "cpuinfo_max_freq",
        below=below,
        unit="kHz",
        coupled=coupled,
        turn=2,
        persist="tmpfiles",
        rounds=True,
        late=True,
    )


def _share(name: str, below: str = "") -> Knob:
    """A limit of what the cores may do, in per cent of the most; 0 would be cut to the least."""
    return Knob(
        f"cpu.{name}",
        _PSTATE + name,
        low=1,
        high=100,
        below=below,
        unit="%",
        turn=2,
        persist="tmpfiles",
    )


PROCESSORS = (
    # Drivers with a table of frequencies set the highest one anew with it; others forget nothing.
    Knob(
        "cpu.boost",
        _SYSTEM + "cpufreq/boost",
        low=0,
        high=1,
        coupled=("cpu.max_freq",),
        turn=1,
        persist="tmpfiles",
    ),
    Knob(
        "cpu.policy_boost",
        _POLICY + "boost",
        scope=POLICY,
        low=0,
        high=1,
        coupled=("cpu.max_freq",),
        turn=1,
        persist="tmpfiles",
    ),
    # Without turbo the least share is cut to what remains of the most.
    Knob(
        "cpu.no_turbo",
        _PSTATE + "no_turbo",
        low=0,
        high=1,
        coupled=("cpu.min_perf_pct",),
        turn=1,
        persist="tmpfiles",
    ),
    _share("min_perf_pct", below="cpu.max_perf_pct"),
    _share("max_perf_pct"),
    _frequency("cpu.min_freq", "scaling_min_freq", below="cpu.max_freq"),
    # The least is remembered as it was asked for, and shown as far as the most lets it.
    _frequency("cpu.max_freq", "scaling_max_freq", coupled=("cpu.min_freq",)),
    Knob(
        "cpu.governor",
        _POLICY + "scaling_governor",
        scope=POLICY,
        modules=GOVERNOR_MODULES,
        listed_in=_POLICY + "scaling_available_governors",
        coupled=("cpu.epp",),
        turn=2,
        persist="tmpfiles",
    ),
    # Under the governor performance nothing but performance is taken: EBUSY.
    Knob(
        "cpu.epp",
        _POLICY + "energy_performance_preference",
        scope=POLICY,
        choices=("performance", "balance_performance", "balance_power", "power"),
        listed_in=_POLICY + "energy_performance_available_preferences",
        turn=3,
        persist="tmpfiles",
    ),
    # 0 is no limit, `n/a` lets the core not sleep at all: the smaller the number, the less sleep,
    # but for 0.
    Knob(
        "cpu.idle_latency",
        _SYSTEM + "{instance}/power/pm_qos_resume_latency_us",
        scope=CPU,
        low=0,
        high=_LATENCY_US_MAX,
        words=("n/a",),
        unit="us",
        persist="tmpfiles",
    ),
)
