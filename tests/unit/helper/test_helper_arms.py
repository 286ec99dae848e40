"""Comparisons: one trial with several arms, of which one at a time is in force."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.fake_kernel import COUPLED, EPP, FILES, NODE, POOL, TOTAL, VM
from tests.unit.helper.fake_kernel import QUEUE as QUEUES

from aitune_helper import arms, messages, recovery
from aitune_helper.messages import ArmChanges, Caller, Change, Trial
from aitune_helper.places import Places
from aitune_helper.plan import Refusal
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Caller(0, "root", attested=True)
QUEUE = QUEUES.format("sda")
# Two arms that pull at everything that is coupled, in ways that meet.
CLASSIC = (
    ("vm.dirty_bytes", "", "1073741824"),
    ("vm.dirty_background_ratio", "", "5"),
    ("thp.enabled", "", "never"),
    ("cpu.governor", "policy0", "performance"),
    ("block.scheduler", "sda", "none"),
    ("hugepages.2048kB", "", "1200"),
)
BOLD = (
    ("vm.dirty_ratio", "", "40"),
    ("block.scheduler", "sda", "kyber"),
    ("block.nr_requests", "sda", "32"),
    ("block.max_sectors_kb", "sda", "1024"),
    ("vm.overcommit_ratio", "", "90"),
)
AS_IT_IS: tuple[tuple[str, str, str], ...] = ()
ERRORS = (
    errno.EINVAL, errno.EBUSY, errno.EACCES, errno.EIO, errno.ENOMEM, errno.ENODEV, errno.ENOSPC,
    errno.EROFS,
)  # fmt: skip


class Killed(BaseException):
    """Stands for SIGKILL."""


def error_of(act: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as raised:
        act()
    return raised.value


def name_of(act: Callable[[], object]) -> str:
    return error_of(act).error.rpartition(".")[2]


def elsewhere(tmp_path: Path, name: object) -> Places:
    base = tmp_path / str(name)
    base.mkdir()
    return Places(f"{base}/run", f"{base}/state", f"{base}/etc")


@pytest.fixture
def coupled(places: Places) -> Bench:
    return Bench(places, COUPLED)


def switch(bench: Bench, trial: Trial, arm: str) -> Trial:
    return bench.core.switch(trial.id, arm, OPS)


# -- planned ---------------------------------------------------------------------------------------


def planned(bench: Bench, *named: ArmChanges) -> messages.Plan:
    return arms.make_plan(bench.kernel, named)


def test_every_arm_speaks_of_the_same_targets_in_the_same_order(bench: Bench) -> None:
    made = planned(
        bench,
        ArmChanges("A", (Change("vm.swappiness", "", "1"), Change("thp.enabled", "", "never"))),
        ArmChanges("B", (Change("thp.defrag", "", "never"), Change("vm.swappiness", "", "9"))),
    )
    listed = [[(item.knob, item.old, item.requested) for item in arm.items] for arm in made.arms]
    assert listed == [
        [
            ("vm.swappiness", "60", "1"),
            ("thp.enabled", "madvise", "never"),
            ("thp.defrag", "madvise", "madvise"),
        ],
        [
            ("vm.swappiness", "60", "9"),
            ("thp.enabled", "madvise", "madvise"),
            ("thp.defrag", "madvise", "never"),
        ],
    ]
    assert made.items == made.arms[0].items


def test_the_hash_is_of_all_arms_and_their_names(bench: Bench) -> None:
    def hashed(first: str, second: str, value: str) -> str:
        changes = (Change("vm.swappiness", "", "1"),), (Change("vm.swappiness", "", value),)
        return planned(bench, ArmChanges(first, changes[0]), ArmChanges(second, changes[1])).hash

    assert len({hashed("A", "B", "2"), hashed("A", "B", "3"), hashed("A", "C", "2")}) == 3
    assert hashed("A", "B", "2") == hashed("A", "B", "2")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("A",), "2 to 8 arms"),
        (tuple("ABCDEFGHI"), "2 to 8 arms"),
        (("A", "A"), "same name"),
        (("A", ""), "a letter"),
        (("A", "1st"), "a letter"),
        (("A", "b" * 17), "a letter"),
        (("A", "B\n"), "a letter"),
        (("A", "Ä"), "a letter"),
    ],
)
def test_names_that_cannot_be(bench: Bench, names: tuple[str, ...], reason: str) -> None:
    change = (Change("vm.swappiness", "", "1"),)
    with pytest.raises(Refusal, match=reason):
        planned(bench, *(ArmChanges(name, change) for name in names))


def test_a_pool_sized_in_one_way_by_one_arm_and_in_another_by_the_next(bench: Bench) -> None:
    with pytest.raises(Refusal, match="two ways"):
        planned(
            bench,
            ArmChanges("A", (Change("hugepages.2048kB", "", "20"),)),
            ArmChanges("B", (Change("hugepages.2048kB", "node0", "20"),)),
        )


def test_a_comparison_of_nothing_is_refused(bench: Bench) -> None:
    assert name_of(lambda: bench.compare(AS_IT_IS, AS_IT_IS)) == "Refused"


def test_a_stale_view_in_any_arm_is_refused(bench: Bench) -> None:
    made = (
        ArmChanges("A", (Change("vm.swappiness", "", "1"),)),
        ArmChanges("B", (Change("thp.defrag", "", "never", "always"),)),
    )
    wanted = bench.wanted()._replace(arms=made, plan_hash=planned(bench, *made).hash)
    fault = error_of(lambda: bench.core.apply(wanted, OPS))
    assert fault.error.endswith("Stale")
    assert bench.kernel.writes == []


# -- switched --------------------------------------------------------------------------------------


def test_a_comparison_begins_with_its_first_arm(bench: Bench) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("thp.defrag", "", "never"),))
    assert (trial.state, trial.arm) == (messages.PENDING, "A")
    assert [(item.knob, item.status, item.effective) for item in trial.items] == [
        ("vm.swappiness", "ok", "1"),
        ("thp.defrag", "unchanged", "madvise"),
    ]
    assert trial.arms[0].items == trial.items
    assert bench.kernel.writes == [(VM + "swappiness", "1")]


def test_a_b_b_a(coupled: Bench) -> None:
    """Each time an arm comes into force the machine is the same, and at the end as it was."""
    trial = coupled.compare(CLASSIC, BOLD, AS_IT_IS)
    states = {"A": coupled.kernel.state()}
    for arm in "BBACBCCAAB":
        trial = switch(coupled, trial, arm)
        assert (trial.state, trial.arm) == (messages.PENDING, arm)
        assert {item.status for item in trial.items} <= set(messages.AS_WANTED)
        assert states.setdefault(arm, coupled.kernel.state()) == coupled.kernel.state(), arm
    assert states["C"] == COUPLED
    assert states["A"] != states["B"]
    ended = coupled.core.trials.revert(trial.id, OPS)
    assert ended.complete
    assert coupled.kernel.state() == COUPLED


@pytest.mark.parametrize(
    "pair",
    [
        # Reading ahead is raised with the largest request, and never lowered again.
        ((("block.max_sectors_kb", "sda", "1024"),), (("block.max_sectors_kb", "sda", "512"),)),
        ((("block.scheduler", "sda", "none"),), (("block.scheduler", "sda", "kyber"),)),
        (
            (("block.scheduler", "sda", "kyber"), ("block.nr_requests", "sda", "32")),
            (("block.scheduler", "sda", "kyber"), ("block.max_sectors_kb", "sda", "512")),
        ),
        ((("vm.dirty_bytes", "", "1048576"),), (("vm.dirty_bytes", "", "2097152"),)),
        ((("vm.dirty_background_ratio", "", "5"),), (("vm.dirty_background_ratio", "", "9"),)),
        ((("thp.enabled", "", "never"),), (("thp.enabled", "", "always"),)),
    ],
)
def test_an_arm_is_the_same_whichever_came_before(
    tmp_path: Path, pair: tuple[tuple[tuple[str, str, str], ...], ...]
) -> None:
    fresh = []
    for number, changes in enumerate(pair):
        bench = Bench(elsewhere(tmp_path, number), COUPLED)
        bench.compare(changes, pair[1 - number])
        fresh.append(bench.kernel.state())
    bench = Bench(elsewhere(tmp_path, "both"), COUPLED)
    trial = bench.compare(*pair)
    for arm in "BABBA":
        assert switch(bench, trial, arm).state == messages.PENDING
        assert bench.kernel.state() == fresh["AB".index(arm)], arm


def test_an_arm_holds_what_it_names(coupled: Bench) -> None:
    trial = coupled.compare(CLASSIC, BOLD)
    for arm, changes in (("A", CLASSIC), ("B", BOLD)):
        trial = switch(coupled, trial, arm)
        found = {(item.knob, item.instance): item.effective for item in trial.items}
        assert {(knob, instance, found[knob, instance]) for knob, instance, _ in changes} == set(
            changes
        )
    assert coupled.kernel.files[EPP] == "balance_performance"


def test_what_an_arm_does_not_name_comes_back_with_what_is_coupled_to_it(coupled: Bench) -> None:
    """The kernel resets queue length and options with the scheduler, and never lowers read-ahead"""
    trial = coupled.compare(
        (("block.scheduler", "sda", "none"), ("block.max_sectors_kb", "sda", "1024")),
        (("vm.swappiness", "", "1"),),
    )
    assert coupled.kernel.files[QUEUE + "read_ahead_kb"] == "2048"
    switch(coupled, trial, "B")
    assert coupled.kernel.state() == {**COUPLED, VM + "swappiness": "1"}


def test_a_pool_that_an_arm_does_not_name_comes_back_node_by_node(bench: Bench) -> None:
    trial = bench.compare((("hugepages.2048kB", "", "40"),), AS_IT_IS)
    assert bench.kernel.files[f"{NODE}node1/{POOL}"] == "20"
    trial = switch(bench, trial, "B")
    assert bench.kernel.state() == FILES
    assert [part.effective for part in trial.items[0].parts] == ["7", "3"]


def test_a_pool_grows_back_in_steps_under_the_floor(bench: Bench) -> None:
    """Going back to a large pool is as careful as going there."""
    for node in (0, 1):
        bench.kernel.files[f"{NODE}node{node}/{POOL}"] = "1000"
    bench.kernel.files[TOTAL] = bench.kernel.files[VM + "nr_hugepages"] = "2000"
    before = bench.kernel.state()
    trial = bench.compare((("hugepages.2048kB", "", "10"),), AS_IT_IS)
    bench.kernel.writes.clear()
    switch(bench, trial, "B")
    assert [value for path, value in bench.kernel.writes if "node0" in path] == ["517", "1000"]
    assert bench.kernel.state() == before
    switch(bench, trial, "A")
    meminfo = bench.kernel.files["/proc/meminfo"]
    bench.kernel.files["/proc/meminfo"] = meminfo.replace("41943040", "2097152")
    ended = switch(bench, trial, "B")
    assert ended.state == messages.REVERTED_TRIAL
    assert "floor" in ended.arms[1].items[0].note


def test_strict_accounting_is_left_first_and_entered_last_by_every_arm(bench: Bench) -> None:
    strict = (("vm.overcommit_memory", "", "2"), ("vm.overcommit_ratio", "", "95"))
    trial = bench.compare(strict, (("vm.overcommit_ratio", "", "60"),))
    for arm in ("B", "A", "B"):
        bench.kernel.writes.clear()
        switch(bench, trial, arm)
        mode = [path for path, _ in bench.kernel.writes].index(VM + "overcommit_memory")
        assert mode == (1 if arm == "A" else 0)


def test_two_ways_to_say_one_thing_in_two_arms(coupled: Bench) -> None:
    trial = coupled.compare(
        (("vm.dirty_bytes", "", "1073741824"),), (("vm.dirty_ratio", "", "30"),), AS_IT_IS
    )
    assert {item.knob: item.requested for item in trial.items} == {
        "vm.dirty_bytes": "1073741824", "vm.dirty_ratio": "0",
    }  # fmt: skip
    for arm, ratio, size in (("B", "30", "0"), ("A", "0", "1073741824"), ("C", "20", "0")):
        assert switch(coupled, trial, arm).state == messages.PENDING
        found = coupled.kernel.files
        assert (found[VM + "dirty_ratio"], found[VM + "dirty_bytes"]) == (ratio, size)


def test_nothing_is_written_for_the_arm_that_is_in_force(coupled: Bench) -> None:
    trial = coupled.compare(CLASSIC, BOLD)
    coupled.kernel.writes.clear()
    coupled.now += 20
    again = switch(coupled, trial, "A")
    assert coupled.kernel.writes == []
    assert again.deadline == coupled.now + 60


def test_the_lease_counts_anew(bench: Bench) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))
    bench.now += 50
    trial = switch(bench, trial, "B")
    assert trial.deadline == bench.now + 60
    bench.now += 50
    assert bench.core.extend(trial.id, 60, OPS).deadline == bench.now + 60
    bench.now += 61
    assert name_of(lambda: switch(bench, trial, "A")) == "Expired"
    assert bench.kernel.state() == FILES


def test_the_terms_outlive_the_helper(bench: Bench) -> None:
    """Another helper may switch what this one began: lease and tolerance are on record."""
    bench.kernel.pages = 8
    trial = bench.compare(
        (("vm.swappiness", "", "1"),),
        (("hugepages.2048kB", "", "40"),),
        on_partial=messages.ACCEPT,
        ttl_s=90.0,
    )
    bench.restart()
    trial = switch(bench, trial, "B")
    assert (trial.state, trial.deadline) == (messages.PENDING, bench.now + 90)
    assert trial.items[1].status == messages.PARTIAL


def test_only_the_owner_switches(bench: Bench) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))
    assert name_of(lambda: bench.core.switch(trial.id, "B", ROOT)) == "NotYours"
    keep = name_of(lambda: bench.core.keep(trial.id, ROOT, persist=False, arm="B"))
    assert keep == "NotYours"
    assert bench.kernel.files[VM + "swappiness"] == "1"
    assert bench.core.keep(trial.id, ROOT, persist=False, arm="A").trial.state == messages.KEPT


@pytest.mark.parametrize("arm", ["C", "", "a"])
def test_an_arm_that_is_none(bench: Bench, arm: str) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))
    assert name_of(lambda: switch(bench, trial, arm)) == "Refused"
    assert bench.core.trials.pending() == trial


def test_a_plain_trial_has_no_arms(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "1"))
    assert name_of(lambda: switch(bench, trial, "A")) == "Refused"
    assert (trial.arm, trial.arms) == ("", ())


def test_no_trial_no_switch(bench: Bench) -> None:
    assert name_of(lambda: bench.core.switch("0" * 32, "B", OPS)) == "NothingPending"


# -- what stands in the way ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (VM + "swappiness", "77"),  # what the arm wrote
        (VM + "swappiness", "60"),  # even to the old value: somebody is at it
        (QUEUE + "nr_requests", "99"),  # what came along
        ("/sys/kernel/mm/transparent_hugepage/defrag", "[always] never"),  # what it left alone
    ],
)
def test_a_third_partys_value_ends_a_switch_before_it_writes(
    bench: Bench, path: str, value: str
) -> None:
    first = (("vm.swappiness", "", "1"), ("block.scheduler", "sda", "mq-deadline"))
    trial = bench.compare(first, (("thp.defrag", "", "never"),))
    bench.kernel.files[path] = value
    before, deadline = bench.kernel.state(), trial.deadline
    fault = error_of(lambda: switch(bench, trial, "B"))
    assert fault.error.endswith("Stale")
    found = json.loads(json.dumps(fault.parameters))["items"]
    assert [item["status"] for item in found] == ["stale"]
    assert value.split()[0].strip("[]") in found[0]["note"]
    assert bench.kernel.state() == before
    pending = bench.core.trials.pending()
    assert pending is not None
    assert (pending.arm, pending.deadline) == ("A", deadline)


def test_another_disk_under_the_name_ends_a_switch_before_it_writes(bench: Bench) -> None:
    trial = bench.compare((("block.read_ahead_kb", "sda", "4096"),), AS_IT_IS)
    bench.kernel.files["/sys/block/sda/diskseq"] = "9"
    before = bench.kernel.state()
    assert name_of(lambda: switch(bench, trial, "B")) == "Stale"
    assert bench.kernel.state() == before
    bench.now += 61
    bench.restart()
    assert bench.kernel.state() == before


def test_no_guardian_no_switch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have died since the comparison began."""
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))

    def refuse(trial_id: str) -> None:
        raise Fault("NoGuardian", {"reason": trial_id})

    monkeypatch.setattr(bench.core.guardian, "arm", refuse)
    assert name_of(lambda: switch(bench, trial, "B")) == "NoGuardian"
    assert name_of(lambda: bench.core.extend(trial.id, 60, OPS)) == "NoGuardian"
    assert bench.kernel.files[VM + "swappiness"] == "1"
    assert bench.core.trials.pending() == trial


@pytest.mark.parametrize("what", ["journal", "record"])
def test_no_journal_or_record_no_switch(
    bench: Bench, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    trials = bench.core.trials
    target, name = (trials.journal, "append") if what == "journal" else (trials.state, "write")
    with monkeypatch.context() as patched:
        patched.setattr(target, name, full)
        assert name_of(lambda: switch(bench, trial, "B")) == "JournalUnavailable"
    assert bench.kernel.files[VM + "swappiness"] == "1"
    assert trials.pending() == trial


def test_stopping_a_switch_puts_everything_back(bench: Bench) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("hugepages.2048kB", "", "4000"),))
    steps: list[int] = []
    ended = bench.core.switch(
        trial.id,
        "B",
        OPS,
        cancelled=lambda: len(steps) >= 3,
        progress=lambda done, total, item: steps.append(done),
    )
    assert ended.state == messages.REVERTED_TRIAL
    assert ended.complete
    assert bench.kernel.state() == FILES
    assert ended.arms[1].items[1].note == messages.STOPPED


def test_a_stopped_return_of_a_pool_is_not_accepted_as_partial(bench: Bench) -> None:
    bench.kernel.files[f"{NODE}node0/{POOL}"] = "1000"
    bench.kernel.files[TOTAL] = bench.kernel.files[VM + "nr_hugepages"] = "1003"
    before = bench.kernel.state()
    trial = bench.compare((("hugepages.2048kB", "", "10"),), AS_IT_IS, on_partial=messages.ACCEPT)
    steps: list[int] = []
    ended = bench.core.switch(
        trial.id,
        "B",
        OPS,
        cancelled=lambda: bool(steps),
        progress=lambda done, total, item: steps.append(done),
    )
    assert ended.state == messages.REVERTED_TRIAL
    assert bench.kernel.state() == before


# -- faults ----------------------------------------------------------------------------------------


def begun(places: Places) -> tuple[Bench, Trial]:
    """A comparison that has been to its second arm, so that everything is touched already."""
    bench = Bench(places, COUPLED)
    trial = bench.compare(CLASSIC, BOLD)
    return bench, switch(bench, trial, "B")


def writes_of_a_switch(places: Places) -> int:
    bench, trial = begun(places)
    before = bench.kernel.count
    switch(bench, trial, "A")
    return bench.kernel.count - before


@pytest.mark.parametrize("code", ERRORS, ids=lambda code: errno.errorcode[code])
def test_the_nth_write_of_a_switch_fails(tmp_path: Path, code: int) -> None:
    total = writes_of_a_switch(elsewhere(tmp_path, "all"))
    assert total > len(CLASSIC)
    for number in range(1, total + 1):
        bench, trial = begun(elsewhere(tmp_path, number))
        at = bench.kernel.count + number

        def failing(now: int, at: int = at) -> None:
            if now == at:
                raise OSError(code, os.strerror(code))

        bench.kernel.before_write = failing
        ended = switch(bench, trial, "A")
        assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True), number
        assert bench.kernel.state() == COUPLED, number
        assert [item.errno for item in ended.arms[0].items].count(errno.errorcode[code]) == 1
        assert bench.core.trials.journal.history(1).trials == (ended,)


@pytest.mark.parametrize("moment", ["before_write", "after_write"])
def test_killed_at_the_nth_write_of_a_switch_with_nobody_to_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    total = writes_of_a_switch(elsewhere(tmp_path, "all"))
    for number in range(1, total + 1):
        bench, trial = begun(elsewhere(tmp_path, number))
        at = bench.kernel.count + number

        def dying(now: int, at: int = at) -> None:
            if now == at:
                raise Killed

        setattr(bench.kernel, moment, dying)
        with monkeypatch.context() as patched:
            patched.setattr(bench.core.trials, "put_back", lambda record, caller: None)
            with pytest.raises(Killed):
                switch(bench, trial, "A")
        public = bench.core.trials.state.public().pending
        assert public is not None
        assert (public.state, public.arm) == (messages.APPLYING, "A")
        bench.now += 31
        bench.restart()
        assert bench.kernel.state() == COUPLED, number
        ended = bench.core.trials.journal.history(1).trials[0]
        assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True), number
        assert bench.core.trials.state.public().pending is None


@pytest.mark.parametrize("call", ["open", "write", "rename", "unlink", "fsync"])
def test_killed_at_the_nth_call_while_keeping_another_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Kept as that arm, with its file, or all as before: nothing in between."""
    real = getattr(os, call)
    outcomes = set()
    number, seen = 0, 0
    while seen >= number:
        number += 1
        seen = 0
        bench = Bench(elsewhere(tmp_path, number))
        trial = bench.compare(
            (("vm.swappiness", "", "1"),), (("vm.overcommit_ratio", "", "90"),), persist=True
        )

        def dying(*arguments: object, **named: object) -> object:
            nonlocal seen
            seen += 1
            if seen == number:  # noqa: B023 (called within this very turn of the loop)
                raise Killed
            return real(*arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, dying)
            patched.setattr(bench.core.trials, "put_back", lambda record, caller: None)
            with contextlib.suppress(Killed):
                bench.core.keep(trial.id, OPS, persist=False, arm="B")
        bench.now += 100
        bench.restart()
        ended = bench.core.trials.journal.history(1).trials[0]
        outcomes.add(ended.state)
        at_boot = Path(bench.places.sysctl)
        if ended.state == messages.KEPT:
            assert bench.kernel.files[VM + "swappiness"] == "60", number
            assert bench.kernel.files[VM + "overcommit_ratio"] == "90", number
            assert "vm.overcommit_ratio = 90" in at_boot.read_text(), number
            assert "swappiness" not in at_boot.read_text()
        else:
            assert bench.kernel.state() == FILES, number
            assert not at_boot.exists(), number
    assert messages.KEPT in outcomes


def test_a_device_that_vanishes_in_mid_switch(coupled: Bench) -> None:
    trial = coupled.compare(CLASSIC, BOLD)

    def pull(number: int) -> None:
        for path in list(coupled.kernel.files):
            if path.startswith("/sys/block/sda/"):
                del coupled.kernel.files[path]

    coupled.kernel.after_write = pull
    ended = switch(coupled, trial, "B")
    assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, False)
    left = {path: text for path, text in COUPLED.items() if not path.startswith("/sys/block/sda/")}
    assert coupled.kernel.state() == left
    gone = {item.knob for item in ended.items if item.status == messages.VANISHED}
    # What no arm so far had written is nothing that could not be put back.
    assert gone == {"block.scheduler", "block.nr_requests"}
    assert coupled.core.trials.state.public().recent[0] == ended


def test_a_device_that_is_swapped_in_mid_switch_is_not_written(bench: Bench) -> None:
    """The plan's check is minutes old by then: each item looks again."""
    trial = bench.compare(
        (("vm.swappiness", "", "1"), ("block.read_ahead_kb", "sda", "4096")), AS_IT_IS
    )

    def swap(number: int) -> None:
        bench.kernel.files["/sys/block/sda/diskseq"] = "9"
        bench.kernel.files[QUEUE + "read_ahead_kb"] = "64"

    bench.kernel.after_write = swap
    ended = switch(bench, trial, "B")
    assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, False)
    assert bench.kernel.files[QUEUE + "read_ahead_kb"] == "64"
    assert bench.kernel.files[VM + "swappiness"] == "60"


# -- kept ------------------------------------------------------------------------------------------


def test_keeping_an_arm_switches_to_it_first(bench: Bench) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.overcommit_ratio", "", "90"),))
    kept = bench.core.keep(trial.id, OPS, persist=False, arm="B").trial
    assert (kept.state, kept.arm) == (messages.KEPT, "B")
    assert bench.kernel.state() == {**FILES, VM + "overcommit_ratio": "90"}
    # What the arm leaves as it was is nothing that is kept.
    assert [(item.knob, item.effective) for item in kept.items] == [("vm.overcommit_ratio", "90")]


def test_only_what_the_kept_arm_sets_is_set_at_boot(bench: Bench) -> None:
    trial = bench.compare(
        (("vm.swappiness", "", "1"),), (("vm.overcommit_ratio", "", "90"),), persist=True
    )
    bench.core.keep(trial.id, OPS, persist=False, arm="B")
    text = Path(bench.places.sysctl).read_text()
    assert "vm.overcommit_ratio = 90" in text
    assert "swappiness" not in text


def test_an_arm_that_does_not_come_out_as_wanted_is_not_kept(bench: Bench) -> None:
    bench.kernel.pages = 20
    trial = bench.compare((("vm.swappiness", "", "1"),), (("hugepages.2048kB", "", "400"),))
    kept = bench.core.keep(trial.id, OPS, persist=True, arm="B")
    assert (kept.trial.state, kept.files) == (messages.REVERTED_TRIAL, ())
    assert bench.kernel.state() == FILES
    assert not Path(bench.places.sysctl).exists()


def test_a_kept_arm_is_undone_like_any_trial(coupled: Bench) -> None:
    trial = coupled.compare(CLASSIC, (("vm.swappiness", "", "1"),), persist=True)
    kept = coupled.core.keep(trial.id, OPS, persist=False, arm="B").trial
    changes = [(item.knob, item.instance, item.old) for item in reversed(kept.items)]
    undo = coupled.wanted(*changes)._replace(undo_of=kept.id)
    coupled.core.keep(coupled.core.apply(undo, OPS).id, OPS, persist=False)
    assert coupled.kernel.state() == COUPLED
    assert not Path(coupled.places.sysctl).exists()


def test_what_an_undo_names_is_as_it_was_whatever_came_along_meanwhile(coupled: Bench) -> None:
    # The depth that the kernel makes of the number of requests comes one write late.
    coupled.kernel.depth_lags = True
    kept = coupled.apply(("block.nr_requests", "sda", "32"))
    coupled.core.keep(kept.id, OPS, persist=False)
    items = [("block.nr_requests", "sda", "64"), ("block.iosched.async_depth", "sda", "48")]
    assert coupled.kernel.files[QUEUE + "iosched/async_depth"] == "48"
    undone = coupled.core.apply(coupled.wanted(*items)._replace(undo_of=kept.id), OPS)
    assert [(item.effective, item.old) for item in undone.items] == [("64", "32"), ("48", "48")]
    assert coupled.kernel.state() == COUPLED


# -- the journal -----------------------------------------------------------------------------------


def test_a_switch_is_one_short_line_that_waits_for_no_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))
    before = len(Path(bench.places.journal).read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda fd: pytest.fail("a switch waits for a disk"))
        for arm in "BAB":
            switch(bench, trial, arm)
    text = Path(bench.places.journal).read_bytes()[before:].decode("ascii")
    entries = [json.loads(line[9:]) for line in text.splitlines()]
    assert [(entry["event"], entry["arm"], entry["count"]) for entry in entries] == [
        ("switch", "B", 1), ("switch", "A", 2), ("switch", "B", 3),
    ]  # fmt: skip
    assert len(text) < 3 * 400
    assert bench.core.trials.journal.history(5).trials[0].id == trial.id


def test_a_comparison_is_ended_by_a_reboot(bench: Bench) -> None:
    """The last line of the journal speaks of a switch, not of a trial."""
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))
    switch(bench, trial, "B")
    bench.kernel.files = dict(FILES)
    bench.core.trials.state.boot_id = "another"
    recovery.recover(bench.core.trials)
    ended = bench.core.trials.journal.history(1).trials[0]
    assert (ended.id, ended.state) == (trial.id, messages.ENDED_BY_REBOOT)
    assert ended.arms


def test_the_number_of_the_next_trial_follows_after_switches(bench: Bench) -> None:
    trial = bench.compare((("vm.swappiness", "", "1"),), (("vm.swappiness", "", "2"),))
    switch(bench, trial, "B")
    bench.core.trials.revert(trial.id, OPS)
    assert bench.apply(("vm.swappiness", "", "3")).number == trial.number + 1
