"""A trial on a made-up kernel: applied, kept, put back, and what is refused on the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.fake_kernel import FILES, NODE, POOL, THP, TOTAL, VM

from aitune_helper import messages, recovery
from aitune_helper.messages import Caller, Change
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from aitune_helper.apply import Wanted

ROOT = Caller(0, "root", attested=True)
QUEUE = "/sys/block/sda/queue/"


def fault_of(bench: Bench, wanted: Wanted) -> Fault:
    with pytest.raises(Fault) as raised:
        bench.core.apply(wanted, OPS)
    return raised.value


def name(fault: Fault) -> str:
    return fault.error.rpartition(".")[2]


# -- applied ---------------------------------------------------------------------------------------


def test_apply_writes_reads_back_and_waits(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    assert trial.state == messages.PENDING
    assert trial.deadline == bench.now + 60
    assert [(item.status, item.effective) for item in trial.items] == [("ok", "10")]
    assert bench.kernel.writes == [(VM + "swappiness", "10")]
    assert bench.core.trials.pending() == trial
    assert bench.core.trials.state.public().pending == trial


def test_a_value_near_the_wanted_one_is_rounded(bench: Bench) -> None:
    trial = bench.apply(("block.read_ahead_kb", "sda", "777"))
    assert trial.items[0].status == messages.ROUNDED
    assert trial.items[0].effective == "776"


def test_what_holds_already_is_not_written(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "60"))
    assert trial.items[0].status == messages.UNCHANGED
    assert bench.kernel.writes == []


def test_limits_of_a_disk_follow_its_scheduler_whatever_the_order(bench: Bench) -> None:
    trial = bench.apply(
        ("block.nr_requests", "sda", "128"), ("block.scheduler", "sda", "mq-deadline")
    )
    assert [item.knob for item in trial.items] == ["block.scheduler", "block.nr_requests"]
    # 128 was there at first, but the scheduler has moved it: it has to be written.
    assert bench.kernel.files[QUEUE + "nr_requests"] == "128"
    assert [item.status for item in trial.items] == ["ok", "ok"]


def test_huge_pages_grow_in_steps_of_a_gibibyte(bench: Bench) -> None:
    bench.apply(("hugepages.2048kB", "", "1200"))
    assert [value for _, value in bench.kernel.writes] == ["522", "1034", "1200"]


def test_too_few_pages_are_partial_and_put_back_on_each_node(bench: Bench) -> None:
    bench.kernel.pages = 20
    trial = bench.apply(("vm.swappiness", "", "1"), ("hugepages.2048kB", "", "64"))
    assert trial.state == messages.REVERTED_TRIAL
    assert trial.complete
    pages = trial.items[1]
    assert (pages.status, pages.effective) == (messages.PARTIAL, "40")
    assert pages.parts == (messages.Part("node0", "7", "20"), messages.Part("node1", "3", "20"))
    assert trial.items[0].status == messages.REVERTED
    assert bench.kernel.state() == FILES


def test_too_few_pages_can_be_accepted(bench: Bench) -> None:
    bench.kernel.pages = 20
    wanted = bench.wanted(("hugepages.2048kB", "", "64"))._replace(on_partial=messages.ACCEPT)
    trial = bench.core.apply(wanted, OPS)
    assert trial.state == messages.PENDING
    assert trial.items[0].status == messages.PARTIAL


def test_a_refused_write_undoes_those_before_it(bench: Bench) -> None:
    def refuse(number: int) -> None:
        if number == 3:
            raise OSError(errno.EINVAL, "Invalid argument")

    bench.kernel.before_write = refuse
    trial = bench.apply(
        ("vm.swappiness", "", "1"),
        ("vm.overcommit_ratio", "", "90"),
        ("thp.enabled", "", "never"),
        ("thp.defrag", "", "never"),
    )
    assert trial.state == messages.REVERTED_TRIAL
    statuses = [(item.status, item.errno) for item in trial.items]
    assert statuses == [
        ("reverted", None),
        ("reverted", None),
        ("failed", "EINVAL"),
        ("unchanged", None),
    ]
    assert bench.kernel.state() == FILES
    assert not Path(bench.places.trial).exists()


def test_a_write_that_the_kernel_swallows_is_a_failure(bench: Bench) -> None:
    wanted = bench.wanted(("vm.swappiness", "", "10"))
    taken = bench.kernel.write

    def swallow(path: str, value: str) -> None:
        if path != VM + "swappiness":
            taken(path, value)

    bench.kernel.write = swallow  # type: ignore[method-assign]  # a kernel that lies
    trial = bench.core.apply(wanted, OPS)
    assert trial.items[0].status == messages.FAILED
    assert trial.items[0].effective == "60"


def test_cancelling_between_steps_puts_everything_back(bench: Bench) -> None:
    asked = iter([False, False, True, True, True])
    wanted = bench.wanted(("hugepages.2048kB", "", "5000"))
    trial = bench.core.apply(
        wanted._replace(on_partial=messages.ACCEPT),
        OPS,
        cancelled=lambda: next(asked),
    )
    assert trial.state == messages.REVERTED_TRIAL
    assert "stopped" in trial.items[0].note
    assert bench.kernel.state() == FILES


def test_growing_stops_when_memory_runs_short(bench: Bench) -> None:
    wanted = bench.wanted(("hugepages.2048kB", "", "5000"))

    def eat(number: int) -> None:
        text = bench.kernel.files["/proc/meminfo"]
        if number == 2:
            text = text.replace("MemAvailable:   41943040", "MemAvailable:    2200000")
        bench.kernel.files["/proc/meminfo"] = text

    bench.kernel.before_write = eat
    trial = bench.core.apply(wanted, OPS)
    assert trial.items[0].status == messages.PARTIAL
    assert "memory" in trial.items[0].note
    assert bench.kernel.files[TOTAL] == "10"


# -- refused: nothing written ----------------------------------------------------------------------


def test_a_stale_view_is_refused(bench: Bench) -> None:
    changes = (Change("vm.swappiness", "", "10", "61"),)
    plan = bench.core.plan(changes, force=False)
    assert plan.items[0].status == messages.STALE
    fault = fault_of(bench, bench.wanted()._replace(changes=changes, plan_hash=plan.hash))
    assert name(fault) == "Stale"
    assert bench.kernel.writes == []


def test_a_change_between_plan_and_apply_is_refused(bench: Bench) -> None:
    wanted = bench.wanted(("vm.swappiness", "", "10"))
    bench.kernel.files[VM + "swappiness"] = "30"
    fault = fault_of(bench, wanted)
    assert name(fault) == "Stale"
    assert bench.kernel.writes == []


def test_another_disk_under_the_name_is_refused(bench: Bench) -> None:
    wanted = bench.wanted(("block.read_ahead_kb", "sda", "64"))
    bench.kernel.files["/sys/block/sda/diskseq"] = "99"
    assert name(fault_of(bench, wanted)) == "Stale"


def test_a_second_trial_is_busy_and_names_the_first(bench: Bench) -> None:
    wanted = bench.wanted(("thp.enabled", "", "never"))
    first = bench.apply(("vm.swappiness", "", "10"))
    fault = fault_of(bench, wanted)
    assert name(fault) == "Busy"
    assert fault.parameters["trial"] == messages.to_object(first)


def test_the_lock_held_by_another_is_busy_within_a_second(bench: Bench) -> None:
    wanted = bench.wanted(("vm.swappiness", "", "10"))
    with bench.core.trials.state.locked(0.0):
        assert name(fault_of(bench, wanted)) == "Busy"


@pytest.mark.parametrize("ttl", [0.4, 3601.0, -1.0])
def test_a_countdown_out_of_bounds_is_refused(bench: Bench, ttl: float) -> None:
    fault = fault_of(bench, bench.wanted(("vm.swappiness", "", "10"))._replace(ttl_s=ttl))
    assert name(fault) == "Refused"


def test_nothing_to_change_is_refused(bench: Bench) -> None:
    assert name(fault_of(bench, bench.wanted())) == "Refused"


def test_a_container_needs_force(bench: Bench) -> None:
    bench.core._container = "docker"
    wanted = bench.wanted(("vm.swappiness", "", "10"))
    fault = fault_of(bench, wanted)
    assert "nothing is put back" in str(fault.parameters["reason"])
    assert bench.core.apply(wanted._replace(force=True), OPS).state == messages.PENDING


def test_no_guardian_no_change(bench: Bench) -> None:
    def refuse(trial_id: str) -> None:
        raise Fault("NoGuardian", {"reason": "it does not answer"})

    bench.core.guardian.arm = refuse  # type: ignore[method-assign]
    fault = fault_of(bench, bench.wanted(("vm.swappiness", "", "10")))
    assert name(fault) == "NoGuardian"
    assert bench.kernel.writes == []
    assert bench.core.trials.pending() is None
    assert bench.core.trials.journal.history(9).trials[0].state == messages.REVERTED_TRIAL


def test_no_journal_no_change_but_going_back_needs_none(bench: Bench) -> None:
    wanted = bench.wanted(("vm.swappiness", "", "10"))
    journal = Path(bench.places.journal)
    journal.unlink(missing_ok=True)
    journal.mkdir()
    assert name(fault_of(bench, wanted)) == "JournalUnavailable"
    assert bench.kernel.writes == []
    journal.rmdir()
    trial = bench.core.apply(wanted, OPS)
    journal.rename(journal.with_suffix(".moved"))
    journal.mkdir()
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.state() == FILES


# -- kept and put back -----------------------------------------------------------------------------


def test_keeping_ends_the_countdown(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    kept = bench.core.trials.keep(trial.id, ROOT, persist=False)
    assert (kept.trial.state, kept.trial.deadline, kept.files) == (messages.KEPT, None, ())
    bench.now += 3600
    assert bench.restart().trials.pending() is None
    assert bench.kernel.files[VM + "swappiness"] == "10"
    assert bench.core.trials.keep(trial.id, ROOT, persist=False).trial == kept.trial


def test_the_journal_names_who_applied_and_who_kept(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    bench.core.trials.keep(trial.id, ROOT, persist=False)
    entry = bench.core.trials.journal.find(messages.KEPT, trial.id)
    assert entry is not None
    assert entry["caller"] == messages.to_object(ROOT)
    assert isinstance(entry["trial"], dict)
    assert entry["trial"]["owner_name"] == "ops"


def test_too_late_to_keep(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    bench.now += 61
    with pytest.raises(Fault) as raised:
        bench.core.trials.keep(trial.id, OPS, persist=False)
    assert name(raised.value) == "Expired"
    assert bench.kernel.state() == FILES


def test_more_time_is_for_the_owner(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    bench.now += 50
    assert bench.core.extend(trial.id, 60, OPS).deadline == bench.now + 60
    with pytest.raises(Fault) as raised:
        bench.core.extend(trial.id, 60, ROOT)
    assert name(raised.value) == "NotYours"


def test_nothing_pending(bench: Bench) -> None:
    trials = bench.core.trials
    for act in (
        lambda: trials.keep("0" * 32, OPS, persist=False),
        lambda: trials.revert("0" * 32, OPS),
        lambda: trials.extend("0" * 32, 60, OPS),
    ):
        with pytest.raises(Fault) as raised:
            act()
        assert name(raised.value) == "NothingPending"


def test_going_back_twice_says_the_same(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    first = bench.core.trials.revert(trial.id, OPS)
    assert bench.core.trials.revert(trial.id, OPS) == first
    assert bench.kernel.state() == FILES


def test_a_restart_puts_an_overdue_trial_back_and_says_so(bench: Bench) -> None:
    bench.apply(("vm.swappiness", "", "10"))
    bench.now += 61
    hello = bench.restart().hello(OPS)
    assert hello.pending is None
    assert "overdue" in hello.notices[0]
    assert bench.kernel.state() == FILES


def test_a_trial_of_another_boot_is_ended_by_reboot(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    journal = bench.core.trials.journal
    bench.core.trials.state.boot_id = "later"
    recovery.recover(bench.core.trials)
    assert journal.history(1).trials[0].state == messages.ENDED_BY_REBOOT
    assert not Path(bench.places.trial).exists()
    assert bench.kernel.files[VM + "swappiness"] == "10", "nothing is written for another boot"
    recovery.recover(bench.core.trials)
    assert Path(journal.path).read_text().count('"event":"ended_by_reboot"') == 1
    assert journal.history(1).trials[0].id == trial.id


def test_a_damaged_record_is_moved_aside_and_said_once(bench: Bench) -> None:
    bench.apply(("vm.swappiness", "", "10"))
    Path(bench.places.trial).write_text('{"version":1,')
    wanted = bench.wanted(("thp.enabled", "", "never"))
    hello = bench.restart().hello(OPS)
    aside = bench.places.trial + ".corrupt-1"
    assert Path(aside).exists()
    assert aside in hello.notices[0]
    fault = fault_of(bench, wanted)
    assert (name(fault), fault.parameters) == ("Corrupt", {"path": aside})
    assert bench.core.apply(wanted, OPS).state == messages.PENDING


def test_numbers_count_up_over_restarts(bench: Bench) -> None:
    numbers = []
    for _ in range(3):
        trial = bench.apply(("vm.swappiness", "", "10"))
        bench.core.trials.revert(trial.id, OPS)
        numbers.append(trial.number)
        bench.restart()
    assert numbers == [1, 2, 3]


# -- the order of going back -----------------------------------------------------------------------


def test_a_third_partys_value_is_left_and_the_rest_put_back(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"), ("vm.overcommit_ratio", "", "90"))
    bench.kernel.files[VM + "swappiness"] = "33"
    ended = bench.core.trials.revert(trial.id, OPS)
    assert [item.status for item in ended.items] == ["drifted", "reverted"]
    assert not ended.complete
    assert bench.kernel.files == {**FILES, VM + "swappiness": "33"}


def test_a_third_partys_queue_length_survives_the_schedulers_return(bench: Bench) -> None:
    trial = bench.apply(("block.scheduler", "sda", "mq-deadline"))
    bench.kernel.files[QUEUE + "nr_requests"] = "77"
    ended = bench.core.trials.revert(trial.id, OPS)
    assert bench.kernel.files == {**FILES, QUEUE + "nr_requests": "77"}
    assert ended.items[0].status == messages.DRIFTED
    assert "block.nr_requests sda" in ended.items[0].note


def test_a_coupled_value_comes_back_with_its_partner(bench: Bench) -> None:
    bench.kernel.files[VM + "overcommit_ratio"] = "0"
    bench.kernel.files[VM + "overcommit_kbytes"] = "4096"
    before = bench.kernel.state()
    trial = bench.apply(("vm.overcommit_ratio", "", "90"))
    assert bench.kernel.files[VM + "overcommit_kbytes"] == "0"
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.state() == before
    # The ratio was never set to 0 itself: the other one does that, without a moment of none.
    assert bench.kernel.writes[-1] == (VM + "overcommit_kbytes", "4096")


def test_min_free_is_not_written_when_thp_brings_it_back(bench: Bench) -> None:
    trial = bench.apply(("thp.enabled", "", "never"))
    assert bench.kernel.files[VM + "min_free_kbytes"] == "5546"
    bench.core.trials.revert(trial.id, OPS)
    assert bench.kernel.state() == FILES
    assert all(path != VM + "min_free_kbytes" for path, _ in bench.kernel.writes)


def test_min_free_is_written_where_it_then_differs(bench: Bench) -> None:
    bench.kernel.files[VM + "min_free_kbytes"] = "90000"
    trial = bench.apply(("thp.enabled", "", "never"))
    bench.core.trials.revert(trial.id, OPS)
    assert bench.kernel.files[VM + "min_free_kbytes"] == "90000"
    assert bench.kernel.writes[-1] == (VM + "min_free_kbytes", "90000")


def test_a_disk_comes_back_scheduler_first_and_read_ahead_last(bench: Bench) -> None:
    trial = bench.apply(
        ("block.read_ahead_kb", "sda", "64"),
        ("block.scheduler", "sda", "mq-deadline"),
        ("block.nr_requests", "sda", "64"),
    )
    bench.kernel.writes.clear()
    bench.core.trials.revert(trial.id, OPS)
    assert bench.kernel.state() == FILES
    order = [path.rpartition("/")[2] for path, _ in bench.kernel.writes]
    assert order[0] == "scheduler"
    assert order[-1] == "read_ahead_kb"


def test_a_pool_comes_back_per_node(bench: Bench) -> None:
    trial = bench.apply(("hugepages.2048kB", "", "64"))
    assert bench.kernel.files[NODE + "node1/" + POOL] == "32"
    bench.core.trials.revert(trial.id, OPS)
    assert bench.kernel.state() == FILES


def test_a_pool_that_does_not_come_back_is_partial(bench: Bench) -> None:
    trial = bench.apply(("hugepages.2048kB", "", "0"))
    bench.kernel.pages = 5
    ended = bench.core.trials.revert(trial.id, OPS)
    assert ended.items[0].status == messages.PARTIAL
    assert not ended.complete


def test_a_disk_that_is_gone_or_another_is_left(bench: Bench) -> None:
    trial = bench.apply(
        ("block.read_ahead_kb", "sda", "64"),
        ("block.read_ahead_kb", "sdb", "64"),
        ("vm.swappiness", "", "1"),
    )
    bench.kernel.files = {
        path: text for path, text in bench.kernel.files.items() if "/sdb/" not in path
    }
    bench.kernel.files["/sys/block/sda/diskseq"] = "99"
    ended = bench.core.trials.revert(trial.id, OPS)
    assert [item.status for item in ended.items] == ["reverted", "vanished", "vanished"]
    assert bench.kernel.files[QUEUE + "read_ahead_kb"] == "64", "another disk: not ours to write"
    assert not ended.complete


def test_an_error_on_the_way_back_stops_nothing(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "1"), ("thp.defrag", "", "never"))

    def refuse(number: int) -> None:
        if number in (3, 5):  # and again, when all else is done
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    bench.kernel.before_write = refuse
    ended = bench.core.trials.revert(trial.id, OPS)
    assert sorted((item.status, item.errno) for item in ended.items) == [
        ("failed", "EBUSY"),
        ("reverted", None),
    ]
    assert not ended.complete


def test_entering_and_leaving_strict_accounting_never_passes_a_lower_limit(bench: Bench) -> None:
    entered = bench.apply(("vm.overcommit_memory", "", "2"), ("vm.overcommit_ratio", "", "90"))
    names = [path.rpartition("_")[2] for path, _ in bench.kernel.writes]
    assert names == ["ratio", "memory"]
    bench.kernel.writes.clear()
    bench.core.trials.revert(entered.id, OPS)
    assert bench.kernel.writes[0] == (VM + "overcommit_memory", "0")
    assert bench.kernel.state() == FILES


def test_thp_files_show_the_word(bench: Bench) -> None:
    bench.apply(("thp.enabled", "", "always"))
    assert bench.kernel.files[THP + "enabled"] == "[always] madvise never"
