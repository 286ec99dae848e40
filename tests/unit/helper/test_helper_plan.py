"""What a plan refuses, warns of, and signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.helper.fake_kernel import TOTAL, VM, FakeKernel

from aitune_helper import messages, plan
from aitune_helper.messages import Change, Item, Part, Trial, from_object, to_object
from aitune_helper.plan import Refusal, make_plan


def why(*changes: tuple[str, str, str], kernel: FakeKernel | None = None) -> str:
    with pytest.raises(Refusal) as raised:
        make_plan(kernel or FakeKernel(), [Change(*change) for change in changes])
    return raised.value.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("vm.nonesuch", "", "1"), "there is no knob"),
        (("block.iosched.read_expire", "sda", "1"), "there is no knob"),
        (("vm.min_free_kbytes", "", "1"), "there is no knob"),
        (("vm.swappiness", "", "201"), "takes 0 to 200"),
        (("vm.swappiness", "node0", "1"), "has no instances"),
        (("hugepages.2048kB", "node7", "1"), "only: node0, node1"),
        (("hugepages.1048576kB", "", "1"), "this machine has no hugepages.1048576kB"),
        (("cpu.governor", "policy0", "performance"), "this machine has no cpu.governor"),
        (("block.scheduler", "", "none"), "needs an instance: sda, sdb"),
        (("block.scheduler", "sdz", "none"), "only: sda, sdb"),
        (("block.scheduler", "sda", "nonesuch"), "takes one of: none, mq-deadline, kyber, bfq"),
        (("thp.enabled", "", "sometimes"), "takes one of: always, madvise, never"),
    ],
)
def test_a_refusal_says_what_there_is_instead(change: tuple[str, str, str], reason: str) -> None:
    assert reason in why(change)


def test_no_scheduler_can_be_chosen_where_the_kernel_lists_none() -> None:
    kernel = FakeKernel()
    kernel.files["/sys/block/sda/queue/scheduler"] = "none"
    assert "nothing here" in why(("block.scheduler", "sda", "none"), kernel=kernel)


@pytest.mark.parametrize(
    "changes",
    [
        (("vm.swappiness", "", "1"), ("vm.swappiness", "", "2")),
        (("hugepages.2048kB", "", "4"), ("hugepages.2048kB", "node0", "2")),
        (("vm.nr_hugepages", "", "4"), ("hugepages.2048kB", "", "4")),
        (("hugepages.2048kB", "node1", "4"), ("vm.nr_hugepages", "", "4")),
    ],
)
def test_one_resource_in_two_ways_is_refused(changes: tuple[tuple[str, str, str], ...]) -> None:
    assert "two ways" in why(*changes) or "twice" in why(*changes)


def test_two_nodes_of_one_pool_are_two_targets() -> None:
    nodes = [Change("hugepages.2048kB", f"node{n}", "4") for n in (0, 1)]
    assert len(make_plan(FakeKernel(), nodes).items) == 2


def test_memory_is_guarded_and_force_is_the_way_around() -> None:
    change = Change("hugepages.2048kB", "", str(37 * 512))  # 40 GiB available, 4 GiB kept
    assert "have to stay; the most that is safe: " in why(change[:3])
    assert make_plan(FakeKernel(), [change], force=True).items
    assert make_plan(FakeKernel(), [change._replace(value=str(35 * 512))]).items


def test_two_gibibytes_are_kept_on_a_small_machine() -> None:
    kernel = FakeKernel()
    kernel.files["/proc/meminfo"] = "MemAvailable: 3145728 kB\nHugepagesize: 2048 kB"
    assert make_plan(kernel, [Change("hugepages.2048kB", "", "500")]).items
    assert "of which 2.0 GiB have to stay; the most that is safe: 522" in why(("hugepages.2048kB", "", "600"), kernel=kernel)


def test_strict_accounting_below_what_is_promised_is_refused() -> None:
    kernel = FakeKernel()
    kernel.files["/proc/meminfo"] += f"\nCommitted_AS: {60 * 2**20} kB"
    strict = ("vm.overcommit_memory", "", "2")
    assert "this session's too" in why(strict, kernel=kernel)
    ratio = Change("vm.overcommit_ratio", "", "100")
    assert make_plan(kernel, [Change(*strict), ratio]).items[-1].requested == "2"
    kernel.files[VM + "overcommit_memory"] = "2"
    assert "this session's too" in why(("vm.overcommit_ratio", "", "10"), kernel=kernel)


def test_an_item_says_what_is_there() -> None:
    made = make_plan(
        FakeKernel(),
        [
            Change("vm.swappiness", "", "60"),
            Change("thp.enabled", "", "never", "always"),
            Change("hugepages.2048kB", "", "4"),
            Change("block.scheduler", "sda", "bfq"),
        ],
    )
    swappiness, thp, pages, scheduler = made.items
    assert swappiness.status == messages.UNCHANGED
    assert (thp.status, thp.old) == (messages.STALE, "madvise")
    assert pages.path == TOTAL
    assert pages.parts == (Part("node0", "7"), Part("node1", "3"))
    assert (pages.undo, "may not come back" in pages.note) == ("best effort", True)
    assert "module" in scheduler.note
    assert any("scheduler" in warning for warning in made.warnings)


def test_the_hash_covers_changes_values_and_devices() -> None:
    def digest(kernel: FakeKernel, *changes: Change) -> str:
        return make_plan(kernel, changes).hash

    change = Change("block.read_ahead_kb", "sda", "64")
    first = digest(FakeKernel(), change)
    assert first == digest(FakeKernel(), change)
    assert first == digest(FakeKernel(), change._replace(expected="512"))
    assert first != digest(FakeKernel(), change._replace(value="128"))
    for path, text in (("queue/read_ahead_kb", "256"), ("diskseq", "9")):
        kernel = FakeKernel()
        kernel.files[f"/sys/block/sda/{path}"] = text
        assert digest(kernel, change) != first
    pool = Change("hugepages.2048kB", "", "64")
    kernel = FakeKernel()
    kernel.files.update(
        {
            f"/sys/devices/system/node/node{n}/hugepages/hugepages-2048kB/nr_hugepages": "5"
            for n in (0, 1)
        }
    )
    assert digest(kernel, pool) != digest(FakeKernel(), pool)


def test_planning_never_writes() -> None:
    kernel = FakeKernel()
    make_plan(kernel, [Change("vm.swappiness", "", "1"), Change("hugepages.2048kB", "", "99")])
    assert kernel.writes == []


def test_an_unreadable_target_is_refused_with_its_errno() -> None:
    kernel = FakeKernel()
    kernel.files["/sys/block/sda/queue/read_ahead_kb/x"] = ""
    del kernel.files["/sys/block/sda/queue/read_ahead_kb"]
    assert "ENOENT" in why(("block.read_ahead_kb", "sda", "4"), kernel=kernel)


@given(st.text(max_size=200))
def test_any_meminfo_can_be_read(text: str) -> None:
    assert plan.parse_memory(text).available >= 0


# -- records as JSON -------------------------------------------------------------------------------


def trial() -> Trial:
    item = Item("vm.swappiness", "", "/x", "60", "10", parts=(Part("node0", "1", None),))
    return Trial("0" * 32, 1, 0, "root", True, None, 1.5, None, messages.KEPT, (item,))


def test_records_are_read_as_they_were_made() -> None:
    assert from_object(Trial, to_object(trial()), strict=True) == trial()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 1), ("number", "1"), ("number", True), ("attested", 1), ("tty", 3),
        ("started", "now"), ("items", {}), ("items", [1]), ("deadline", "x"), ("state", None),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_refused(field: str, value: object) -> None:
    made = to_object(trial())
    assert isinstance(made, dict)
    with pytest.raises(ValueError, match=field if field != "items" else "Trial.items|Item must"):
        from_object(Trial, {**made, field: value})


def test_unknown_fields_pass_in_a_reply_and_not_in_a_request() -> None:
    change = {"knob": "a", "instance": "", "value": "1", "path": "/etc/passwd"}
    assert from_object(Change, change) == Change("a", "", "1")
    with pytest.raises(ValueError, match="no field 'path'"):
        from_object(Change, change, strict=True)
    with pytest.raises(ValueError, match=r"Change\.value is missing"):
        from_object(Change, {"knob": "a", "instance": ""})
