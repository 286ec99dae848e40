"""Targets as rows of a table: pure functions from what is known to what a widget shows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.catalogue import ENTRIES
from aitune_backends.targets import ABSENT, DIFFERS, INERT, INFO, OK, UNREAD
from aitune_helper.knobs import KNOBS, other_half
from aitune_helper.messages import AS_WANTED, PARTIAL
from aitune_tui.selection import Selection, Target, each_key, group_key, select
from aitune_tui.words import UNKNOWN, ghz, joined_numbers
from aitune_widgets.glyphs import GLYPHS
from aitune_widgets.setting_table import SettingRow
from aitune_widgets.work_list import WorkRow

if TYPE_CHECKING:
    from aitune_backends.readings import Sample
    from aitune_backends.targets import TargetStatus
    from aitune_tui.state import State
    from aitune_widgets.setting_table import NewKind
    from aitune_widgets.theme import Tone

CPU_GROUP = "CPU"
BLOCK_GROUP = "Block"
_MOST_VALUES = 4
PANEL_OF = {CPU_GROUP: "2", BLOCK_GROUP: "3"}

_RANK = {UNREAD: 0, DIFFERS: 1, OK: 2, INFO: 3, INERT: 4, ABSENT: 5}


class Mark(NamedTuple):
    """Glyph, word and colour of a state: always all three."""

    glyph: str
    word: str
    tone: Tone


def _mark(glyph: str, word: str, tone: Tone) -> Mark:
    return Mark(GLYPHS[glyph], word, tone)


_MARKS: dict[str, Mark] = {
    OK: _mark("ok", "ok", "ok"),
    DIFFERS: _mark("differs", "differs", "differs"),
    INERT: _mark("inert", "inert", "dim"),
    ABSENT: _mark("absent", "absent", "dim"),
    INFO: _mark("info", "info", "dim"),
    UNREAD: _mark("failed", "unread", "failed"),
}
_URGENT = frozenset(GLYPHS[name] for name in ("staged", "trial", "partial", "failed"))


def panel_of(knob: str) -> str:
    """The number of the panel a knob belongs to."""
    return PANEL_OF.get(ENTRIES[knob].group, "1") if knob in ENTRIES else "1"


def mark_of(state: State, selection: Selection) -> Mark:
    """Where a row stands: staged and on trial come before what is advised."""
    targets = selection.targets
    worst = min((s.state for s in selection.statuses), key=_RANK.__getitem__, default=ABSENT)
    tried = state.tried
    items = [tried[target] for target in targets if target in tried]
    if items:
        if any(item.status == PARTIAL for item in items):
            return _mark("partial", "partial", "differs-bold")
        if any(item.status not in AS_WANTED for item in items):
            return _mark("failed", items[0].status, "failed-bold")
        inert = worst == INERT
        return _mark(
            "trial", "inert" if inert else "on trial", "differs" if inert else "differs-bold"
        )
    if any(target in state.staged for target in targets):
        inert = worst == INERT
        return _mark("staged", "inert" if inert else "staged", "staged" if inert else "staged-bold")
    return _MARKS[worst]


def wanted_text(state: State, selection: Selection) -> tuple[str, NewKind]:
    """What stands in NEW/ADVISED, and whether it is `staged`, `advised` or nothing."""
    staged = [state.staged[t] for t in selection.targets if t in state.staged]
    if staged:
        if selection.each:
            pairs = zip(selection.targets, selection.statuses, strict=True)
            return _each([state.staged.get(t, s.value or UNKNOWN) for t, s in pairs]), "staged"
        values = tuple(dict.fromkeys(staged))
        return values[0] if len(values) == 1 else f"{len(values)} values", "staged"
    if selection.each:
        return "", ""
    advised = tuple(
        dict.fromkeys(
            s.advised
            for s in selection.statuses
            if s.advised is not None and s.advised != s.value and s.state in {DIFFERS, INERT}
        )
    )
    if not advised:
        return "", ""
    return advised[0] if len(advised) == 1 else f"{len(advised)} values", "advised"


def _each(values: list[str]) -> str:
    """A value for each node; where there are many, how many hold it."""
    if len(values) <= _MOST_VALUES:
        return ", ".join(values)
    different = dict.fromkeys(values)
    return f"{len(values)} × {values[0]}" if len(different) == 1 else f"{len(different)} values"


def now_text(selection: Selection) -> str:
    """What stands in NOW: the value read, `2 values` where they differ, `–` where there is none."""
    if selection.each:
        return _each([s.value or UNKNOWN for s in selection.statuses])
    values = selection.values
    if not values:
        return "" if all(s.state == ABSENT for s in selection.statuses) else UNKNOWN
    return values[0] if len(values) == 1 else f"{len(values)} values"


def setting_row(
    state: State, key: str, selection: Selection, label: str, *, indent: int = 0
) -> SettingRow:
    """One row of a settings table."""
    mark = mark_of(state, selection)
    new, kind = wanted_text(state, selection)
    unit = selection.statuses[0].unit if selection.statuses else ""
    value = now_text(selection)
    # The nodes of a pool add nothing to the state of its total, until they differ from it.
    silent = selection.each and mark.word in {"ok", "info", "inert"}
    return SettingRow(
        key=key,
        label=label,
        value=value,
        unit=unit if value and unit in {"%", "KiB"} else "",
        new=new,
        new_kind=kind,
        glyph="" if silent else mark.glyph,
        word="" if silent else mark.word,
        tone="dim" if silent else mark.tone,
        indent=indent,
        dim=indent > 0 or mark.word == "absent",
        selectable=True,
    )


def cpus_label(instances: Iterable[str], sample: Sample | None) -> str:
    """`node1 cpu 32–63` for the policies named, as far as the sample knows their CPUs."""
    names = frozenset(instances)
    if sample is None:
        return f"{len(names)} policies"
    cpus = [cpu for policy in sample.policies if policy.name in names for cpu in policy.cpus]
    if not cpus:
        return ", ".join(sorted(names))
    members = frozenset(cpus)
    nodes = sorted({c.node for c in sample.cpus if c.number in members and c.node is not None})
    where = f"node{joined_numbers(tuple(nodes))} " if len(nodes) == 1 else ""
    return f"{where}cpu {joined_numbers(tuple(cpus))}"


def _nodes_label(statuses: tuple[TargetStatus, ...]) -> str:
    """`node0, node1`, or `node0–7` where there are many."""
    names = [status.instance for status in statuses]
    if len(names) <= 2:
        return ", ".join(names)
    return "node" + joined_numbers(tuple(int(re.sub(r"\D", "", name)) for name in names))


def _rows_of_knob(state: State, knob: str) -> Iterator[SettingRow]:
    """The row of a knob and, indented, those of its nodes or of its groups of equal values."""
    whole = select(knob, state.statuses)
    yield setting_row(state, knob, whole, knob)
    if knob in KNOBS and KNOBS[knob].quantity:
        nodes = select(each_key(knob), state.statuses)
        if len(nodes.statuses) > 1 and _worth_a_row(state, nodes):
            label = _nodes_label(nodes.statuses)
            yield setting_row(state, each_key(knob), nodes, f"on {label}", indent=2)
        return
    if len(whole.values) < 2:
        return
    groups: dict[tuple[str | None, str], list[TargetStatus]] = {}
    for status in whole.statuses:
        groups.setdefault((status.value, status.state), []).append(status)
    for members in groups.values():
        key = group_key(knob, members[0].instance)
        label = cpus_label((m.instance for m in members), state.sample)
        row = setting_row(state, key, Selection(knob, tuple(members)), label, indent=2)
        yield row


def _worth_a_row(state: State, nodes: Selection) -> bool:
    """Nodes of a pool get a row if it is the one that matters: the default size, or any pages."""
    default = f"hugepages.{state.default_pool_kib}kB"
    staged = any(target in state.staged for target in nodes.targets)
    return nodes.knob == default or staged or any(s.value != "0" for s in nodes.statuses)


def _passes(state: State, knob: str) -> bool:
    """Whether the filter and `differs only` let a knob through."""
    if state.filter_text and state.filter_text.lower() not in knob.lower():
        return False
    if not state.differs_only:
        return True
    own = [status for status in state.statuses if status.knob == knob]
    touched = state.staged.keys() | state.tried.keys()
    return any(s.state in {DIFFERS, UNREAD} or Target(knob, s.instance) in touched for s in own)


def knobs_of(state: State, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """The knobs of some groups that are surveyed and pass the filter, in the survey's order."""
    knobs = dict.fromkeys(status.knob for status in state.statuses)
    return tuple(
        knob
        for knob in knobs
        if knob in ENTRIES and wanted(ENTRIES[knob].group) and _passes(state, knob)
    )


def _is_memory(group: str) -> bool:
    return group not in PANEL_OF


def _on_overview(state: State, knobs: Iterable[str]) -> Iterator[str]:
    """Leave out the settings of a page that ask for nothing and are seldom looked for."""
    for knob in knobs:
        if not ENTRIES[knob].minor or _is_looked_for(state, knob):
            yield knob


def _that_count(state: State, knobs: Iterable[str]) -> Iterator[str]:
    """Of two settings that say one thing the one that counts; the filter finds the other."""
    values = {s.knob: s.value for s in state.statuses}
    for knob in knobs:
        half = other_half(KNOBS[knob])
        other = values.get(half.id) if half is not None else None
        is_idle = values[knob] == "0" and other not in {None, "0"}
        if not is_idle or _is_looked_for(state, knob):
            yield knob


def _is_looked_for(state: State, knob: str) -> bool:
    """Whether the operator has named a setting, or is changing it."""
    touched = (*state.staged, *state.tried)
    return bool(state.filter_text) or any(target.knob == knob for target in touched)


def memory_rows(state: State, *, headings: bool) -> tuple[SettingRow, ...]:
    """The settings of memory; with headings on its own page, without on the overview."""
    knobs = tuple(_that_count(state, knobs_of(state, _is_memory)))
    if not headings:
        shown = _on_overview(state, knobs)
        return tuple(itertools.chain.from_iterable(_rows_of_knob(state, knob) for knob in shown))
    rows: list[SettingRow] = []
    for group, members in itertools.groupby(knobs, key=lambda knob: ENTRIES[knob].group):
        rows.append(heading(group))
        for knob in members:
            rows.extend(_rows_of_knob(state, knob))
    return tuple(rows)


def cpu_rows(state: State, *, overview: bool = False) -> tuple[SettingRow, ...]:
    """The settings of the CPUs, with one row for each group of equal values."""
    knobs = knobs_of(state, lambda group: group == CPU_GROUP)
    if overview:
        knobs = tuple(_on_overview(state, knobs))
    return tuple(itertools.chain.from_iterable(_rows_of_knob(state, knob) for knob in knobs))


def limit_rows(state: State) -> tuple[SettingRow, ...]:
    """The limits of the frequencies, which can be seen but not set yet."""
    policies = state.sample.policies if state.sample and state.statuses else ()
    rows: list[SettingRow] = []
    for name, limits in (
        ("cpu.min_freq", {policy.min_khz for policy in policies}),
        ("cpu.max_freq", {policy.max_khz for policy in policies}),
    ):
        known = sorted(khz for khz in limits if khz is not None)
        if known and _passes(state, name):
            text = ghz(known[0], 1) if len(known) == 1 else f"{len(known)} values"
            unit = "GHz" if len(known) == 1 else ""
            rows.append(
                SettingRow(name, name, text, unit, glyph=GLYPHS["info"], word="info", dim=True)
            )
    return tuple(rows)


def heading(text: str) -> SettingRow:
    """A line that names the group below it."""
    return SettingRow(key=f"heading:{text}", label=text, heading=True)


def instances_label(names: Iterable[str]) -> str:
    """`nvme0n1`, or `4 × nvme` for several of a kind, or `4 disks`."""
    known = tuple(names)
    if len(known) == 1:
        return known[0]
    kinds = {re.match(r"[a-z]*", name).group() for name in known}  # type: ignore[union-attr]  # the pattern matches everything
    kind = kinds.pop() if len(kinds) == 1 else ""
    return f"{len(known)} × {kind}" if kind else f"{len(known)} disks"


def _work_groups(state: State) -> Iterator[tuple[str, Selection]]:
    """What asks for the operator: the staged, the tried, the differing, one row per setting."""
    touched = state.staged.keys() | state.tried.keys()
    groups: dict[tuple[str, str | None, str, str | None, bool], list[TargetStatus]] = {}
    for status in state.statuses:
        target = Target(status.knob, status.instance)
        if status.state in {DIFFERS, UNREAD} or target in touched:
            staged = state.staged.get(target)
            alike = (status.knob, status.value, status.state, staged, not status.instance)
            groups.setdefault(alike, []).append(status)
    for (knob, *_), members in groups.items():
        if _passes(state, knob):
            first = members[0].instance
            yield (group_key(knob, first) if first else knob), Selection(knob, tuple(members))


def work_rows(state: State) -> tuple[WorkRow, ...]:
    """The work list: staged and on trial first, then what differs, best evidence first."""
    rows: list[tuple[tuple[int, int], WorkRow]] = []
    for key, selection in _work_groups(state):
        mark = mark_of(state, selection)
        new, kind = wanted_text(state, selection)
        label = selection.knob
        if selection.statuses[0].instance:
            label = f"{selection.knob}  {_where(state, selection)}"
        asks = mark.word not in {"differs"} and mark.glyph in _URGENT
        order = 0 if asks else 1
        stars = max(status.evidence for status in selection.statuses)
        row = WorkRow(
            key=key,
            panel=panel_of(selection.knob),
            label=label,
            value=now_text(selection),
            new=new,
            new_kind=kind,
            glyph=mark.glyph,
            word=mark.word,
            tone=mark.tone,
        )
        rows.append(((order, -stars if order else 0), row))
    rows.sort(key=lambda pair: pair[0])
    return tuple(row for _, row in rows)


def _where(state: State, selection: Selection) -> str:
    """The instances of a row of the work list in a few words."""
    names = tuple(status.instance for status in selection.statuses)
    if ENTRIES[selection.knob].group == CPU_GROUP:
        label = cpus_label(names, state.sample)
        return label.partition(" ")[0] if label.startswith("node") else label
    return instances_label(names)


class Counts(NamedTuple):
    """How many settings of a panel ask for the operator; settings, not files."""

    differ: int
    staged: int
    trial: int


def counts(state: State, wanted: Callable[[str], bool]) -> Counts:
    """Count the settings of some groups of the catalogue."""

    def mine(knob: str) -> bool:
        return knob in ENTRIES and wanted(ENTRIES[knob].group)

    tried = state.tried
    touched = state.staged.keys() | tried.keys()
    differ = {
        s.knob
        for s in state.statuses
        if s.state == DIFFERS and mine(s.knob) and Target(s.knob, s.instance) not in touched
    }
    return Counts(
        len(differ),
        len({(t.knob, value) for t, value in state.staged.items() if mine(t.knob)}),
        len({(t.knob, item.requested) for t, item in tried.items() if mine(t.knob)}),
    )


def memory_counts(state: State) -> Counts:
    """The counts of the memory panel."""
    return counts(state, _is_memory)


def cpu_counts(state: State) -> Counts:
    """The counts of the CPU panel."""
    return counts(state, lambda group: group == CPU_GROUP)


def block_counts(state: State) -> Counts:
    """The counts of the block panel."""
    return counts(state, lambda group: group == BLOCK_GROUP)


def all_counts(state: State) -> Counts:
    """The counts of everything."""
    return counts(state, lambda _group: True)
