"""What somebody else changed while we looked, and what only seems to be that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aitune_backends.owners import UNKNOWN
from aitune_backends.targets import INFO, TargetStatus
from aitune_helper.messages import APPLYING, KEPT, PENDING, REVERTED_TRIAL, Item, PublicState, Trial
from aitune_tui import drifting, present_changes, present_settings
from aitune_tui.drifting import DriftWatch
from aitune_tui.selection import Target, select
from aitune_tui.state import State

SWAPPINESS = Target("vm.swappiness")


def status(knob: str, value: str | None, instance: str = "") -> TargetStatus:
    return TargetStatus(
        knob, instance, f"/x/{knob}", value, "", (), None, INFO, "", None, None, 0
    )  # fmt: skip


def trial(state: str, *items: Item) -> Trial:
    return Trial("1" * 32, 1, 0, "ops", True, None, 0.0, None, state, items)


def item(knob: str, old: str, new: str, instance: str = "") -> Item:
    return Item(knob, instance, "/x", old, new, new, "ok")


def published(one: Trial) -> PublicState:
    is_open = one.state in {APPLYING, PENDING}
    return PublicState("", one if is_open else None, () if is_open else (one,))


def found(
    before: tuple[TargetStatus, ...],
    after: tuple[TargetStatus, ...],
    *public: PublicState | None,
) -> drifting.Found:
    watch = DriftWatch()
    first, second = public or (None, None)
    watch.compare(before, first, UNKNOWN, 1.0)
    return watch.compare(after, second, UNKNOWN, 2.0)


def test_a_value_that_changes_under_our_eyes_is_drift() -> None:
    drifts = found((status("vm.swappiness", "60"),), (status("vm.swappiness", "10"),)).drifts
    seen = [(Target(*d.target), d.old, d.new, d.at) for d in drifts]
    assert seen == [(SWAPPINESS, "60", "10", 2.0)]
    assert "went from 60 to 10" in drifts[0].sentence
    assert "Not by us" in drifts[0].sentence


@pytest.mark.parametrize(
    ("before", "after"), [("60", "60"), (None, "60"), ("60", None)], ids=["same", "came", "went"]
)
def test_what_comes_goes_or_stays_is_none(before: str | None, after: str | None) -> None:
    assert not found((status("vm.swappiness", before),), (status("vm.swappiness", after),)).drifts


@pytest.mark.parametrize("state", [APPLYING, PENDING, KEPT, REVERTED_TRIAL])
def test_what_a_trial_did_between_two_looks_is_none(state: str) -> None:
    swap = published(trial(state, item("vm.swappiness", "60", "10")))
    both = (status("vm.swappiness", "60"),), (status("vm.swappiness", "10"),)
    assert not found(*both, None, swap).drifts


def test_a_trial_that_ended_before_covers_nothing() -> None:
    swap = published(trial(KEPT, item("vm.swappiness", "60", "10")))
    assert found((status("vm.swappiness", "60"),), (status("vm.swappiness", "10"),), swap, swap)[0]


def test_what_the_kernel_moved_along_with_a_trial_is_none() -> None:
    before = status("cpu.epp", "balance", "policy1"), status("cpu.epp", "balance", "policy2")
    after = status("cpu.epp", "performance", "policy1"), status("cpu.epp", "performance", "policy2")
    governor = published(trial(KEPT, item("cpu.governor", "a", "performance", "policy1")))
    drifts = found(before, after, None, governor).drifts
    assert [drift.target.instance for drift in drifts] == ["policy2"], "policy1 was moved by us"


def test_a_pool_by_whichever_name_moves_all_of_it() -> None:
    before = status("hugepages.2048kB", "0"), status("hugepages.2048kB", "0", "node0")
    after = status("hugepages.2048kB", "64"), status("hugepages.2048kB", "32", "node0")
    total = published(trial(PENDING, item("vm.nr_hugepages", "0", "64")))
    assert not found(before, after, None, total).drifts


def test_an_open_trial_covers_its_own_values_alone() -> None:
    swap = published(trial(PENDING, item("vm.swappiness", "60", "10")))
    now = (status("vm.swappiness", "10"),)
    assert not found(now, (status("vm.swappiness", "60"),), swap, swap).drifts, "it went back"
    assert found(now, (status("vm.swappiness", "33"),), swap, swap).drifts, "somebody else"


def drifted() -> State:
    before, after = (status("vm.swappiness", "60"),), (status("vm.swappiness", "10"),)
    state = State(goal="inference", statuses=before)
    seen = drifting.see(state, found(before, after), after)
    return replace(seen, statuses=after)


def test_a_drift_is_marked_counted_and_listed_until_it_is_acknowledged() -> None:
    state = drifted()
    selection = select("vm.swappiness", state.statuses)
    mark = present_settings.mark_of(state, selection)
    assert (mark.glyph, mark.word, mark.tone) == ("≠", "drifted", "failed-bold")
    assert present_settings.memory_counts(state).drifted == 1
    rows = present_changes.change_rows(state)
    assert rows[0].text == "vm.swappiness  60 → 10"
    assert "Not by us" in present_changes.detail(state, rows[0].key).fields[0].text
    assert [row.key for row in present_settings.work_rows(state)] == ["vm.swappiness"]
    seen = drifting.acknowledge(state, selection.targets)
    assert not seen.drifted
    assert drifting.acknowledge(seen, selection.targets) is seen


def test_the_mark_goes_when_the_value_is_back_or_a_trial_sets_it() -> None:
    nothing = drifting.Found((), frozenset())
    state = drifted()
    assert drifting.see(state, nothing, state.statuses).drifted
    assert not drifting.see(state, nothing, (status("vm.swappiness", "60"),)).drifted
    ours = drifting.Found((), frozenset({SWAPPINESS}))
    assert not drifting.see(state, ours, state.statuses).drifted
    further = found(state.statuses, (status("vm.swappiness", "5"),))
    again = drifting.see(state, further, (status("vm.swappiness", "5"),))
    assert again.drifted[SWAPPINESS].old == "60", "what it was when we last knew of it"


def test_a_governor_that_changes_on_all_policies_is_said_once() -> None:
    before = tuple(status("cpu.governor", "a", f"policy{n}") for n in range(64))
    after = tuple(status("cpu.governor", "b", f"policy{n}") for n in range(64))
    together = drifting.together(found(before, after).drifts)
    assert [count for _, count in together] == [64]
