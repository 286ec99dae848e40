"""Disks and cores as rows of their tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.advice import is_made_up
from aitune_backends.targets import ABSENT, DIFFERS, INFO
from aitune_tui.present_settings import mark_of, wanted_text
from aitune_tui.selection import Selection, Target
from aitune_tui.words import disk_rate, ghz, joined_numbers, percent
from aitune_widgets.core_grid import NodeCores
from aitune_widgets.disk_table import Cell, DiskRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitune_backends.readings import Cpu, Disk, Policy, Sample
    from aitune_backends.targets import TargetStatus
    from aitune_tui.history import History
    from aitune_tui.state import State
    from aitune_widgets.setting_table import NewKind
    from aitune_widgets.theme import Tone

COLUMN_KNOBS = {
    "scheduler": "block.scheduler",
    "read-ahead": "block.read_ahead_kb",
    "requests": "block.nr_requests",
}
_GOVERNOR = "cpu.governor"


def disk_key(column: str, disk: str) -> str:
    """The key of one cell of the disk table."""
    return f"{COLUMN_KNOBS[column]}@{disk}"


class _Shown(NamedTuple):
    """One setting of one disk: its cell, and what is staged or advised for it."""

    cell: Cell
    new: str
    kind: NewKind


def _cell(state: State, status: TargetStatus | None) -> _Shown:
    if status is None or status.state == ABSENT:
        return _Shown(Cell("–", "absent", "dim"), "", "")
    selection = Selection(status.knob, (status,))
    mark = mark_of(state, selection)
    glyph = "" if status.state in {INFO} and mark.word == "info" else mark.glyph
    text = status.value if status.value is not None else "–"
    return _Shown(Cell(glyph, text, mark.tone), *wanted_text(state, selection))


def disk_rows(state: State, history: History) -> tuple[DiskRow, ...]:
    """Every disk that passes the filter, in the order of the sample."""
    sample = state.sample
    if sample is None:
        return ()
    by_target = {
        Target(status.knob, status.instance): status
        for knob in COLUMN_KNOBS.values()
        for status in state.by_knob.get(knob, ())
    }
    top = max((max(history.disk(d.name), default=0.0) for d in sample.disks), default=0.0)
    rows = [
        _disk_row(state, disk, by_target, history, top)
        for disk in sorted(sample.disks, key=_order)
        if _passes(state, disk, by_target)
    ]
    return tuple(rows)


def _order(disk: Disk) -> int:
    """Disks first, then what is made of them, then loops and memory; else as they came."""
    return 2 if is_made_up(disk.name) else 1 if disk.slaves else 0


def _passes(state: State, disk: Disk, by_target: Mapping[Target, TargetStatus]) -> bool:
    wanted = state.filter_text.lower()
    if wanted and wanted not in disk.name.lower() and wanted not in " ".join(COLUMN_KNOBS.values()):
        return False
    if not state.differs_only:
        return True
    targets = [Target(knob, disk.name) for knob in COLUMN_KNOBS.values()]
    touched = state.staged.keys() | state.tried.keys()
    return any(
        target in touched or (target in by_target and by_target[target].state == DIFFERS)
        for target in targets
    )


def _disk_row(
    state: State,
    disk: Disk,
    by_target: Mapping[Target, TargetStatus],
    history: History,
    top: float,
) -> DiskRow:
    scheduler, ahead, requests = (
        _cell(state, by_target.get(Target(knob, disk.name))) for knob in COLUMN_KNOBS.values()
    )
    cell = scheduler.cell
    if scheduler.kind == "staged":
        cell = Cell(cell.glyph, f"{cell.text}→{scheduler.new}", cell.tone)
    queue = requests.cell.text if requests.cell.text != "absent" else "–"
    if requests.kind == "staged":
        queue = f"{queue}→{requests.new}"
    recent = history.disk(disk.name)
    busy = bool(disk.read_rate and disk.read_rate >= 5e6)
    staged = ahead.kind == "staged"
    advised: Tone = "staged-bold" if staged else "differs"
    asks = staged or ahead.cell.tone not in {"ok", "dim", "fg"}
    return DiskRow(
        key=disk.name,
        name=disk.name,
        scheduler=cell,
        read_ahead=ahead.cell,
        advised_read_ahead=ahead.new if asks else "",
        advised_tone=advised,
        requests=queue,
        history=tuple(value / top for value in recent) if busy and top > 0 else (),
        rate=disk_rate(disk.read_rate),
        busy=busy,
    )


def _share(policy: Policy, khz: int | None) -> float | None:
    """A frequency as a share of what the hardware can do."""
    low = policy.hardware_min_khz or 0
    high = policy.hardware_max_khz or policy.max_khz
    if khz is None or not high:
        return None
    # A core at its lowest speed still shows one step: it is there.
    return min(1.0, max(0.08, (khz - low * 0.6) / (high - low * 0.6)))


def node_cores(state: State) -> tuple[NodeCores, ...]:
    """One line of cells a node: frequency where the kernel tells it, else how busy."""
    sample = state.sample
    if sample is None:
        return ()
    policy_of = {cpu: policy for policy in sample.policies for cpu in policy.cpus}
    differing = frozenset(
        s.instance for s in state.by_knob.get(_GOVERNOR, ()) if s.state == DIFFERS
    )
    nodes: dict[int, list[Cpu]] = {}
    for cpu in sample.cpus:
        if cpu.online:
            nodes.setdefault(cpu.node or 0, []).append(cpu)
    return tuple(
        _node(number, cpus, policy_of, differing) for number, cpus in sorted(nodes.items())
    )


def _node(
    number: int, cpus: list[Cpu], policy_of: Mapping[int, Policy], differing: frozenset[str]
) -> NodeCores:
    policies = [policy_of.get(cpu.number) for cpu in cpus]
    known = [p.current_khz for p in policies if p is not None and p.current_khz is not None]
    # Steps of 50 MHz and of a twentieth, so that lines that look the same are the same.
    mean = round(sum(known) / len(known) / 10_000) * 10_000 if known else None
    busy = [cpu.busy for cpu in cpus if cpu.busy is not None]
    heights = tuple(
        _quantised(_share(policy, policy.current_khz) if policy is not None else cpu.busy)
        for cpu, policy in zip(cpus, policies, strict=True)
    )
    differs = tuple(policy is not None and policy.name in differing for policy in policies)
    governors = Counter(p.governor for p in policies if p is not None and p.governor)
    text = next(iter(governors), "") if len(governors) < 2 else f"{len(governors)} values"
    note = ""
    if len(governors) > 1:
        odd = Counter(
            p.governor for p, d in zip(policies, differs, strict=True) if p is not None and d
        )
        note = ", ".join(f"{name} ×{count}" for name, count in odd.items())
    return NodeCores(
        name=f"node{number}",
        cpus_label=joined_numbers(tuple(cpu.number for cpu in cpus)),
        heights=heights,
        differs=differs,
        mean_ghz=ghz(mean),
        busy=f"{percent(sum(busy) / len(busy))} %" if busy else "",
        governor=text,
        governor_tone="differs" if any(differs) else "fg",
        governor_note=note,
        cpus=tuple(cpu.number for cpu in cpus),
    )


def _quantised(share: float | None) -> float | None:
    return None if share is None else round(share * 20) / 20


def grid_legend(sample: Sample | None) -> str:
    """What a cell of the grid means."""
    if sample is None or not sample.policies:
        return "one cell is one core, height is how busy it is"
    lows = [p.hardware_min_khz for p in sample.policies if p.hardware_min_khz]
    highs = [p.hardware_max_khz for p in sample.policies if p.hardware_max_khz]
    if not lows or not highs:
        return "one cell is one core, height is frequency"
    return (
        f"one cell is one core, height is frequency  ▁ {ghz(min(lows), 1)}  "
        f"█ {ghz(max(highs), 1)} GHz"
    )


def cpu_word(state: State) -> str:
    """Driver and number of policies, for the rule of the CPU panel."""
    policies = state.sample.policies if state.sample else ()
    if not policies:
        return "no frequency control"
    drivers = dict.fromkeys(policy.driver for policy in policies if policy.driver)
    count = "1 policy" if len(policies) == 1 else f"{len(policies)} policies"
    return ", ".join((*drivers, count))


def policy_of_cpu(sample: Sample | None, cpu: int) -> Policy | None:
    """The policy a core belongs to."""
    if sample is None:
        return None
    return next((policy for policy in sample.policies if cpu in policy.cpus), None)
