"""Targets as rows of a table: pure functions from what is known to what a widget shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.catalogue import ENTRIES
from aitune_backends.targets import ABSENT, DIFFERS, INERT, INFO, OK, UNREAD
from aitune_backends.value_words import in_words
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import AS_WANTED, PARTIAL
from aitune_tui.selection import Selection, Statuses, Target, group_key
from aitune_tui.words import UNKNOWN, joined_numbers
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
_UNIT_WIDTH = 3  # as much as fits before the next column: `KiB`, not `requests`
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
_DRIFTED = _mark("drifted", "drifted", "failed-bold")
_URGENT = frozenset(GLYPHS[name] for name in ("drifted", "staged", "trial", "partial", "failed"))


def panel_of(knob: str) -> str:
    """The number of the panel a knob belongs to."""
    return PANEL_OF.get(ENTRIES[knob].group, "1") if knob in ENTRIES else "1"


def can_be_idle(knob: str) -> bool:
    """Whether a value just wanted can be without effect: who maps a new pool is still to come."""
    return knob not in KNOBS or not KNOBS[knob].quantity


def mark_of(state: State, selection: Selection) -> Mark:
    """Where a row stands: drifted, on trial and staged come before what is advised."""
    if selection.among(state.drifted):
        return _DRIFTED
    worst = min((s.state for s in selection.statuses), key=_RANK.__getitem__, default=ABSENT)
    items = selection.among(state.tried)
    if items:
        if any(item.status == PARTIAL for item in items):
            return _mark("partial", "partial", "differs-bold")
        if any(item.status not in AS_WANTED for item in items):
            return _mark("failed", items[0].status, "failed-bold")
        inert = worst == INERT and can_be_idle(selection.knob)
        return _mark(
            "trial", "inert" if inert else "on trial", "differs" if inert else "differs-bold"
        )
    if selection.among(state.staged):
        inert = worst == INERT and can_be_idle(selection.knob)
        return _mark("staged", "inert" if inert else "staged", "staged" if inert else "staged-bold")
    return _MARKS[worst]


def wanted_text(state: State, selection: Selection) -> tuple[str, NewKind]:
    """What stands in NEW/ADVISED, and whether it is `staged`, `advised` or nothing."""
    staged = selection.among(state.staged)
    if staged:
        if selection.each:
            pairs = zip(selection.targets, selection.statuses, strict=True)
            return _each([state.staged.get(t, s.value or UNKNOWN) for t, s in pairs]), "staged"
        return _one_of(selection.knob, staged), "staged"
    if selection.each:
        return "", ""
    advised = [
        s.advised
        for s in selection.statuses
        if s.advised is not None and s.advised != s.value and s.state in {DIFFERS, INERT}
    ]
    return (_one_of(selection.knob, advised), "advised") if advised else ("", "")


def _one_of(knob: str, values: Iterable[str]) -> str:
    """A value that is wanted, as people read it, or how many different ones there are."""
    different = tuple(dict.fromkeys(values))
    if len(different) > 1:
        return f"{len(different)} values"
    kernels = KNOBS[knob].unit if knob in KNOBS else ""
    text, unit = in_words(knob, different[0], kernels)
    return text if unit == kernels else f"{text} {unit}".rstrip()


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
    if len(values) > 1:
        return f"{len(values)} values"
    return in_words(selection.knob, values[0], selection.statuses[0].unit)[0]


def unit_text(selection: Selection) -> str:
    """The unit beside NOW, "" where there is no room for it or no one value."""
    values = selection.values
    if len(values) != 1 or selection.each:
        return selection.statuses[0].unit if selection.each and values else ""
    return in_words(selection.knob, values[0], selection.statuses[0].unit)[1]


def setting_row(
    state: State, key: str, selection: Selection, label: str, *, indent: int = 0
) -> SettingRow:
    """One row of a settings table."""
    mark = mark_of(state, selection)
    new, kind = wanted_text(state, selection)
    value, unit = now_text(selection), unit_text(selection)
    # The nodes of a pool add nothing to the state of its total, until they differ from it.
    silent = selection.each and mark.word in {"ok", "info", "inert"}
    return SettingRow(
        key=key,
        label=label,
        value=value,
        unit=unit if value and len(unit) <= _UNIT_WIDTH else "",
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
    """`node1 cpu 32–63` for the policies or cores named, as far as the sample knows their CPUs."""
    names = frozenset(instances)
    if sample is None:
        return f"{len(names)} policies"
    cpus = [cpu for policy in sample.policies if policy.name in names for cpu in policy.cpus]
    cpus += [cpu.number for cpu in sample.cpus if f"cpu{cpu.number}" in names]
    if not cpus:
        return ", ".join(sorted(names))
    members = frozenset(cpus)
    nodes = sorted({c.node for c in sample.cpus if c.number in members and c.node is not None})
    where = f"node{joined_numbers(tuple(nodes))} " if len(nodes) == 1 else ""
    return f"{where}cpu {joined_numbers(tuple(cpus))}"


def passes(state: State, knob: str) -> bool:
    """Whether the filter and `differs only` let a knob through."""
    if state.filter_text and state.filter_text.lower() not in knob.lower():
        return False
    return not state.differs_only or asks(state, knob) or is_touched(state, knob)


def asks(state: State, knob: str) -> bool:
    """Whether a setting asks for the operator: it differs, drifted, or cannot be read."""
    if any(target.knob == knob for target in state.drifted):
        return True
    return knob in Statuses.of(state.statuses).asking


def is_touched(state: State, knob: str) -> bool:
    """Whether a value of a setting is staged or on trial."""
    return any(target.knob == knob for target in (*state.staged, *state.tried))


def instances_label(names: Iterable[str]) -> str:
    """`nvme0n1`, or `4 × nvme` for several of a kind, or `4 disks`; `7 sizes` of pages."""
    known = tuple(names)
    if len(known) == 1:
        return known[0]
    if all(name.endswith("kB") for name in known):
        return f"{len(known)} sizes"
    kinds = {re.match(r"[a-z]*", name).group() for name in known}  # type: ignore[union-attr]  # the pattern matches everything
    kind = kinds.pop() if len(kinds) == 1 else ""
    return f"{len(known)} × {kind}" if kind else f"{len(known)} disks"


def _work_groups(state: State) -> Iterator[tuple[str, Selection]]:
    """What asks for the operator: drifted, staged, tried, differing; one row per setting."""
    touched = state.staged.keys() | state.tried.keys() | state.drifted.keys()
    asking = Statuses.of(state.statuses).asking
    groups: dict[tuple[object, ...], list[TargetStatus]] = {}
    for knob, statuses in state.by_knob.items():
        if knob not in asking and not any(target.knob == knob for target in touched):
            continue
        for status in statuses:
            target = Target(knob, status.instance)
            if status.state in {DIFFERS, UNREAD} or target in touched:
                alike = (
                    knob, status.value, status.state, state.staged.get(target),
                    target in state.drifted, not status.instance,
                )  # fmt: skip
                groups.setdefault(alike, []).append(status)
    for members in groups.values():
        knob, first = members[0].knob, members[0].instance
        if passes(state, knob):
            yield (group_key(knob, first) if first else knob), Selection(knob, tuple(members))


def work_rows(state: State) -> tuple[WorkRow, ...]:
    """The work list: staged and on trial first, then what differs, best evidence first."""
    rows: list[tuple[tuple[int, int], WorkRow]] = []
    for key, selection in _work_groups(state):
        mark = mark_of(state, selection)
        new, kind = wanted_text(state, selection)
        label = selection.knob
        if selection.statuses[0].instance:
            names = tuple(status.instance for status in selection.statuses)
            label = f"{selection.knob}  {where(state, selection.knob, names)}"
        urgent = mark.word != "differs" and mark.glyph in _URGENT
        order = 0 if urgent else 1
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


def where(state: State, knob: str, names: tuple[str, ...]) -> str:
    """The instances of a row of the work list, or of a profile, in a few words."""
    if ENTRIES[knob].group == CPU_GROUP:
        label = cpus_label(names, state.sample)
        node, _, cpus = label.partition(" cpu ")
        return node if cpus and cpus == _all_of(node, state.sample) else label
    return instances_label(names)


def _all_of(node: str, sample: Sample | None) -> str:
    """Every CPU of a node, as `cpus_label` writes them."""
    cpus = () if sample is None else sample.cpus
    return joined_numbers(tuple(cpu.number for cpu in cpus if node == f"node{cpu.node}"))


class Counts(NamedTuple):
    """How many settings of a panel ask for the operator; settings, not files."""

    differ: int
    staged: int
    trial: int
    drifted: int


def counts(state: State, wanted: Callable[[str], bool]) -> Counts:
    """Count the settings of some groups of the catalogue."""

    def mine(knob: str) -> bool:
        return knob in ENTRIES and wanted(ENTRIES[knob].group)

    tried = state.tried
    touched = state.staged.keys() | tried.keys() | state.drifted.keys()
    differ = {
        knob
        for knob, statuses in Statuses.of(state.statuses).asking.items()
        if mine(knob)
        and any(s.state == DIFFERS and Target(knob, s.instance) not in touched for s in statuses)
    }
    return Counts(
        len(differ),
        len({(t.knob, value) for t, value in state.staged.items() if mine(t.knob)}),
        len({(t.knob, item.requested) for t, item in tried.items() if mine(t.knob)}),
        len({target.knob for target in state.drifted if mine(target.knob)}),
    )


def is_memory(group: str) -> bool:
    """Whether a group of the catalogue has its rows on the page of memory."""
    return group not in PANEL_OF


def memory_counts(state: State) -> Counts:
    """The counts of the memory panel."""
    return counts(state, is_memory)


def cpu_counts(state: State) -> Counts:
    """The counts of the CPU panel."""
    return counts(state, lambda group: group == CPU_GROUP)


def block_counts(state: State) -> Counts:
    """The counts of the block panel."""
    return counts(state, lambda group: group == BLOCK_GROUP)


def all_counts(state: State) -> Counts:
    """The counts of everything."""
    return counts(state, lambda _group: True)
