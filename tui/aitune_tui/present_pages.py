"""Which settings a page shows, in which order, and what is folded away until it is asked for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from aitune_backends.catalogue import ENTRIES
from aitune_backends.targets import ABSENT
from aitune_helper.knobs import KNOBS, other_half
from aitune_tui.present_settings import (
    CPU_GROUP,
    asks,
    cpus_label,
    instances_label,
    is_memory,
    is_touched,
    passes,
    setting_row,
)
from aitune_tui.selection import Selection, each_key, group_key, select
from aitune_tui.words import joined_numbers
from aitune_widgets.setting_table import SettingRow

if TYPE_CHECKING:
    from aitune_backends.targets import TargetStatus
    from aitune_tui.state import State

FOLD_KEY = "fold"
LACKS = "This kernel lacks"
_SPOKEN_OF = 2  # stars: one vendor, or one issue of many
_NOT_CAPTURED = "Not in this capture"
# Rows for the different values of one setting; on hundreds of cores there may be as many values.
_MOST_GROUPS = 6


def memory_rows(state: State) -> tuple[SettingRow, ...]:
    """The settings of memory on their own page, with headings."""
    return _page(state, tuple(_that_count(state, knobs_of(state, is_memory))), headings=True)


def overview_rows(state: State, room: int) -> tuple[SettingRow, ...]:
    """The settings of memory that matter to many; as far as there is room, what comes next."""
    knobs = tuple(_that_count(state, knobs_of(state, is_memory)))
    shown = {knob for knob in knobs if _is_major(state, knob)}
    rows = _rows(state, (knob for knob in knobs if knob in shown))
    next_ones = [
        knob
        for knob in knobs
        if knob not in shown and not _is_absent(state, knob) and _is_known_to_help(state, knob)
    ]
    for knob in sorted(next_ones, key=lambda knob: (_has_no_advice(state, knob), -_stars(knob))):
        more = _rows(state, (each for each in knobs if each in {*shown, knob}))
        if len(more) > room:
            break
        shown.add(knob)
        rows = more
    return rows


def cpu_rows(state: State, *, overview: bool = False) -> tuple[SettingRow, ...]:
    """The settings of the CPUs, with one row for each group of equal values."""
    knobs = knobs_of(state, lambda group: group == CPU_GROUP)
    if not overview:
        return _page(state, knobs, headings=False)
    return _rows(state, (k for k in knobs if _is_known_to_help(state, k)))


def queue_rows(state: State, disk: str, matrix: Iterable[str]) -> tuple[SettingRow, ...]:
    """The settings of one disk's queue that have no column in the matrix of disks."""
    left_out = frozenset(matrix)
    rows: list[SettingRow] = []
    for knob, statuses in state.by_knob.items():
        if not knob.startswith("block.") or knob in left_out:
            continue
        own = tuple(s for s in statuses if s.instance == disk and s.state != ABSENT)
        if own:
            key = f"{knob}@{disk}"
            rows.append(setting_row(state, key, Selection(knob, own), knob))
    return tuple(rows)


def count_settings(rows: Iterable[SettingRow]) -> int:
    """How many settings some rows show, those that are folded away left out."""
    return sum(not row.heading and not row.indent and row.key != FOLD_KEY for row in rows)


def heading(text: str) -> SettingRow:
    """A line that names the group below it."""
    return SettingRow(key=f"heading:{text}", label=text, heading=True)


def knobs_of(state: State, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """The knobs of some groups that are surveyed and pass the filter, in the survey's order."""
    return tuple(
        knob
        for knob in state.by_knob
        if knob in ENTRIES and wanted(ENTRIES[knob].group) and passes(state, knob)
    )


def _rows(state: State, knobs: Iterable[str]) -> tuple[SettingRow, ...]:
    """The rows of what is there, for a screen to begin with."""
    there = (knob for knob in knobs if not _is_absent(state, knob))
    return tuple(itertools.chain.from_iterable(_rows_of_knob(state, knob) for knob in there))


def _page(state: State, knobs: tuple[str, ...], *, headings: bool) -> tuple[SettingRow, ...]:
    """Everything of a page: by group, then what the kernel lacks, then how much is folded."""
    shown = tuple(knob for knob in knobs if state.unfolded or _is_shown(state, knob))
    there = [knob for knob in shown if not _is_absent(state, knob)]
    lacking = [knob for knob in shown if _is_absent(state, knob)]
    rows: list[SettingRow] = []
    for group, members in itertools.groupby(there, key=lambda knob: ENTRIES[knob].group):
        if headings:
            rows.append(heading(group))
        for knob in members:
            rows.extend(_rows_of_knob(state, knob))
    if lacking:
        captured = state.by_knob[lacking[0]][0].reason.startswith(_NOT_CAPTURED)
        rows.append(heading(_NOT_CAPTURED if captured else LACKS))
    for knob in lacking:
        rows.extend(_rows_of_knob(state, knob))
    return (*rows, *_fold(state, knobs, shown))


def _fold(state: State, knobs: tuple[str, ...], shown: tuple[str, ...]) -> Iterator[SettingRow]:
    """The line that unfolds what is seldom looked for, or folds it again."""
    hidden = len(knobs) - len(shown)
    if hidden:
        label = f"{hidden} more: Enter shows them"
    elif state.unfolded and any(not _is_shown(state, k) for k in knobs):
        label = "Enter folds what is seldom needed"
    else:
        return
    yield SettingRow(key=FOLD_KEY, label=label, dim=True, selectable=True)


def _is_major(state: State, knob: str) -> bool:
    """Whether a screen begins with a setting: it matters to many, or it asks for the operator."""
    return not ENTRIES[knob].minor or _is_looked_for(state, knob) or asks(state, knob)


def _is_known_to_help(state: State, knob: str) -> bool:
    """Whether a setting is shown on its page at once: somebody better than custom speaks of it."""
    return _is_major(state, knob) or ENTRIES[knob].stars >= _SPOKEN_OF


def _is_shown(state: State, knob: str) -> bool:
    """Whether its page shows a setting before it is unfolded."""
    wanted = _is_major if _is_absent(state, knob) else _is_known_to_help
    return wanted(state, knob)


def _has_no_advice(state: State, knob: str) -> bool:
    return all(status.advised is None for status in state.by_knob[knob])


def _stars(knob: str) -> int:
    return ENTRIES[knob].stars


def _is_absent(state: State, knob: str) -> bool:
    return all(status.state == ABSENT for status in state.by_knob[knob])


def _that_count(state: State, knobs: Iterable[str]) -> Iterator[str]:
    """Of two settings that say one thing the one that counts; the filter finds the other."""
    for knob in knobs:
        half = other_half(KNOBS[knob])
        other = _value(state, half.id) if half is not None else None
        is_idle = _value(state, knob) == "0" and other not in {None, "0"}
        if not is_idle or _is_looked_for(state, knob):
            yield knob


def _value(state: State, knob: str) -> str | None:
    return next((status.value for status in state.by_knob.get(knob, ())), None)


def _is_looked_for(state: State, knob: str) -> bool:
    """Whether the operator has named a setting, or is changing it."""
    return bool(state.filter_text) or is_touched(state, knob)


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
    for number, members in enumerate(groups.values()):
        if number == _MOST_GROUPS and len(groups) > _MOST_GROUPS + 1:
            yield SettingRow(
                f"rest:{knob}", f"and {len(groups) - number} values more", indent=2, dim=True
            )
            return
        key = group_key(knob, members[0].instance)
        label = _group_label(state, [m.instance for m in members])
        yield setting_row(state, key, Selection(knob, tuple(members)), label, indent=2)


def _group_label(state: State, names: list[str]) -> str:
    """Where a value is held: `node1 cpu 32–63`, `node0, node1`, `4 × nvme`."""
    if names[0].startswith(("policy", "cpu")):
        return cpus_label(names, state.sample)
    return instances_label(names)


def _nodes_label(statuses: tuple[TargetStatus, ...]) -> str:
    """`node0, node1`, or `node0–7` where there are many."""
    names = [status.instance for status in statuses]
    if len(names) <= 2:
        return ", ".join(names)
    return "node" + joined_numbers(tuple(int(re.sub(r"\D", "", name)) for name in names))


def _worth_a_row(state: State, nodes: Selection) -> bool:
    """Nodes of a pool get a row if it is the one that matters: the default size, or any pages."""
    default = f"hugepages.{state.default_pool_kib}kB"
    staged = any(target in state.staged for target in nodes.targets)
    return nodes.knob == default or staged or any(s.value != "0" for s in nodes.statuses)
