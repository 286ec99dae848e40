"""A pool that grows in steps: what is told on the way, and why it came out short."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS
from tests.unit.helper.fake_kernel import NODE, POOL, TOTAL

from aitune_helper import messages, plan, shortfall
from aitune_helper.messages import Item, Part

if TYPE_CHECKING:
    from tests.unit.helper.conftest import Bench

GROW = ("hugepages.2048kB", "", "4096")
FREE_KIB = 4 * 2**20
IN_BLOCKS = ", but not in blocks of 2 MiB"


def with_nodes(bench: Bench, *free_kib: int) -> None:
    for node, size in enumerate(free_kib):
        path = f"{NODE}node{node}/meminfo"
        bench.kernel.files[path] = f"Node {node} MemTotal: 99 kB\nNode {node} MemFree: {size} kB"


def test_each_step_tells_what_every_node_got(bench: Bench) -> None:
    told: list[tuple[str | None, ...]] = []

    def progress(_done: int, _total: int, item: Item) -> None:
        told.append((item.effective, *(part.effective for part in item.parts)))

    bench.core.apply(bench.wanted(GROW), OPS, progress=progress)
    assert told == [
        (str(total), str(total // 2), str(total // 2))
        for total in (522, 1034, 1546, 2058, 2570, 3082, 3594, 4096)
    ]


def test_stopped_in_the_middle_every_node_is_as_before(bench: Bench) -> None:
    seen: list[str | None] = []

    def progress(_done: int, _total: int, item: Item) -> None:
        seen.append(item.effective)

    trial = bench.core.apply(
        bench.wanted(GROW), OPS, cancelled=lambda: len(seen) == 2, progress=progress
    )
    assert trial.state == messages.REVERTED_TRIAL
    assert trial.complete
    assert seen[:2] == ["522", "1034"], "no third step"
    item = trial.items[0]
    assert (item.status, item.note) == (messages.PARTIAL, "stopped by the operator")
    assert item.parts == (Part("node0", "7", "517"), Part("node1", "3", "517")), "what it had got"
    assert [bench.kernel.files[f"{NODE}node{n}/{POOL}"] for n in (0, 1)] == ["7", "3"]


def test_the_floor_says_what_is_left_and_what_has_to_stay(bench: Bench) -> None:
    meminfo = bench.kernel.files["/proc/meminfo"]

    def taken(_number: int) -> None:
        pages = int(bench.kernel.files[TOTAL])
        left = 41943040 - 11000 * pages  # somebody else takes four times as much
        bench.kernel.files["/proc/meminfo"] = re.sub(
            r"(MemAvailable: *)\d+", rf"\g<1>{left}", meminfo
        )

    bench.kernel.after_write = taken
    wanted = bench.wanted(GROW)._replace(on_partial=messages.ACCEPT)
    item = bench.core.apply(wanted, OPS).items[0]
    assert item.status == messages.PARTIAL
    assert item.note.startswith(messages.AT_FLOOR)
    left = re.search(r"([\d.]+) GiB left, ([\d.]+) GiB have to stay", item.note)
    assert left is not None
    assert float(left[1]) < 1 + float(left[2]), "the next GiB would have gone below the floor"
    assert int(item.effective or 0) < 4096


def partial(bench: Bench, change: tuple[str, str, str] = GROW) -> Item:
    bench.kernel.pages = 100
    wanted = bench.wanted(change)._replace(on_partial=messages.ACCEPT)
    item = bench.core.apply(wanted, OPS).items[0]
    assert item.status == messages.PARTIAL
    return item


@pytest.mark.parametrize(
    ("free_kib", "note"),
    [
        ((FREE_KIB, 100), "memory is fragmented on node0: 4.0 GiB free" + IN_BLOCKS),
        ((FREE_KIB, FREE_KIB), "memory is fragmented on node0, node1: 8.0 GiB free" + IN_BLOCKS),
        ((100, 100), "no memory is free on node0, node1"),
        ((), "asked 4096 pages, got 200"),
    ],
)  # fmt: skip
def test_a_shortfall_says_why(bench: Bench, free_kib: tuple[int, ...], note: str) -> None:
    with_nodes(bench, *free_kib)
    assert partial(bench).note == note


def test_the_shortfall_of_a_node_speaks_of_that_node(bench: Bench) -> None:
    with_nodes(bench, 100, FREE_KIB)
    assert partial(bench, ("hugepages.2048kB", "node0", "512")).note == "no memory is free on node0"


def test_pages_in_use_stay(bench: Bench) -> None:
    item = Item("hugepages.2048kB", "", TOTAL, "10", "0", "4", parts=(Part("node0", "7", "4"),))
    assert shortfall.reason(bench.kernel, "hugepages.2048kB", item) == "the others are in use"


def test_the_refusal_names_the_largest_number_that_would_pass(bench: Bench) -> None:
    """Said by the plan, so screen and command line say it too."""
    with pytest.raises(plan.Refusal) as caught:
        plan.make_plan(bench.kernel, [messages.Change("hugepages.2048kB", "", "480000")])
    most = re.search(r"the most that is safe: ([0-9]+)", caught.value.reason)
    assert most is not None, caught.value.reason
    number = int(most[1])
    assert plan.make_plan(
        bench.kernel, [messages.Change("hugepages.2048kB", "", str(number))]
    ).items
    with pytest.raises(plan.Refusal):
        plan.make_plan(bench.kernel, [messages.Change("hugepages.2048kB", "", str(number + 1))])
