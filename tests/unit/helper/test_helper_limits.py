"""Limits that a machine sets: what it can, a least and its most, memory, and what is refused."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS
from tests.unit.helper.fake_kernel import FILES, LIMITED, POLICY, VM, FakeKernel

from aitune_helper import messages, steps
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Change
from aitune_helper.plan import Refusal, make_plan

if TYPE_CHECKING:
    from tests.unit.helper.conftest import Bench

SURPLUS = "/sys/kernel/mm/hugepages/hugepages-{}kB/nr_overcommit_hugepages"
COMPRESSOR = "/sys/module/zswap/parameters/compressor"


PAIRS = (("cpu.min_freq", "cpu.max_freq", "policy0", 100_000),
         ("cpu.min_perf_pct", "cpu.max_perf_pct", "", 5))  # fmt: skip


def why(kernel: FakeKernel, *changes: Change) -> str:
    with pytest.raises(Refusal) as raised:
        make_plan(kernel, changes)
    return raised.value.reason


@pytest.mark.parametrize(("low", "high", "instance", "step"), PAIRS)
@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("swapped", [True, False])
def test_a_pair_of_limits_is_never_cut_on_its_way(
    low: str, high: str, instance: str, step: int, *, up: bool, swapped: bool
) -> None:
    """Both go beyond where the other was: there, and back by the same order."""
    kernel = FakeKernel(LIMITED)
    if not up:
        for knob, value in ((high, 20 * step), (low, 20 * step)):
            kernel.files[KNOBS[knob].file(instance)] = str(value)
    values = (19 * step, 20 * step) if up else (8 * step, 9 * step)
    wanted = {low: values[0], high: values[1]}
    changes = [Change(knob, instance, str(value)) for knob, value in wanted.items()]
    before = kernel.state()
    items = make_plan(kernel, changes[::-1] if swapped else changes).items
    for item in items:
        came = steps.write_item(
            kernel, item, force=False, cancelled=lambda: False, on_step=lambda _: None
        )
        assert (came.status, came.effective) == (messages.OK, item.requested)
    back = [Change(item.knob, instance, item.old) for item in items]
    for item in make_plan(kernel, back).items:
        kernel.write(item.path, item.requested)
    assert kernel.state() == before


@pytest.mark.parametrize(("low", "high", "instance", "step"), PAIRS)
def test_a_least_above_its_most_is_refused_for_the_plan_as_a_whole(
    low: str, high: str, instance: str, step: int
) -> None:
    kernel = FakeKernel(LIMITED)
    too_high = Change(low, instance, str(19 * step))
    assert f"above {high}" in why(kernel, too_high)
    too_low = Change(high, instance, str(8 * step))
    least = Change(low, instance, str(9 * step))
    assert f"above {high}" in why(kernel, too_low, least)
    room = Change(high, instance, str(20 * step))
    assert len(make_plan(kernel, (too_high, room)).items) == 2


@pytest.mark.parametrize("knob", ["cpu.min_freq", "cpu.max_freq"])
@pytest.mark.parametrize(("value", "reason"), [("799999", "at least 800000"),
                                               ("3000001", "at most 3000000")])  # fmt: skip
def test_a_frequency_is_one_that_the_policy_can(knob: str, value: str, reason: str) -> None:
    assert reason in why(FakeKernel(LIMITED), Change(knob, "policy0", value))


def test_limits_come_back_whole_after_a_trial(bench: Bench) -> None:
    bench.kernel.files.update(LIMITED)
    before = bench.kernel.state()
    trial = bench.apply(
        ("cpu.min_freq", "policy0", "2500000"), ("cpu.max_freq", "policy0", "2600000"),
        ("cpu.min_perf_pct", "", "80"), ("cpu.max_perf_pct", "", "90"),
    )  # fmt: skip
    assert {item.status for item in trial.items} == {messages.OK}
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.state() == before


def test_a_frequency_between_two_of_the_driver_s_table_is_rounded_to_one(bench: Bench) -> None:
    """acpi-cpufreq keeps the highest of its table that is within the limit."""
    bench.kernel.files.update(LIMITED)
    most = POLICY + "scaling_max_freq"

    def keep_one_of_the_table(number: int) -> None:
        if bench.kernel.files[most] == "2600000":
            bench.kernel.files[most] = "2450000"

    bench.kernel.after_write = keep_one_of_the_table
    trial = bench.apply(("cpu.max_freq", "policy0", "2600000"))
    assert (trial.state, trial.items[0].status) == (messages.PENDING, messages.ROUNDED)
    assert trial.items[0].note == "the kernel keeps 2450000"


def test_a_limit_that_is_shown_late_is_waited_for_there_and_back(bench: Bench) -> None:
    """What the file says is made by a work of the kernel, a moment after the write."""
    bench.kernel.files.update(LIMITED)
    before = bench.kernel.state()
    _show_late(bench.kernel, POLICY + "scaling_max_freq")
    trial = bench.apply(("cpu.max_freq", "policy0", "2600000"))
    assert [(item.status, item.effective) for item in trial.items] == [(messages.OK, "2600000")]
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.state() == before


def test_a_limit_that_boost_moves_late_is_nobody_else_s(bench: Bench) -> None:
    boost, most = KNOBS["cpu.boost"].path, POLICY + "scaling_max_freq"
    bench.kernel.files.update({**LIMITED, boost: "1"})
    before = bench.kernel.state()

    def set_anew(number: int) -> None:
        if bench.kernel.writes[-1][0] == boost:
            bench.kernel.files[most] = "2000000"

    bench.kernel.after_write = set_anew
    _show_late(bench.kernel, most)
    trial = bench.apply(("cpu.boost", "", "0"))
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.state() == before


def _show_late(kernel: FakeKernel, file: str) -> None:
    """Have a file read as before twice after each change of it."""
    read = kernel.read
    shown, left = read(file), 2

    def late(path: str) -> str:
        nonlocal shown, left
        if path != file:
            return read(path)
        if read(file) != shown and left:
            left -= 1
        else:
            shown, left = read(file), 2
        return shown

    kernel.read = late  # type: ignore[method-assign]


def test_cores_that_are_offline_say_so() -> None:
    kernel = FakeKernel(LIMITED)

    def read(path: str) -> str:
        if path.startswith(POLICY):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        return FakeKernel.read(kernel, path)

    kernel.read = read  # type: ignore[method-assign]
    assert "its cores are offline" in why(kernel, Change("cpu.max_freq", "policy0", "2000000"))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("hugepages.1048576kB.surplus", "1", "never made on demand"),
        ("hugepages.2048kB.surplus", "-1", "takes a whole number"),
    ],
)
def test_a_surplus_that_cannot_be_is_refused(name: str, value: str, reason: str) -> None:
    kernel = FakeKernel()
    kernel.files |= {SURPLUS.format(size): "0" for size in (2048, 1048576)}
    assert reason in why(kernel, Change(name, "", value))


def test_a_surplus_under_both_its_names_is_refused() -> None:
    kernel = FakeKernel()
    kernel.files |= {SURPLUS.format(2048): "0", VM + "nr_overcommit_hugepages": "0"}
    other = Change("vm.nr_overcommit_hugepages", "", "5")
    assert "in two ways" in why(kernel, other, Change("hugepages.2048kB.surplus", "", "5"))
    assert len(make_plan(kernel, (other, Change("vm.nr_hugepages", "", "11"))).items) == 2


def test_where_the_default_size_is_gigantic_its_other_name_is_refused_too() -> None:
    kernel = FakeKernel()
    kernel.files |= {
        VM + "nr_overcommit_hugepages": "0",
        "/proc/meminfo": "MemAvailable: 8388608 kB\nHugepagesize: 1048576 kB",
    }
    reason = why(kernel, Change("vm.nr_overcommit_hugepages", "", "1"))
    assert "never made on demand" in reason


@pytest.mark.parametrize(
    ("available_gib", "value", "reason"),
    [
        (40, "3355443", ""),
        (40, "3355444", "a twentieth of the memory"),
        (5, "3355443", "have to stay"),
        (5, "1023", "takes 1024 to"),
    ],
)
def test_no_more_is_kept_free_than_can_be_spared(
    available_gib: int, value: str, reason: str
) -> None:
    kernel = FakeKernel()
    kernel.files["/proc/meminfo"] = (
        f"MemTotal: {64 << 20} kB\nMemAvailable: {available_gib << 20} kB\nHugepagesize: 2048 kB"
    )
    change = Change("vm.min_free_kbytes", "", value)
    if reason:
        assert reason in why(kernel, change)
        return
    (item,) = make_plan(kernel, (change,)).items
    assert (item.undo, "until the next boot" in item.note) == ("best effort", True)


def test_force_does_not_keep_half_of_the_memory_free() -> None:
    change = Change("vm.min_free_kbytes", "", str(32 << 20))
    with pytest.raises(Refusal, match="twentieth"):
        make_plan(FakeKernel(), (change,), force=True)
    before = (change.knob, change.instance, change.value)
    assert make_plan(FakeKernel(), (change,), force=True, former=lambda *of: of == before).items


def test_what_is_kept_free_goes_back_as_far_as_it_can(bench: Bench) -> None:
    trial = bench.apply(("vm.min_free_kbytes", "", "135168"))
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.files[VM + "min_free_kbytes"] == "67584"


@pytest.mark.parametrize("value", ["0", "1", "2"])
def test_whether_a_machine_panics_goes_there_and_back(bench: Bench, value: str) -> None:
    """Never tried on a real kernel: it might."""
    bench.kernel.files[VM + "panic_on_oom"] = "1"
    trial = bench.apply(("vm.panic_on_oom", "", value))
    assert bench.kernel.files[VM + "panic_on_oom"] == value
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert bench.kernel.files[VM + "panic_on_oom"] == "1"


def test_a_word_that_the_kernel_does_not_find_is_no_vanished_file() -> None:
    kernel = FakeKernel({COMPRESSOR: "lzo"})
    (item,) = make_plan(kernel, (Change("zswap.compressor", "", "zstd"),)).items

    def refuse(number: int) -> None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), COMPRESSOR)

    kernel.before_write = refuse
    came = steps.write_item(
        kernel, item, force=False, cancelled=lambda: False, on_step=lambda _: None
    )
    assert (came.status, came.errno, came.effective) == (messages.FAILED, "ENOENT", "lzo")


def test_strict_accounting_counts_what_only_root_may_take() -> None:
    """1 GiB is promised: a limit above it is none where the reserve for root takes it away."""
    reserve = {VM + "admin_reserve_kbytes": "8192"}
    strict = Change("vm.overcommit_memory", "", "2")
    amount, kept = Change("vm.overcommit_kbytes", "", "1100000"), "vm.admin_reserve_kbytes"
    kernel = FakeKernel({**FILES, **reserve})
    assert len(make_plan(kernel, [strict, amount]).items) == 2
    assert "every next allocation" in why(kernel, strict, amount, Change(kept, "", "16777216"))
    kernel.files[VM + "admin_reserve_kbytes"] = "16777216"
    assert "every next allocation" in why(kernel, strict, amount)
    kernel = FakeKernel({**FILES, **reserve, VM + "overcommit_memory": "2"})
    assert len(make_plan(kernel, [Change(kept, "", "16384")]).items) == 1
    everything = Change(kept, "", "16777216")
    kernel.files[VM + "overcommit_ratio"] = "20"
    assert "allow 0 MiB" in why(kernel, everything)
    assert len(make_plan(kernel, [everything], force=True).items) == 1


def test_half_of_a_limit_that_stays_as_it_is_counts_for_nothing() -> None:
    """The ratio counts; an amount of 0 beside it is what there is, and is not written."""
    strict, amount = (
        Change("vm.overcommit_memory", "", "2"),
        Change("vm.overcommit_kbytes", "", "0"),
    )
    assert len(make_plan(FakeKernel(FILES), [strict, amount]).items) == 2


@pytest.mark.parametrize("text", ["", "x", "9" * 5000, "\u0967", "1 2"])
@pytest.mark.parametrize("knob", ["vm.nr_hugepages", "vm.min_free_kbytes", "vm.swappiness"])
def test_a_number_that_is_none_is_said(knob: str, text: str) -> None:
    """As in a capture that is damaged, or means ill."""
    kernel = FakeKernel({**FILES, KNOBS[knob].file(): text})
    assert why(kernel, Change(knob, "", "50")) == f"{knob} cannot be read: it holds no number"


@pytest.mark.parametrize("text", ["x", "9" * 5000])
def test_a_limit_that_is_no_number_is_said(text: str) -> None:
    kernel = FakeKernel({**FILES, VM + "overcommit_ratio": text})
    strict = Change("vm.overcommit_memory", "", "2")
    assert why(kernel, strict) == "memory cannot be checked (no number)"
