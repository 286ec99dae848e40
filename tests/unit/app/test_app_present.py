"""From records to rows and words: what the screens are given to draw."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.readings import Cpu, Disk, LoadSeen, Memory, Policy, Pressure, Sample
from aitune_backends.targets import ABSENT, DIFFERS, INERT, INFO, OK, UNREAD, TargetStatus
from aitune_tui import present_machine, present_memory, present_pages, present_settings
from aitune_tui import state as rules
from aitune_tui.history import History, Projection
from aitune_tui.present_frame import gpu_text
from aitune_tui.present_load import LoadTrack, times
from aitune_tui.selection import Target, select
from aitune_tui.state import State
from aitune_tui.words import duration, joined_numbers, size_text, steady

GIB = 2**30


def status(
    knob: str, instance: str, value: str | None, advised: str | None = None, state: str = OK
) -> TargetStatus:
    return TargetStatus(
        knob, instance, f"/x/{knob}/{instance}", value, "", (), advised, state, "", None, None, 0
    )


def memory(available: float = 100.0) -> Memory:
    return Memory(
        total=128 * GIB, free=100 * GIB, available=int(available * GIB), cache=10 * GIB,
        anonymous=8 * GIB, shared=0, huge_pages=0, swap_total=0, swap_free=0,
        committed=9 * GIB, commit_limit=64 * GIB,
    )  # fmt: skip


def policy(number: int, governor: str, khz: int | None) -> Policy:
    return Policy(
        f"policy{number}", (number,), "made-up", governor, ("performance", "powersave"),
        khz, 800_000, 3_800_000, 800_000, 3_800_000,
    )  # fmt: skip


def disk(name: str, **given: object) -> Disk:
    made = Disk(name, 10**12, "", False, 0, "none", ("none",), 128, 1023, 0, 1.5e9, 0.0, (), "")
    return replace(made, **given)  # type: ignore[arg-type]  # a test names the fields it means


def sample(at: float = 1.0, **given: object) -> Sample:
    made = Sample(at, at, memory(), Pressure(), (), (), (), ())
    return replace(made, **given)  # type: ignore[arg-type]  # a test names the fields it means


SPLIT = State(
    goal="inference",
    default_pool_kib=2048,
    sample=sample(
        cpus=tuple(Cpu(n, n // 2, True, 0.5) for n in range(4)),
        policies=(
            policy(0, "performance", 3_800_000), policy(1, "performance", 3_600_000),
            policy(2, "powersave", 800_000), policy(3, "powersave", None),
        ),
    ),
    statuses=(
        status("hugepages.2048kB", "", "0", state=INFO),
        status("hugepages.2048kB", "node0", "0", state=INFO),
        status("hugepages.2048kB", "node1", "0", state=INFO),
        status("vm.overcommit_memory", "", "0", "0"),
        status("vm.overcommit_ratio", "", "50", "50", INERT),
        status("kernel.numa_balancing", "", "1", "0", DIFFERS),
        status("vm.swappiness", "", None, state=UNREAD),
        status("cpu.governor", "policy0", "performance", "performance"),
        status("cpu.governor", "policy1", "performance", "performance"),
        status("cpu.governor", "policy2", "powersave", "performance", DIFFERS),
        status("cpu.governor", "policy3", "powersave", "performance", DIFFERS),
        status("block.scheduler", "nvme0n1", "none", "none"),
        status("block.read_ahead_kb", "nvme0n1", "128", "4096", DIFFERS),
        status("block.read_ahead_kb", "nvme1n1", "128", "4096", DIFFERS),
        status("block.scheduler", "md0", None, state=ABSENT),
    ),
)  # fmt: skip


def row(state: State, key: str) -> tuple[str, str, str, str]:
    rows = (*present_pages.memory_rows(state), *present_pages.cpu_rows(state))
    found = next(row for row in rows if row.key == key)
    return found.value, found.new, found.glyph, found.word


def test_of_one_limit_in_two_units_the_one_that_counts_is_shown() -> None:
    def shown(*values: str, **more: object) -> list[str]:
        pair = zip(("vm.dirty_ratio", "vm.dirty_bytes"), values, strict=True)
        statuses = tuple(status(knob, "", value, state=INFO) for knob, value in pair)
        state = replace(SPLIT, statuses=statuses, unfolded=True, **more)  # type: ignore[arg-type]  # as named
        rows = present_pages.memory_rows(state)
        return [row.key for row in rows if not row.heading and row.key != present_pages.FOLD_KEY]

    assert shown("20", "0") == ["vm.dirty_ratio"]
    assert shown("0", "8192") == ["vm.dirty_bytes"]
    assert shown("0", "0") == ["vm.dirty_ratio", "vm.dirty_bytes"]
    assert shown("20", "0", filter_text="bytes") == ["vm.dirty_bytes"]
    staged = {Target("vm.dirty_bytes", ""): "8192000"}
    assert shown("20", "0", staged=staged) == ["vm.dirty_ratio", "vm.dirty_bytes"]


def test_rows_say_value_advice_and_state() -> None:
    assert row(SPLIT, "kernel.numa_balancing") == ("1", "0", "▲", "differs")
    assert row(SPLIT, "vm.overcommit_memory") == ("0", "", "✓", "ok")
    assert row(SPLIT, "vm.overcommit_ratio") == ("50", "", "○", "inert")
    assert row(SPLIT, "vm.swappiness") == ("–", "", "✗", "unread")
    assert row(SPLIT, "hugepages.2048kB@*") == ("0, 0", "", "", "")


def test_several_values_are_counted_and_grouped_never_averaged() -> None:
    assert row(SPLIT, "cpu.governor") == ("2 values", "performance", "▲", "differs")
    rows = {row.key: row for row in present_pages.cpu_rows(SPLIT)}
    assert list(rows) == ["cpu.governor", "cpu.governor@policy0+", "cpu.governor@policy2+"]
    assert rows["cpu.governor@policy2+"].label == "node1 cpu 2–3"


def test_staged_and_tried_come_before_advice_and_inert_stays_inert() -> None:
    state = rules.stage(
        SPLIT, [(Target("vm.overcommit_ratio"), "90"), (Target("hugepages.2048kB", "node1"), "8")]
    )
    assert row(state, "vm.overcommit_ratio") == ("50", "90", "◆", "inert")
    assert row(state, "hugepages.2048kB@*") == ("0, 0", "0, 8", "◆", "staged")
    assert present_settings.memory_counts(state).staged == 2


def test_settings_are_counted_not_files() -> None:
    counts = present_settings.all_counts(SPLIT)
    assert counts.differ == 3
    assert present_settings.block_counts(SPLIT).differ == 1
    state = rules.stage(
        SPLIT, [(Target("block.read_ahead_kb", f"nvme{n}n1"), "4096") for n in (0, 1)]
    )
    assert present_settings.block_counts(state) == (0, 1, 0, 0)


def test_the_work_list_has_one_row_for_each_setting() -> None:
    rows = present_settings.work_rows(SPLIT)
    assert [(row.key, row.panel) for row in rows] == [
        ("vm.swappiness", "1"),
        ("kernel.numa_balancing", "1"),
        ("cpu.governor@policy2+", "2"),
        ("block.read_ahead_kb@nvme0n1+", "3"),
    ]
    labels = {row.label for row in rows}
    assert "cpu.governor  node1" in labels
    assert "block.read_ahead_kb  2 × nvme" in labels
    assert not present_settings.work_rows(replace(SPLIT, filter_text="nothing like it"))


def test_a_part_of_a_node_is_not_named_as_the_node() -> None:
    staged = rules.stage(SPLIT, [(Target("cpu.governor", "policy0"), "powersave")])
    labels = {row.label for row in present_settings.work_rows(staged)}
    assert "cpu.governor  node0 cpu 0" in labels
    assert present_settings.instances_label(("16kB", "64kB")) == "2 sizes"


def test_cores_are_cells_by_node() -> None:
    nodes = present_machine.node_cores(SPLIT)
    assert [node.cpus for node in nodes] == [(0, 1), (2, 3)]
    assert list(nodes[0].heights) == pytest.approx([1.0, 0.95])
    assert nodes[1].heights[1] is None, "an unknown frequency is not zero"
    assert nodes[1].differs == (True, True)
    assert (nodes[0].governor, nodes[1].governor) == ("performance", "powersave")
    assert present_machine.node_cores(State(goal="inference")) == ()


def test_without_cpufreq_height_is_how_busy() -> None:
    assert SPLIT.sample is not None
    state = replace(SPLIT, sample=replace(SPLIT.sample, policies=()))
    node = present_machine.node_cores(state)[0]
    assert node.heights == (0.5, 0.5)
    assert node.mean_ghz == "–"
    assert "busy" in present_machine.grid_legend(state.sample)


def test_disks_come_first_and_what_is_made_of_them_after() -> None:
    history = History()
    disks = (disk("loop0"), disk("md0", slaves=("nvme0n1",)), disk("nvme0n1"))
    taken = sample(disks=disks)
    history.add(taken)
    rows = present_machine.disk_rows(replace(SPLIT, sample=taken), history)
    assert [row.name for row in rows] == ["nvme0n1", "md0", "loop0"]
    assert rows[0].advised_read_ahead == "4096"
    assert (rows[1].scheduler.text, rows[1].scheduler.glyph) == ("absent", "–")
    assert history.latest is not None
    assert history.latest.read == pytest.approx(3.0), "md0 only passes on what its disks read"


def test_facts_of_memory_name_each_pool() -> None:
    text = "\n".join("".join(part for part, _ in line) for line in present_memory.facts(SPLIT))
    assert "9.0 of 64.0 GiB  a limit only in mode 2" in text


@given(
    st.lists(st.tuples(st.floats(0.1, 5), st.none() | st.floats(0, 1e6)), max_size=60),
    st.integers(1, 400),
)
def test_history_gives_one_value_a_second(
    steps: list[tuple[float, float | None]], seconds: int
) -> None:
    history, at = History(), 100.0
    for step, available in steps:
        at += step
        amount = replace(memory(), available=None if available is None else int(available))
        history.add(sample(at, memory=amount))
    series = history.series(at, seconds, lambda point: point.available)
    assert len(series) == seconds
    if steps:
        last = steps[-1][1]
        assert series[-1] == (None if last is None else int(last) / GIB)


def test_the_projection_needs_two_ticks_and_leaves_after_ten_calm_seconds() -> None:
    projection = Projection()
    for at, available in ((0, 100.0), (1, 99.0), (2, 90.0)):
        projection.add(at, available)
    foreseen = [projection.seconds]
    projection.add(3, 80.0)
    foreseen.append(projection.seconds)
    for at in range(4, 13):
        projection.add(at, 1000.0)
    foreseen.append(projection.seconds)
    projection.add(14, 1000.0)
    foreseen.append(projection.seconds)
    assert foreseen == [None, pytest.approx(80 / (20 / 3)), pytest.approx(12.0), None]


def test_a_slow_fall_is_no_alarm() -> None:
    projection = Projection()
    for at in range(30):
        projection.add(at, 1000.0 - at)
    assert projection.seconds is None


def load(done: int, rate: float | None = 6e9, eta: float | None = 52.0) -> LoadSeen:
    return LoadSeen(1, "vllm", "model", 4, 1, done, 800 * 10**9, rate, eta, "It reads.")


def test_the_time_left_has_its_range_and_waits_for_five_seconds() -> None:
    track = LoadTrack()
    for at in range(9):
        seen = load(int(400e9 + at * 6e9 + (at % 2) * 1e9))
        track.add(sample(at, loads=(seen,)))
        if at == 3:
            assert times(seen, track, at) == ("measuring…", "")
    left, range_ = times(seen, track, 8)
    assert left == "52 s left"
    low, high = (float(part.split()[0]) for part in range_.split(" – "))
    assert low < 352 / 6 < high


def test_words() -> None:
    assert [duration(s) for s in (52, 69, 60, 601, 8220)] == [
        "52 s", "1 min 9 s", "1 min", "10 min", "2 h 17 min",
    ]  # fmt: skip
    assert [steady(s) for s in (52.4, 123, 1000)] == [52, 125, 1020]
    assert joined_numbers((0, 1, 2, 5, 7, 8)) == "0–2, 5, 7–8"
    assert joined_numbers(()) == ""
    assert size_text(128 * 2**20) == "128 MiB"
    assert gpu_text(("NVIDIA H100 80GB HBM3",) * 8) == "8 × H100"
    assert gpu_text(("AMD Instinct MI300X", "Odd One")) == "1 × MI300X, 1 × Odd One"


def test_every_row_of_every_table_selects_something() -> None:
    rows = (*present_pages.memory_rows(SPLIT), *present_pages.cpu_rows(SPLIT))
    for one in rows:
        assert one.heading or select(one.key, SPLIT.statuses).statuses, one.key
