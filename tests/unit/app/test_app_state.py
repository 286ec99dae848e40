"""What is staged, tried, said and stale: the rules behind the screens, without any screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.readings import Pressure, Sample
from aitune_backends.targets import DIFFERS, INERT, OK, TargetStatus
from aitune_helper.messages import KEPT, PENDING, REVERTED_TRIAL, Item, Trial
from aitune_tui import state as rules
from aitune_tui.selection import Target, each_key, group_key, select
from aitune_tui.state import State

SWAPPINESS = Target("vm.swappiness")
TOTAL = Target("hugepages.2048kB")
NODE0 = Target("hugepages.2048kB", "node0")
NODE1 = Target("hugepages.2048kB", "node1")


def status(
    knob: str, instance: str, value: str | None, advised: str | None = None, state: str = OK
) -> TargetStatus:
    return TargetStatus(
        knob, instance, f"/x/{knob}/{instance}", value, "", (), advised, state, "", None, None, 0
    )


STATUSES = (
    status("vm.swappiness", "", "60", "10", DIFFERS),
    status("hugepages.2048kB", "", "0"),
    status("hugepages.2048kB", "node0", "0"),
    status("hugepages.2048kB", "node1", "0"),
    status("cpu.governor", "policy0", "performance", "performance"),
    status("cpu.governor", "policy1", "powersave", "performance", DIFFERS),
    status("cpu.governor", "policy2", "powersave", "performance", DIFFERS),
)
START = State(goal="inference", statuses=STATUSES, default_pool_kib=2048)


def trial(number: int, state: str, *, complete: bool = True, undo_of: str | None = None) -> Trial:
    item = Item("vm.swappiness", "", "/x", "60", "10", "10", "ok")
    return Trial(
        f"{number:032x}", number, 0, "root", True, None, 0.0, None, state, (item,),
        complete=complete, undo_of=undo_of,
    )  # fmt: skip


def sample(at: float) -> Sample:
    return Sample(at, at, None, Pressure(), (), (), (), ())


def test_staging_keeps_order_and_replaces_in_place() -> None:
    state = rules.stage(START, [(SWAPPINESS, "10"), (TOTAL, "64")])
    state = rules.stage(state, [(SWAPPINESS, "20")])
    assert list(state.staged.items()) == [(SWAPPINESS, "20"), (TOTAL, "64")]
    assert [change.value for change in state.changes] == ["20", "64"]


def test_the_present_value_is_not_staged_and_takes_a_staged_one_back() -> None:
    state = rules.stage(START, [(SWAPPINESS, "60")])
    assert state is START
    state = rules.stage(rules.stage(START, [(SWAPPINESS, "10")]), [(SWAPPINESS, "60")])
    assert not state.staged


def test_a_pool_is_staged_by_its_total_or_by_its_nodes() -> None:
    by_node = rules.stage(START, [(NODE0, "32"), (NODE1, "16")])
    assert list(by_node.staged) == [NODE0, NODE1]
    by_total = rules.stage(by_node, [(TOTAL, "64")])
    assert list(by_total.staged) == [TOTAL]
    assert list(rules.stage(by_total, [(NODE1, "8")]).staged) == [NODE1]


def test_the_sysctl_name_of_the_default_pool_is_that_pool() -> None:
    state = rules.stage(START, [(Target("vm.nr_hugepages"), "64")])
    assert state.staged == {TOTAL: "64"}


def test_a_title_belongs_to_exactly_what_was_staged_under_it() -> None:
    wanted = [(SWAPPINESS, "10"), (TOTAL, "64")]
    state = rules.stage(START, wanted, title="profile x")
    assert state.staged_title == "profile x"
    assert rules.stage(state, wanted, title="profile x").staged_title == "profile x"
    assert rules.unstage(state, [TOTAL]).staged_title == ""
    assert rules.stage(state, [(NODE0, "1")]).staged_title == ""
    assert rules.stage(rules.stage(START, [(NODE0, "1")]), wanted, title="x").staged_title == ""


def test_space_stages_what_is_advised_for_those_that_differ() -> None:
    governor = select("cpu.governor", STATUSES)
    state = rules.toggle_advised(START, governor)
    assert state.staged == {
        Target("cpu.governor", "policy1"): "performance",
        Target("cpu.governor", "policy2"): "performance",
    }
    assert not rules.toggle_advised(state, governor).staged
    assert rules.toggle_advised(START, select("hugepages.2048kB", STATUSES)) is START


@given(
    st.lists(
        st.tuples(
            st.sampled_from([SWAPPINESS, TOTAL, NODE0, NODE1]),
            st.sampled_from(["0", "10", "60", "64"]),
        )
    )
)
def test_whatever_is_staged_can_be_planned(values: list[tuple[Target, str]]) -> None:
    state = START
    for value in values:
        state = rules.stage(state, [value])
    now = {Target(s.knob, s.instance): s.value for s in STATUSES}
    assert all(now[target] != value for target, value in state.staged.items())
    assert not (TOTAL in state.staged and {NODE0, NODE1} & state.staged.keys())


def test_a_trial_that_ended_is_told_once() -> None:
    state, ended = rules.see_trial(START, trial(7, PENDING), (), 5.0)
    assert ended is None
    assert state.pending_since == 5.0
    state, ended = rules.see_trial(state, trial(7, PENDING), (), 9.0)
    assert state.pending_since == 5.0, "the half second counts from when it first appeared"
    state, ended = rules.see_trial(state, None, (trial(7, REVERTED_TRIAL),), 10.0)
    assert ended is not None
    assert ended.number == 7
    state, ended = rules.see_trial(state, None, (trial(7, REVERTED_TRIAL),), 11.0)
    assert ended is None


def test_keys_are_deaf_for_half_a_second() -> None:
    state, _ = rules.see_trial(START, trial(7, PENDING), (), 5.0)
    assert not rules.may_answer_trial(state, 5.49)
    assert rules.may_answer_trial(state, 5.5)
    assert not rules.may_answer_trial(START, 99.0)


def test_the_undoable_is_the_newest_kept_that_is_not_undone() -> None:
    one, two = trial(1, KEPT), trial(2, KEPT)
    assert replace(START, trials=(two, one)).undoable is two
    undo = trial(3, KEPT, undo_of=two.id)
    assert replace(START, trials=(undo, two, one)).undoable is one
    assert replace(START, trials=(trial(4, REVERTED_TRIAL),)).undoable is None


def test_notices_leave_after_six_seconds_and_failures_stay() -> None:
    state = rules.notify(START, "info", "said", 10.0, 0.0)
    assert rules.shown_notice(state, 15.9) is not None
    assert rules.shown_notice(state, 16.0) is None
    state = rules.notify(START, "failed", "fell short", 10.0, 0.0)
    assert rules.shown_notice(state, 999.0) is not None
    state = rules.notify(state, "info", "said", 20.0, 0.0)
    newest = rules.shown_notice(state, 21.0)
    assert newest is not None
    assert newest.text == "said"
    assert rules.shown_notice(rules.dismiss(state, 30.0), 31.0) is None


@pytest.mark.parametrize(
    ("age", "expected"), [(3.0, ""), (3.1, "stale"), (15.0, "stale"), (15.1, "dead")]
)
def test_data_grows_stale(age: float, expected: str) -> None:
    state = replace(START, sample=sample(100.0))
    assert rules.staleness(state, 100.0 + age, 1.0) == expected
    assert rules.staleness(replace(state, frozen=1.0), 100.0 + age, 1.0) == ""


def test_keys_of_rows_name_their_targets() -> None:
    assert select("vm.swappiness", STATUSES).targets == (SWAPPINESS,)
    assert select("hugepages.2048kB", STATUSES).targets == (TOTAL,)
    assert select(each_key("hugepages.2048kB"), STATUSES).targets == (NODE0, NODE1)
    assert len(select("cpu.governor", STATUSES).targets) == 3
    group = select(group_key("cpu.governor", "policy1"), STATUSES)
    assert [target.instance for target in group.targets] == ["policy1", "policy2"]
    one = select("cpu.governor@policy2", STATUSES)
    assert one.targets == (Target("cpu.governor", "policy2"),)
    assert select("cpu.governor@policy9", STATUSES).targets == ()
    assert select("cpu.governor", STATUSES).values == ("performance", "powersave")
    assert select("cpu.governor", STATUSES).advised == "performance"


def test_inert_is_a_state_like_any_other_for_staging() -> None:
    inert = replace(START, statuses=(status("vm.swappiness", "", "60", "10", INERT),))
    state = rules.toggle_advised(inert, select("vm.swappiness", inert.statuses))
    assert state.staged == {SWAPPINESS: "10"}
