"""TuneD's plug-in `cpu`: governors, preferences, limits and the latency of waking up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.lens.variables import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.lens.tuned_lines import Line, Target

_CPU = "/sys/devices/system/cpu/"
_POLICY = _CPU + "cpufreq/policy0/"
_IDLE_STATES = _CPU + "cpu0/cpuidle/"
_MOST_IDLE_STATES = 16
# Of an option that takes one of several words, the knob and the file that lists what there is.
_WORDS = {
    "governor": ("cpu.governor", _POLICY + "scaling_available_governors"),
    "energy_performance_preference": (
        "cpu.epp",
        _POLICY + "energy_performance_available_preferences",
    ),
}
_FILES = {
    "min_perf_pct": _CPU + "intel_pstate/min_perf_pct",
    "max_perf_pct": _CPU + "intel_pstate/max_perf_pct",
    "no_turbo": _CPU + "intel_pstate/no_turbo",
    "boost": _CPU + "cpufreq/boost",
}
_BOOLEANS = {"true": "1", "yes": "1", "y": "1", "false": "0", "no": "0", "n": "0"}
_LATENCY = "cpu.idle_latency"
_HELD = "TuneD holds this limit itself, through /dev/cpu_dma_latency, for all processors."


def gather_cpu(line: Line, target: Target) -> None:
    """Put one line of a section where it belongs."""
    if line.name in (*_WORDS, "pm_qos_resume_latency_us") and target.devices.strip() != "*":
        target.leave(line, "it is for some processors only, which a policy does not follow")
    elif line.name in _WORDS:
        knob, listed = _WORDS[line.name]
        value, note = _first_offered(line.value, listed, target.read)
        target.want(line, knob, value, note=note)
    elif line.name in _FILES:
        target.want_at(line, _FILES[line.name], _BOOLEANS.get(line.value.lower(), line.value))
    elif line.name == "pm_qos_resume_latency_us":
        target.want(line, _LATENCY, line.value)
    elif line.name == "force_latency":
        _force_latency(line, target)
    elif line.name == "energy_perf_bias":
        target.leave(line, "the processor's own bias (EPB): this tool has no knob for it")
    else:
        target.leave(line, "an option of TuneD's plug-in cpu that this tool has no knob for")


def _first_offered(value: str, listed: str, read: Callable[[str], str]) -> tuple[str, str]:
    """Of words such as `ondemand|powersave` the first one that the machine has, and a note."""
    words = [word.strip() for word in value.split("|")]
    if len(words) == 1:
        return words[0], ""
    try:
        offered = read(listed).split()
    except OSError:
        offered = []
    for word in words:
        if word in offered:
            return word, f"The first of {value} that this machine has."
    return words[0], f"The first of {value}; the machine does not say which it has."


def _force_latency(line: Line, target: Target) -> None:
    try:
        latency = _latency(line.value, target.read)
    except NotUnderstood as why:
        target.leave(line, str(why))
        return
    if latency is None:
        target.gathered.follow(line.place, line.text, "no limit is asked for")
        return
    # 0 is "never sleep" there, and "no limit" in the file of one processor.
    target.want(line, _LATENCY, "n/a" if latency == 0 else str(latency), note=_HELD)


def _latency(value: str, read: Callable[[str], str]) -> int | None:
    """Microseconds; the first of `cstate.id:1|10` that can be told. None where none is wanted.

    Raises:
        NotUnderstood: None can be told.
    """
    for choice in value.split("|"):
        word = choice.strip()
        if word in ("none", "None"):
            return None
        if re.fullmatch(r"[0-9]{1,9}", word):
            return int(word)
        kind, colon, which = word.partition(":")
        if colon and kind in (
            "cstate.id",
            "cstate.id_no_zero",
            "cstate.name",
            "cstate.name_no_zero",
        ):
            found = _of_state(kind.startswith("cstate.name"), which, read)
            if found or (found == 0 and not kind.endswith("_no_zero")):
                return found
    raise NotUnderstood("it depends on idle states that this machine does not show")


def _of_state(by_name: bool, which: str, read: Callable[[str], str]) -> int | None:
    """The latency of waking up from an idle state, by its number or its name."""
    numbers = range(_MOST_IDLE_STATES) if by_name else [which]
    for number in numbers:
        try:
            directory = f"{_IDLE_STATES}state{int(number)}"
            if not by_name or read(f"{directory}/name").strip() == which:
                return int(read(f"{directory}/latency"))
        except (OSError, ValueError):
            return None
    return None
