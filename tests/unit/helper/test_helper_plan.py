"""What a plan refuses, warns of, and signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.helper.fake_kernel import TOTAL, VM, FakeKernel

from aitune_helper import messages, plan
from aitune_helper.messages import Along, Change, Item, Part, Trial, from_object, to_object
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
        (("vm.min_free_kbytes", "", "1"), "takes 1024 to"),
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
    assert "of which 2.0 GiB have to stay; the most that is safe: 522" in why(
        ("hugepages.2048kB", "", "600"), kernel=kernel
    )


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


POLICIES = "/sys/devices/system/cpu/cpufreq/"


def with_preferences(*, governor: str = "powersave") -> FakeKernel:
    kernel = FakeKernel()
    for policy in ("policy0", "policy1"):
        kernel.files |= {
            f"{POLICIES}{policy}/scaling_governor": governor,
            f"{POLICIES}{policy}/scaling_available_governors": "performance powersave",
            f"{POLICIES}{policy}/energy_performance_preference": "balance_power",
            f"{POLICIES}{policy}/energy_performance_available_preferences": (
                "default performance balance_performance balance_power power"
            ),
        }
    return kernel


def test_a_preference_needs_a_governor_that_leaves_one() -> None:
    epp, governor = ("cpu.epp", "policy0", "power"), ("cpu.governor", "policy0", "performance")
    assert make_plan(with_preferences(), [Change(*epp)]).items
    stiff = with_preferences(governor="performance")
    assert "performance alone" in why(epp, kernel=stiff), "now"
    assert "performance alone" in why(epp, governor, kernel=with_preferences()), "after this plan"
    assert make_plan(stiff, [Change("cpu.epp", "policy0", "performance")]).items
    other = Change("cpu.governor", "policy1", "performance")
    assert make_plan(with_preferences(), [Change(*epp), other]).items, "another policy"
    eased = make_plan(stiff, [Change(*epp), Change("cpu.governor", "policy0", "powersave")])
    assert [item.knob for item in eased.items] == ["cpu.governor", "cpu.epp"], "in this order"
    assert "takes one of: performance, balance_performance" in why(
        ("cpu.epp", "policy0", "default"), kernel=with_preferences()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vm.dirty_ratio", "vm.dirty_bytes"),
        ("vm.dirty_background_ratio", "vm.dirty_background_bytes"),
        ("vm.overcommit_ratio", "vm.overcommit_kbytes"),
    ],
)
def test_one_limit_is_not_said_in_two_ways(one: str, other: str) -> None:
    kernel = FakeKernel()
    kernel.files |= {f"/proc/sys/{name.replace('.', '/')}": "20" for name in (one, other)}
    changes = [(one, "", "30"), (other, "", "1048576")]
    for pair in (changes, changes[::-1]):
        assert "to 0: name one of them" in why(*pair, kernel=kernel)
    assert make_plan(kernel, [Change(*changes[0]), Change("vm.swappiness", "", "1")]).items


def test_there_is_nothing_to_balance_on_one_node() -> None:
    kernel, balance = FakeKernel(), ("kernel.numa_balancing", "", "0")
    online = "/sys/devices/system/node/online"
    kernel.files |= {"/proc/sys/kernel/numa_balancing": "1", online: "0-1"}
    assert make_plan(kernel, [Change(*balance)]).items
    kernel.files[online] = "0"
    assert "one node" in why(balance, kernel=kernel)


def test_a_request_is_no_larger_than_the_hardware_takes() -> None:
    kernel = FakeKernel()
    queue = "/sys/block/sda/queue/"
    kernel.files |= {queue + "max_sectors_kb": "512", queue + "max_hw_sectors_kb": "1024"}
    assert make_plan(kernel, [Change("block.max_sectors_kb", "sda", "1024")]).items
    for value in ("1025", "2147483647"):
        assert "at most 1024 here" in why(("block.max_sectors_kb", "sda", value), kernel=kernel)


def test_less_than_two_pages_of_written_data_cannot_be() -> None:
    kernel = FakeKernel()
    kernel.files[VM + "dirty_bytes"] = "0"
    for value in ("0", "4096", "8192", "131071"):  # two pages are 128 KiB where one is 64 KiB
        assert "takes 131072 to" in why(("vm.dirty_bytes", "", value), kernel=kernel)
    assert make_plan(kernel, [Change("vm.dirty_bytes", "", "131072")]).items


def test_a_limit_as_an_amount_is_guarded_as_one_as_a_share() -> None:
    kernel = FakeKernel()
    kernel.files[VM + "overcommit_memory"] = "2"
    amount = ("vm.overcommit_kbytes", "", "1000000")  # 1 GiB is promised
    assert "this session's too" in why(amount, kernel=kernel)
    assert make_plan(kernel, [Change(*amount[:2], "2000000")]).items
    kernel.files |= {VM + "overcommit_ratio": "0", VM + "overcommit_kbytes": "1000000"}
    assert "this session's too" in why(("vm.overcommit_memory", "", "2"), kernel=kernel)


def test_what_cannot_be_written_here_is_refused_before_it_is_tried() -> None:
    kernel = FakeKernel()
    kernel.read_only = {VM + "swappiness"}
    assert "EROFS" in why(("vm.swappiness", "", "1"), kernel=kernel)
    assert make_plan(kernel, [Change("thp.defrag", "", "defer")]).items


def test_order_is_that_of_the_table() -> None:
    kernel = with_preferences()
    queue = "/sys/block/sda/queue/"
    kernel.files |= {queue + "max_sectors_kb": "512", queue + "max_hw_sectors_kb": "1024"}
    wanted = [
        ("block.read_ahead_kb", "sda", "64"),
        ("block.max_sectors_kb", "sda", "256"),
        ("block.nr_requests", "sda", "32"),
        ("block.scheduler", "sda", "kyber"),
        ("cpu.epp", "policy0", "power"),
        ("cpu.governor", "policy0", "powersave"),
        ("vm.swappiness", "", "1"),
        ("vm.overcommit_memory", "", "1"),
    ]
    made = make_plan(kernel, [Change(*change) for change in wanted])
    names = [item.knob for item in made.items]
    assert names.index("cpu.governor") < names.index("cpu.epp")
    disk = [name for name in names if name.startswith("block.")]
    assert disk == [name for name, _, _ in wanted[3::-1]]
    assert names[0] == "vm.overcommit_memory"


def test_an_item_says_what_moves_along_and_why_its_undo_is_not_exact() -> None:
    kernel = FakeKernel()
    kernel.files["/sys/block/sda/queue/iosched/read_lat_nsec"] = "7"
    changes = [
        Change("block.scheduler", "sda", "kyber"),
        Change("vm.overcommit_kbytes", "", "9"),
        Change("hugepages.2048kB", "", "4"),
        Change("vm.swappiness", "", "4"),
    ]
    items = {item.knob: item for item in make_plan(kernel, changes).items}
    assert items["block.scheduler"].along == (
        Along("block.nr_requests", "sda", "128"),
        Along("block.iosched.read_lat_nsec", "sda", "7"),
        Along("block.read_ahead_kb", "sda", "512"),
    )
    assert items["vm.overcommit_kbytes"].along == (Along("vm.overcommit_ratio", "", "50"),)
    assert items["hugepages.2048kB"].undo == "best effort"
    assert "fragments" in items["hugepages.2048kB"].note
    assert (items["vm.swappiness"].undo, items["vm.swappiness"].note) == ("exact", "")


def test_what_was_there_before_may_be_put_back_though_it_is_not_offered() -> None:
    kernel = FakeKernel()
    kernel.files |= {VM + "dirty_bytes": "0", VM + "dirty_ratio": "20"}
    option = Change("block.iosched.read_expire", "sda", "77")
    few = Change("vm.dirty_bytes", "", "8192")

    def former(*target: str) -> bool:
        return target in {option[:3], few[:3]}

    for change in (option, few):
        with pytest.raises(Refusal):
            make_plan(kernel, [change])
        with pytest.raises(Refusal):
            make_plan(kernel, [change._replace(value="8191")], former=former)
    later, now = make_plan(kernel, [few, option], former=former).items[::-1]
    assert (later.old, later.requested) == ("", "77"), "it comes with its scheduler"
    assert (now.old, now.requested) == ("0", "8192")
    with pytest.raises(Refusal, match="there is no knob"):
        make_plan(kernel, [option._replace(instance="sdz")], former=former)


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
