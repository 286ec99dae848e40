"""The write-ahead record: of this version, of the first, of one to come; and keeping by it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.fake_kernel import COUPLED, EPP, FILES, POLICY, VM

from aitune_helper import guardian, messages, past, plan, slots
from aitune_helper.messages import Change
from aitune_helper.state import NewerError
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_helper.places import Places

QUEUE = "/sys/block/sda/queue/"
TWO = (("vm.swappiness", "", "10"), ("vm.overcommit_ratio", "", "90"))


class Killed(BaseException):
    """Stands for SIGKILL."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def record_of(bench: Bench) -> dict[str, object]:
    found = past.decode(Path(bench.places.trial).read_bytes().rstrip(b"\n"))
    assert found is not None
    return found


def rewrite(bench: Bench, **fields: object) -> bytes:
    data = past.encode({**record_of(bench), **fields})
    Path(bench.places.trial).write_bytes(data)
    return data


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Fault) as raised:
        act()
    assert raised.value.error.endswith("Refused")
    return str(raised.value.parameters["reason"])


# -- what is touched -------------------------------------------------------------------------------


def test_each_value_is_marked_before_the_write_that_may_touch_it(bench: Bench) -> None:
    seen: list[set[str]] = []

    def look(number: int) -> None:
        record = bench.core.trials.current()
        assert record is not None
        seen.append({slot.knob for slot in record.slots if slot.touched})

    bench.kernel.before_write = look
    bench.apply(*TWO, ("block.scheduler", "sda", "mq-deadline"))
    assert seen == [
        {"vm.swappiness"},
        {"vm.swappiness", "vm.overcommit_ratio", "vm.overcommit_kbytes"},
        {
            "vm.swappiness", "vm.overcommit_ratio", "vm.overcommit_kbytes", "block.scheduler",
            "block.nr_requests", "block.read_ahead_kb",
        },
    ]  # fmt: skip


def test_what_was_never_written_is_never_put_back(bench: Bench) -> None:
    """It held what was wanted already, so whatever it holds later is no business of ours."""
    trial = bench.apply(("vm.swappiness", "", "60"), ("vm.overcommit_ratio", "", "90"))
    bench.kernel.files[VM + "swappiness"] = "33"
    ended = bench.core.trials.revert(trial.id, OPS)
    assert ended.complete
    assert bench.kernel.files[VM + "swappiness"] == "33"


def test_a_value_that_moves_between_plan_and_snapshot_is_stale(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the plan shows one old value, and another is put back."""
    wanted, real = bench.wanted(("vm.swappiness", "", "10")), slots.snapshot

    def late(*arguments: object) -> object:
        bench.kernel.files[VM + "swappiness"] = "33"
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(slots, "snapshot", late)
    with pytest.raises(Fault) as raised:
        bench.core.apply(wanted, OPS)
    assert raised.value.error.endswith("Stale")
    assert bench.kernel.writes == []


# -- versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "swappiness"), [(0, "60"), (-1, "10")])
def test_a_record_of_the_first_version_is_put_back(
    bench: Bench, step: int, swappiness: str
) -> None:
    """It said how far the writing had come: later items, and all before the first, are untouched"""
    bench.apply(*TWO)
    old = record_of(bench)
    found = old["slots"]
    assert isinstance(found, list)
    for slot in found:
        del slot["touched"]
    del old["terms"], old["switches"], old["kept"]
    Path(bench.places.trial).write_text(json.dumps({**old, "version": 1, "step": step}))
    bench.now += 61
    bench.restart()
    assert bench.kernel.files[VM + "swappiness"] == swappiness
    assert bench.kernel.files[VM + "overcommit_ratio"] == "90"
    assert bench.core.trials.state.damaged() == []


def test_what_came_along_before_it_had_an_instance_is_read_everywhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal and a trial that was open as the helper was replaced: nothing of them is lost."""
    bench.core.close()
    now = messages.to_object

    def as_before(record: object) -> object:
        return _without_instances(now(record))

    bench = Bench(bench.places, {**FILES, **COUPLED})
    monkeypatch.setattr(messages, "to_object", as_before)
    kept = bench.apply(("block.scheduler", "sda", "kyber"))
    bench.core.trials.keep(kept.id, OPS, persist=False)
    pending = bench.apply(("block.scheduler", "sda", "none"))
    monkeypatch.undo()
    for file in (bench.places.trial, bench.places.public, bench.core.trials.journal.path):
        text = Path(file).read_text()
        assert '"along":[{"knob"' in text, file
        assert '"along":[{"knob":"block.nr_requests","instance"' not in text, file

    core = bench.restart()
    assert core.hello(OPS).notices == ()
    assert core.hello(OPS).pending == pending
    assert pending.items[0].along[0].instance == "sda"
    history = core.trials.journal.history(10)
    assert history.damaged == 0
    assert [trial.items[0].along for trial in history.trials] == [
        pending.items[0].along, kept.items[0].along,
    ]  # fmt: skip
    assert core.trials.state.public().recent[0].items == kept.items
    bench.now += 61
    core = bench.restart()
    assert core.trials.state.read() is None
    assert bench.kernel.files[QUEUE + "scheduler"] == "none mq-deadline [kyber]"


def _without_instances(made: object) -> object:
    """A record as it was written when what came along was of the item's own instance."""
    if isinstance(made, dict):
        return {
            name: [{key: other[key] for key in other if key != "instance"} for other in value]
            if name == "along"
            else _without_instances(value)
            for name, value in made.items()
        }
    return [_without_instances(value) for value in made] if isinstance(made, list) else made


@pytest.mark.parametrize("how", ["version", "knob"])
def test_a_record_of_a_newer_helper_is_left_to_it(bench: Bench, how: str) -> None:
    trial = bench.apply(*TWO)
    if how == "version":
        data = rewrite(bench, version=3, boot_id={"not": "ours to read"})
    else:
        found = record_of(bench)["slots"]
        assert isinstance(found, list)
        data = rewrite(bench, slots=[*found, {**found[0], "knob": "vm.to_come"}])
    public = Path(bench.places.public).read_bytes()
    journal = Path(bench.places.journal).read_bytes()
    bench.now += 61  # overdue: that too is for who knows what it says
    before = bench.kernel.state()
    core, trials = bench.restart(), bench.core.trials
    wanted = bench.wanted(("thp.defrag", "", "never"))
    for act in (
        lambda: core.apply(wanted, OPS),
        lambda: core.keep(trial.id, OPS, persist=False),
        lambda: core.extend(trial.id, 60, OPS),
        lambda: core.switch(trial.id, "B", OPS),
        lambda: core.act("compact_memory", OPS),
        lambda: trials.revert(trial.id, OPS),
        lambda: trials.unpersist((), OPS),
    ):
        assert "newer helper" in refusal(act)
    assert guardian.look(trials) is None
    assert trials.expire() is None
    assert any("newer helper" in notice for notice in core.hello(OPS).notices)
    assert bench.kernel.state() == before
    assert Path(bench.places.trial).read_bytes() == data
    assert Path(bench.places.public).read_bytes() == public
    assert Path(bench.places.journal).read_bytes() == journal
    assert trials.state.damaged() == []


def test_when_the_newer_helper_is_done_writing_goes_on(bench: Bench) -> None:
    bench.apply(*TWO)
    rewrite(bench, version=3)
    bench.restart()
    with pytest.raises(NewerError):
        bench.core.trials.state.read()
    Path(bench.places.trial).unlink()
    assert bench.apply(("thp.defrag", "", "never")).state == messages.PENDING


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "2"}, {"version": None}, {"slots": 1}, {"switches": "1"}, {"terms": 1},
        {"terms": {"ttl_s": "1"}}, {"kept": 1}, {"boot_id": 1}, {"version": 1, "step": "0"},
    ],
)  # fmt: skip
def test_a_record_that_is_none_is_moved_aside(bench: Bench, fields: dict[str, object]) -> None:
    bench.apply(*TWO)
    rewrite(bench, **fields)
    assert bench.core.trials.current() is None
    assert len(bench.core.trials.state.damaged()) == 1


# -- keeping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["unreadable", "gone", "torn"])
@pytest.mark.parametrize("step", ["finish", "_end"])
def test_a_half_kept_trial_is_finished_without_the_journal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, damage: str, step: str
) -> None:
    """The journal said kept, the file for the boot may be there: going back would be half."""
    trial = bench.apply(("vm.swappiness", "", "10"), persist=True)
    trials = bench.core.trials
    with monkeypatch.context() as patched:
        patched.setattr(trials.lasting if step == "finish" else trials, step, killed)
        with pytest.raises(Killed):
            trials.keep(trial.id, OPS, persist=False)
    journal = Path(bench.places.journal)
    if damage == "unreadable":
        journal.rename(journal.with_name("elsewhere"))
        journal.mkdir()
    elif damage == "gone":
        journal.unlink()
    else:
        journal.write_bytes(b"\0" * 100)
    bench.now += 61
    bench.restart()
    assert bench.kernel.files[VM + "swappiness"] == "10"
    assert "vm.swappiness = 10" in Path(bench.places.sysctl).read_text()
    ended = bench.core.trials.state.public().recent[0]
    assert (ended.state, ended.persisted) == (messages.KEPT, "yes")
    assert bench.core.trials.current() is None


def test_keeping_at_the_very_deadline_is_too_late(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    bench.now += 60
    with pytest.raises(Fault) as raised:
        bench.core.trials.keep(trial.id, OPS, persist=False)
    assert raised.value.error.endswith("Expired")
    assert bench.kernel.state() == FILES


def test_keeping_that_outlasts_the_deadline_is_kept_for_the_guardian_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line was written in time, the disk was slow, the guardian killed the helper for it."""
    trial = bench.apply(("vm.swappiness", "", "10"))
    with monkeypatch.context() as patched:
        patched.setattr(bench.core.trials.state, "renew", killed)
        with pytest.raises(Killed):
            bench.core.trials.keep(trial.id, OPS, persist=False)
    bench.now += 61
    ended = bench.core.trials.expire()
    assert ended is not None
    assert ended.state == messages.KEPT
    assert bench.kernel.files[VM + "swappiness"] == "10"


# -- going back ------------------------------------------------------------------------------------


def test_a_third_partys_half_is_not_zeroed_by_putting_the_other_back(places: Places) -> None:
    """dirty_bytes of somebody else: writing the ratio of before would take it away."""
    bench = Bench(places, COUPLED)
    trial = bench.apply(("vm.dirty_bytes", "", "1048576"))
    bench.kernel.write(VM + "dirty_bytes", "2097152")
    bench.kernel.writes.clear()
    ended = bench.core.trials.revert(trial.id, OPS)
    assert bench.kernel.writes == []
    assert (bench.kernel.files[VM + "dirty_bytes"], ended.complete) == ("2097152", False)
    assert ended.items[0].status == messages.DRIFTED


def test_the_options_of_a_third_partys_scheduler_are_its_own(places: Places) -> None:
    bench = Bench(places, COUPLED)
    trial = bench.apply(("block.scheduler", "sda", "none"))
    bench.kernel.write(QUEUE + "scheduler", "kyber")
    mine = {path: text for path, text in bench.kernel.files.items() if "iosched" in path}
    ended = bench.core.trials.revert(trial.id, OPS)
    assert {path: text for path, text in bench.kernel.files.items() if "iosched" in path} == mine
    assert ended.items[0].status == messages.DRIFTED


def test_a_setting_in_its_own_right_is_put_back_though_its_leader_drifted(places: Places) -> None:
    """The preference that came with our governor is no third party's."""
    bench = Bench(places, COUPLED)
    trial = bench.apply(("cpu.governor", "policy0", "performance"))
    assert bench.kernel.files[EPP] == "performance"
    bench.kernel.write(POLICY + "scaling_governor", "schedutil")
    ended = bench.core.trials.revert(trial.id, OPS)
    assert bench.kernel.files[POLICY + "scaling_governor"] == "schedutil"
    assert bench.kernel.files[EPP] == "balance_performance"
    assert (ended.items[0].status, ended.complete) == (messages.DRIFTED, False)


def test_going_back_twice_leaves_alone_what_it_left_alone(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of going back, and done again by the next."""
    bench = Bench(places, COUPLED)
    trial = bench.apply(("vm.dirty_bytes", "", "1048576"), ("thp.enabled", "", "never"))
    bench.kernel.write(VM + "dirty_bytes", "2097152")
    before = bench.kernel.count

    def dying(number: int) -> None:
        if number == before + 1:
            raise Killed

    bench.kernel.after_write = dying
    with pytest.raises(Killed):
        bench.core.trials.revert(trial.id, OPS)
    bench.now += 61
    bench.restart()
    assert bench.kernel.state() == {
        **COUPLED,
        VM + "dirty_bytes": "2097152",
        VM + "dirty_ratio": "0",
    }


def test_a_half_that_was_zero_comes_back_through_the_other(places: Places) -> None:
    """The kernel takes no 0 for dirty_bytes; where both were 0, it is got by the ratio."""
    files = {**COUPLED, VM + "dirty_ratio": "0"}
    bench = Bench(places, files)
    trial = bench.apply(("vm.dirty_bytes", "", "1048576"))
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.state() == files


def test_what_is_no_text_does_not_keep_the_rest_from_going_back(bench: Bench) -> None:
    trial = bench.apply(*TWO)
    record = bench.core.trials.current()
    assert record is not None
    odd = tuple(
        slot._replace(old="\N{REPLACEMENT CHARACTER}") if slot.knob == "vm.swappiness" else slot
        for slot in record.slots
    )
    bench.core.trials.state.write(record._replace(slots=odd))
    real = bench.kernel.write

    def as_the_kernel_does(path: str, value: str) -> None:
        value.encode("ascii")
        real(path, value)

    bench.kernel.write = as_the_kernel_does  # type: ignore[method-assign]
    ended = bench.core.trials.revert(trial.id, OPS)
    assert (ended.items[0].status, ended.complete) == (messages.FAILED, False)
    assert bench.kernel.files[VM + "overcommit_ratio"] == "50"


def test_a_revert_that_falls_short_stays_to_be_seen(bench: Bench) -> None:
    trial = bench.apply(("hugepages.2048kB", "", "0"))
    bench.kernel.pages = 2
    ended = bench.core.trials.revert(trial.id, OPS)
    assert (ended.items[0].status, ended.complete) == (messages.PARTIAL, False)
    for value in range(1, 9):
        later = bench.apply(("vm.swappiness", "", str(value)))
        bench.core.trials.revert(later.id, OPS)
    recent = bench.core.trials.state.public().recent
    assert [found.complete for found in recent if found.id == trial.id] == [False]


def test_a_record_that_cannot_be_renewed_ends_by_its_old_deadline(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(bench.core.trials.state, "write", full)
        with pytest.raises(Fault) as raised:
            bench.core.extend(trial.id, 600, OPS)
    assert raised.value.error.endswith("JournalUnavailable")
    bench.now += 61
    assert bench.core.trials.expire() is not None
    assert bench.kernel.state() == FILES


def test_changes_and_plan_agree_on_the_order(bench: Bench) -> None:
    """What is written first on the way there is a matter of the table, on the way back too."""
    made = plan.make_plan(
        bench.kernel,
        [Change("block.read_ahead_kb", "sda", "64"), Change("block.scheduler", "sda", "kyber")],
    )
    found = slots.snapshot(bench.kernel, made.items)
    in_turn = sorted(found, key=lambda slot: slots.turn(bench.kernel, slot))
    assert [slot.knob for slot in in_turn] == [
        "block.scheduler", "block.nr_requests", "block.read_ahead_kb",
    ]  # fmt: skip
