"""What an undo would write: of one trial, and of all that was kept since the boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.client.peers import make_item, make_trial

from aitune_backends import undo
from aitune_helper.messages import Account, Along, Change, Item, Part, Past, Trial

if TYPE_CHECKING:
    from aitune_backends.demo import DemoMachine

BOOT = 1_700_000_000.0


def _trial(number: int, old: str, new: str, knob: str = "vm.swappiness") -> Trial:
    item = make_item(knob)._replace(old=old, requested=new, effective=new)
    return make_trial(item)._replace(id=f"{number:032x}", number=number, started=BOOT + 10 * number)


def test_the_net_effect_is_from_the_first_value_to_the_last() -> None:
    trials = [_trial(3, "20", "30"), _trial(2, "10", "20"), _trial(1, "60", "10")]
    assert undo.net_effect(trials) == (undo.Net("vm.swappiness", "", "60", "30"),)


def test_what_came_back_by_itself_has_no_net_effect() -> None:
    assert undo.net_effect([_trial(1, "60", "10"), _trial(2, "10", "60")]) == ()


def test_trials_of_another_boot_and_those_not_kept_do_not_count() -> None:
    reverted = _trial(2, "10", "20")._replace(state="reverted")
    # The clock says that the first was later than all others: boots are told apart by their ids.
    earlier = _trial(1, "60", "10")._replace(started=BOOT + 3600)
    trials = (_trial(3, "10", "30"), reverted, earlier)
    boots = ("now", "now", "before")
    accounts = [Account(trial.id, boot) for trial, boot in zip(trials, boots, strict=True)]
    past = Past(trials, tuple(accounts))
    here = undo.of_boot(past, "now")
    assert [trial.number for trial in here] == [3, 2]
    assert undo.net_effect(here) == (undo.Net("vm.swappiness", "", "10", "30"),)
    assert undo.reaches_beyond(past, "now")
    assert not undo.reaches_beyond(Past(trials[:2], tuple(accounts[:2])), "now")


def test_what_is_set_at_boot_goes_back_with_everything(demo: DemoMachine) -> None:
    saved = [_trial(number, "60", "60")._replace(persisted="yes") for number in (1, 2, 3)]
    undone = _trial(4, "60", "60")._replace(undo_of=saved[1].id)
    todo, lasting = undo.plan_undo_all(demo.host, [*saved, undone])
    assert [trial.number for trial in lasting] == [3, 1]
    assert todo.changes == (Change("vm.swappiness", "", "60"),), "a change that writes nothing"
    todo, lasting = undo.plan_undo_all(demo.host, [_trial(1, "30", "60")])
    assert (todo.changes, lasting) == ((Change("vm.swappiness", "", "30", "60"),), ())


def test_items_that_changed_nothing_are_left_out() -> None:
    same = make_item()._replace(effective="60", status="unchanged")
    unwritten = make_item("thp.enabled")._replace(effective=None)
    written = make_item("thp.defrag")._replace(old="a", effective="b")
    trial = make_trial(same, unwritten, written)
    assert undo.of_trial(trial) == (undo.Net("thp.defrag", "", "a", "b"),)


def test_the_newest_is_neither_an_undo_nor_undone() -> None:
    first, second = _trial(1, "60", "10"), _trial(2, "10", "20")
    back = _trial(3, "20", "10")._replace(undo_of=second.id)
    assert undo.newest([first, second]) == second
    assert undo.newest([back, second, first]) == first
    assert undo.newest([_trial(4, "1", "2")._replace(state="reverted")]) is None
    redone = back._replace(state="reverted")
    assert undo.newest([redone, second, first]) == second


def test_a_trial_is_found_by_number_and_by_the_start_of_its_id() -> None:
    one, other = _trial(1, "a", "b"), _trial(2, "a", "b")._replace(id="abcdef" + "0" * 26)
    assert undo.find([one, other], "2") == other
    assert undo.find([one, other], "abcd") == other
    assert undo.find([one, other], "abc") is None
    assert undo.find([one, one._replace(number=5)], "0000") is None


def test_a_plan_compares_with_what_is(demo: DemoMachine) -> None:
    nets = (
        undo.Net("vm.swappiness", "", "30", "60"),
        undo.Net("thp.enabled", "", "always", "never"),
        undo.Net("vm.overcommit_memory", "", "0", "1"),
        undo.Net("block.scheduler", "nvme9n9", "none", "kyber"),
    )
    todo = undo.plan_undo(demo.host, nets)
    assert todo.changes == (Change("vm.swappiness", "", "30", "60"),)
    assert [net.knob for net in todo.drifted] == ["thp.enabled", "block.scheduler"]
    assert [net.knob for net in todo.done] == ["vm.overcommit_memory"]
    forced = undo.plan_undo(demo.host, nets, force=True)
    assert Change("thp.enabled", "", "always", "madvise") in forced.changes
    assert [net.knob for net in forced.drifted] == ["block.scheduler"]


def test_a_pool_goes_back_node_by_node(demo: DemoMachine) -> None:
    item = make_item("vm.nr_hugepages")._replace(
        old="48",
        requested="0",
        effective="0",
        parts=(Part("node0", "48", "0"), Part("node1", "0", "0")),
    )
    todo = undo.plan_undo(demo.host, undo.of_trial(make_trial(item)))
    assert todo.changes == (
        Change("hugepages.2048kB", "node0", "48"),
        Change("hugepages.2048kB", "node1", "0"),
    )


def along(knob: str, old: str, now: str | None, *others: Along) -> Item:
    return make_item(knob)._replace(old=old, requested=now or "", effective=now, along=others)


def test_of_two_halves_of_a_limit_the_one_that_counted_is_written(demo: DemoMachine) -> None:
    size = along("vm.dirty_bytes", "0", "1073741824", Along("vm.dirty_ratio", "", "20", "0"))
    demo.kernel.write("/proc/sys/vm/dirty_bytes", "1073741824")
    todo = undo.plan_undo(demo.host, undo.of_trial(make_trial(size)))
    assert todo.changes == (Change("vm.dirty_ratio", "", "20", "0"),)
    neither = size._replace(along=(Along("vm.dirty_ratio", "", "0", "0"),))
    todo = undo.plan_undo(demo.host, undo.of_trial(make_trial(neither)))
    assert todo.changes == (Change("vm.dirty_bytes", "", "0", "1073741824"),)


def test_what_moves_along_goes_back_with_what_moved_it_and_not_without(
    demo: DemoMachine,
) -> None:
    requests = Along("block.nr_requests", "nvme0n1", "64", "256")
    moved = along("block.scheduler", "none", "mq-deadline", requests)
    trial = make_trial(moved._replace(instance="nvme0n1"))
    queue = "/sys/block/nvme0n1/queue/"
    demo.kernel.write(queue + "scheduler", "mq-deadline")
    todo = undo.plan_undo(demo.host, undo.of_trial(trial))
    assert set(todo.changes) == {
        Change("block.scheduler", "nvme0n1", "none", "mq-deadline"),
        Change("block.nr_requests", "nvme0n1", "64", "256"),
    }
    demo.kernel.write(queue + "nr_requests", "100")
    todo = undo.plan_undo(demo.host, undo.of_trial(trial))
    assert Change("block.nr_requests", "nvme0n1", "100", "100") in todo.changes, "somebody else's"
    forced = undo.plan_undo(demo.host, undo.of_trial(trial), force=True)
    assert Change("block.nr_requests", "nvme0n1", "64", "100") in forced.changes
    demo.kernel.write(queue + "scheduler", "none")
    assert undo.plan_undo(demo.host, undo.of_trial(trial)).changes == ()


def test_a_value_moved_along_first_and_set_later_goes_back_to_the_first(demo: DemoMachine) -> None:
    requests = Along("block.nr_requests", "nvme0n1", "64", "256")
    moved = along("block.scheduler", "none", "mq-deadline", requests)
    later = along("block.nr_requests", "256", "32")
    trials = [
        make_trial(item._replace(instance="nvme0n1"))._replace(id=f"{number:032x}", number=number)
        for number, item in ((1, moved), (2, later))
    ]
    nets = {net.knob: net for net in undo.net_effect(trials)}
    assert (nets["block.nr_requests"].first, nets["block.nr_requests"].last) == ("64", "32")
    assert all(net.own for net in nets.values())
