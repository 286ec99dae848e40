"""One core and the cores that differ, for the page of the CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.catalogue import ENTRIES
from aitune_backends.targets import ABSENT, DIFFERS
from aitune_tui.present_machine import policy_of_cpu
from aitune_tui.present_pages import heading
from aitune_tui.present_settings import CPU_GROUP, cpus_label, setting_row
from aitune_tui.selection import Selection
from aitune_tui.words import counted, ghz, joined_numbers, percent

if TYPE_CHECKING:
    from aitune_backends.readings import Sample
    from aitune_backends.targets import TargetStatus
    from aitune_tui.state import State
    from aitune_widgets.setting_table import SettingRow
    from aitune_widgets.text import Line

_GOVERNOR = "cpu.governor"


class Core(NamedTuple):
    """What is shown of the core under the cursor: its rows for the table, and its facts."""

    rows: tuple[SettingRow, ...]
    facts: tuple[Line, ...]


class OddCores(NamedTuple):
    """The cores whose settings differ: lines, and how many for the rule."""

    lines: tuple[Line, ...]
    right: Line


def core_setting_key(sample: Sample | None, cpu: int) -> str:
    """The key of the governor of a core's policy, "" where it has none."""
    policy = policy_of_cpu(sample, cpu)
    return f"{_GOVERNOR}@{policy.name}" if policy is not None else ""


def core(state: State, cpu: int | None) -> Core:
    """The core under the cursor."""
    sample = state.sample
    seen = next((c for c in sample.cpus if c.number == cpu), None) if sample else None
    if sample is None or seen is None:
        return Core((), ())
    policy = policy_of_cpu(sample, seen.number)
    busy = f"busy {percent(seen.busy)} %" if seen.busy is not None else ""
    where = f"node{seen.node}" if seen.node is not None else ""
    if policy is None:
        title = ", ".join(part for part in (f"Core {seen.number}", where) if part)
        return Core((), (((title, "strong"),), ((busy, "fg"),)))
    rows = [heading(f"Core {seen.number}, {policy.name}")]
    rows += _rows(state, (policy.name, f"cpu{seen.number}"))
    low, high = ghz(policy.hardware_min_khz, 1), ghz(policy.hardware_max_khz, 1)
    facts: list[Line] = [
        ((f"Core {seen.number}", "strong"), (f"   {policy.name}, {where}", "dim")),
        ((f"{ghz(policy.current_khz)} GHz", "strong"), (f"   {busy}", "fg")),
        ((f"The hardware goes from {low} to {high} GHz.", "dim"),),
    ]
    if len(policy.cpus) > 1:
        facts.append(((f"One policy for cpu {joined_numbers(policy.cpus)}.", "dim"),))
    if policy.error:
        facts.append(((policy.error, "differs"),))
    return Core(tuple(rows), tuple(facts))


def _rows(state: State, instances: tuple[str, ...]) -> Iterator[SettingRow]:
    """What is set for one core: of its policy, and of itself."""
    for knob, statuses in state.by_knob.items():
        if knob not in ENTRIES or ENTRIES[knob].group != CPU_GROUP:
            continue
        own = tuple(s for s in statuses if s.instance in instances and s.state != ABSENT)
        if own:
            key = f"{knob}@{own[0].instance}"
            yield setting_row(state, key, Selection(knob, own), knob)


def odd_cores(state: State) -> OddCores:
    """Cores that differ, equal neighbours together."""
    sample = state.sample
    if sample is None:
        return OddCores((), ())
    differing = [s for s in state.by_knob.get(_GOVERNOR, ()) if s.state == DIFFERS]
    if not differing:
        text = "Every core is as advised." if sample.policies else ""
        return OddCores((((text, "dim"),),), ())
    groups: dict[str, list[TargetStatus]] = {}
    for status in differing:
        groups.setdefault(status.value or "–", []).append(status)
    by_name = {policy.name: policy for policy in sample.policies}
    lines: list[Line] = [(("CORES".ljust(34) + "GOVERNOR".ljust(16) + "GHz", "dim"),)]
    total = 0
    for value, members in groups.items():
        policies = [by_name[m.instance] for m in members if m.instance in by_name]
        total += sum(len(policy.cpus) for policy in policies)
        speeds = [p.current_khz for p in policies if p.current_khz is not None]
        mean = sum(speeds) / len(speeds) if speeds else None
        label = cpus_label((m.instance for m in members), sample)
        lines.append(((f"{label:<33} ", "fg"), (value.ljust(16), "differs"), (ghz(mean), "fg")))
    right: Line = ((f"{total} of {counted(len(sample.cpus), 'core')}", "differs"),)
    return OddCores(tuple(lines), right)
