"""Estimates of what a pool of huge pages could become, on machines written by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends import planner, planner_words
from aitune_backends.probes.buddyinfo import Zone, base_page_kib, parse_buddyinfo
from tests.unit.knowledge.made_trees import host, pool
from tests.unit.knowledge.test_cli_knowledge import Ran, checked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aitune_backends.host import Host

GIB_KIB = 1 << 20
X86 = """\
Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3
Node 0, zone    DMA32      5      5      8      6      7      5      5      5      6      4    750
Node 0, zone   Normal   2718    841   2074   2511   2213   1668   1274    654    259    485   4594
"""


def meminfo(total: int, free: int, available: int, *, cache: int = 0) -> str:
    """Sizes in GiB."""
    lines = {
        "MemTotal": total, "MemFree": free, "MemAvailable": available, "Cached": cache,
        "CommitLimit": total // 2, "Committed_AS": 1, "Hugetlb": 0,
    }  # fmt: skip
    text = "\n".join(f"{name}: {size * GIB_KIB} kB" for name, size in lines.items())
    return f"{text}\nHugepagesize: 2048 kB"


def node(
    number: int, total: int, free: int, *, cache: int = 0, cpus: str = "0-3"
) -> dict[str, str]:
    """One node's files; sizes in GiB."""
    sizes = {"MemTotal": total, "MemFree": free, "Active(file)": cache, "Inactive(file)": 0}
    text = "\n".join(f"Node {number} {n}: {size * GIB_KIB} kB" for n, size in sizes.items())
    here = f"/sys/devices/system/node/node{number}"
    return {f"{here}/meminfo": text, f"{here}/cpulist": cpus}


def settings(*, ratio: int = 50, kbytes: int = 0, least_free: int = 0) -> dict[str, str]:
    return {
        "/proc/sys/vm/overcommit_ratio": str(ratio),
        "/proc/sys/vm/overcommit_kbytes": str(kbytes),
        "/proc/sys/vm/min_free_kbytes": str(least_free),
    }


def zone(number: int, name: str, *counts: int, orders: int = 11) -> str:
    """A zone whose last columns are `counts`."""
    columns = [0] * (orders - len(counts)) + list(counts)
    return f"Node {number}, zone {name:>8} " + " ".join(f"{count:>6}" for count in columns)


def two_nodes(root: Path, *more: Mapping[str, str], buddy: str | None = None) -> Host:
    """2 x 64 GiB, 32 and 16 GiB of it free, half of that in whole blocks."""
    lines = [
        zone(0, "Normal", 8 << 20, *[0] * 9, 4096),
        zone(1, "Normal", 4 << 20 >> 1, *[0] * 9, 2048),
    ]
    return host(
        root,
        {"/proc/meminfo": meminfo(128, 48, 100, cache=60)},
        {"/proc/buddyinfo": buddy if buddy is not None else "\n".join(lines)},
        settings(),
        node(0, 64, 32, cache=30),
        node(1, 64, 16, cache=30, cpus="4-7"),
        pool(2048, (8, 8), (0, 0)),
        pool(1048576, (0, 0), (0, 0)),
        *more,
    )


def test_the_format_of_a_real_machine_is_understood() -> None:
    zones = parse_buddyinfo(X86)
    assert [(z.node, z.name, len(z.counts)) for z in zones] == [
        (0, "DMA", 11), (0, "DMA32", 11), (0, "Normal", 11),
    ]  # fmt: skip
    assert zones[2].blocks(9) == 485 + 2 * 4594
    assert zones[0].pages == (1 << 8) + (1 << 9) + (3 << 10)
    assert base_page_kib(zones, 24_000_000) == 4


@pytest.mark.parametrize(
    "text",
    [
        "", "\0", "Node 0, zone", "Node x, zone Normal 1 2", "Node 0, zone Normal -1 2",
        "Node 0, zone Normal " + "1 " * 300, "Node 0, zone Normal " + "9" * 40,
        "Node 99999, zone Normal 1", "Node 0, zone Nor\x1bmal 1", "page blocks: 9",
    ],
)  # fmt: skip
def test_what_is_no_zone_is_left_out(text: str) -> None:
    assert parse_buddyinfo(text) == ()
    assert len(parse_buddyinfo(f"{text}\n{X86}")) == 3


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert all(z.pages >= 0 for z in parse_buddyinfo(text))


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=14), st.integers(0, 15), st.integers(0, 3)
)
def test_blocks_never_exceed_what_is_free(counts: list[int], order: int, more: int) -> None:
    zone_ = Zone(0, "Normal", tuple(counts))
    assert zone_.blocks(order) << order <= zone_.pages
    assert zone_.blocks(order) >= zone_.blocks(order + more)
    assert zone_.blocks(0) == zone_.pages
    assert parse_buddyinfo(f"Node 0, zone Normal {' '.join(map(str, counts))}") == (zone_,)


@pytest.mark.parametrize("kib", [4, 16, 64])
@pytest.mark.parametrize("drift", [0.9, 1.0, 1.2])
def test_the_base_page_is_what_the_blocks_add_up_by(kib: int, drift: float) -> None:
    zones = (Zone(0, "Normal", (1000, 500, 250)),)
    assert base_page_kib(zones, int(zones[0].pages * kib * drift)) == kib


def test_each_node_is_told_from_the_other(tmp_path: Path) -> None:
    small = planner.plan_pool(two_nodes(tmp_path), 2048)
    assert small is not None
    assert [(n.node, n.total, n.at_once, n.at_most) for n in small.nodes] == [
        (0, 8, 2 * 4096, 62 * 512),
        (1, 0, 2 * 2048, 46 * 512),
    ]
    assert small.at_once == 3 * 4096
    assert small.at_most == 90 * 512, "a tenth of 100 GiB stays"
    assert small.most_safe == 8 + 90 * 512


def test_the_guard_bounds_both_numbers(tmp_path: Path) -> None:
    poor = {"/proc/meminfo": meminfo(128, 48, 3)}
    small = planner.plan_pool(two_nodes(tmp_path, poor), 2048)
    assert small is not None
    assert (small.at_once, small.at_most) == (512, 512), "2 GiB of 3 stay"
    assert planner_words.refused(small, 512) == ""
    assert "the most that is safe is 520 pages" in planner_words.refused(small, 513)
    assert planner_words.refused(small, -5) == ""


def test_what_the_kernel_keeps_back_is_not_counted(tmp_path: Path) -> None:
    small = planner.plan_pool(two_nodes(tmp_path, settings(least_free=40 * GIB_KIB)), 2048)
    assert small is not None
    # Half of it on each node: of 48 and 16 GiB listed as free there, 28 and none are left.
    assert [n.at_once for n in small.nodes] == [8192, 0]
    assert [n.at_most for n in small.nodes] == [42 * 512, 26 * 512]


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("Normal", 512), ("Movable", 512), ("HighMem", 512), ("DMA", 0), ("Device", 0),
     ("DMA32", 512 - 64 * 512 // 256)],
)  # fmt: skip
def test_zones_that_hold_huge_pages(tmp_path: Path, name: str, blocks: int) -> None:
    buddy = f"{zone(0, name, 256)}\n{zone(1, 'Normal', 12 << 20, *[0] * 10)}"
    small = planner.plan_pool(two_nodes(tmp_path, buddy=buddy), 2048)
    assert small is not None
    assert small.nodes[0].at_once == blocks


def test_gigantic_pages_come_at_boot_or_by_chance(tmp_path: Path) -> None:
    large = planner.plan_pool(two_nodes(tmp_path), 1048576)
    assert large is not None
    assert large.gigantic
    assert large.at_once is None
    assert large.at_most == 90
    assert large.boot_words(8) == "hugepagesz=1G hugepages=0:4,1:4"
    assert large.boot_words(3) == "hugepagesz=1G hugepages=0:2,1:1"
    assert large.boot_words(4, 1) == "hugepagesz=1G hugepages=0:0,1:4"
    text = dict(planner_words.said(large))["At once"]
    assert "only at boot, or by chance" in text
    assert "hugepagesz=1G hugepages=0:4,1:4" in text


def test_memory_of_a_gpu_is_no_target_and_is_named(tmp_path: Path) -> None:
    """Grace: the GPU's memory is a node without processors, onlined as movable."""
    grace = two_nodes(tmp_path, node(2, 96, 95, cpus=""), pool(2048, (8, 8), (0, 0), (0, 0)))
    small = planner.plan_pool(grace, 2048)
    assert small is not None
    assert [n.node for n in small.nodes] == [0, 1]
    assert small.left_out == (2,)
    assert dict(planner_words.said(small))["Left out"].startswith("node2: memory without")


def test_sizes_of_arm64_with_large_base_pages(tmp_path: Path) -> None:
    """64 KiB pages: 2 MiB is order 5, 512 MiB order 13, the largest; 16 GiB is gigantic."""
    buddy = zone(0, "Normal", 64, *[0] * 7, 32, orders=14)  # 64 of 2 MiB, 32 of 512 MiB
    free_gib = 16
    arm = host(
        tmp_path,
        {"/proc/meminfo": meminfo(64, free_gib, 60), "/proc/buddyinfo": buddy},
        settings(),
        node(0, 64, free_gib, cache=40),
        *(pool(size, (0, 0)) for size in (2048, 524288, 16777216)),
    )
    found = {p.size_kib: p for p in planner.plan_pools(arm)}
    assert {size: (p.at_once, p.gigantic) for size, p in found.items()} == {
        2048: (64 + 32 * 256, False),
        524288: (32, False),
        16777216: (None, True),
    }
    assert found[2048].vmemmap_each == 0, "what describes it fits in the page that is kept"
    assert found[524288].vmemmap_each == (8192 * 64) - 65536


def test_without_blocks_to_count_nothing_is_made_up(tmp_path: Path) -> None:
    small, large = planner.plan_pools(two_nodes(tmp_path, buddy="no such thing"))
    assert small.at_once is None
    assert not small.gigantic
    assert large.gigantic
    assert "does not tell of free blocks" in dict(planner_words.said(small))["At once"]


def test_a_machine_without_pools_or_memory_has_no_outlook(tmp_path: Path) -> None:
    assert planner.plan_pools(host(tmp_path / "a", settings())) == ()
    assert planner.plan_pools(host(tmp_path / "b", pool(2048, (0, 0)))) == ()
    assert planner.plan_pool(two_nodes(tmp_path / "c"), 64) is None


def test_costs(tmp_path: Path) -> None:
    small = planner.plan_pool(two_nodes(tmp_path), 2048)
    assert small is not None
    cost = small.costs(50 * 512)
    gib = 1 << 30
    assert (cost.taken, cost.available) == (50 * gib, 50 * gib)
    assert cost.cache == 2 * gib, "48 are free"
    assert cost.commit_limit == 64 * gib - 25 * gib
    assert cost.read_ahead == 45 * gib
    assert cost.vmemmap == 50 * 512 * 7 * 4096, "7 of 8 pages"
    assert small.costs(-8).available == 100 * gib + 16 * (1 << 20)


@pytest.mark.parametrize(("kbytes", "falls"), [(0, True), (1 << 20, False)])
def test_an_amount_of_promised_memory_does_not_fall(
    tmp_path: Path, kbytes: int, falls: bool
) -> None:
    small = planner.plan_pool(two_nodes(tmp_path, settings(kbytes=kbytes)), 2048)
    assert small is not None
    assert (small.costs(512).commit_limit != small.commit_limit) is falls
    assert ("CommitLimit" in " ".join(planner_words.costs(small, 512))) is falls


@pytest.mark.parametrize(
    ("on", "words"), [("0", "=1, set before, would give"), ("1", "gives 14 MiB of it back")]
)
def test_what_describing_pages_costs(tmp_path: Path, on: str, words: str) -> None:
    there = {"/proc/sys/vm/hugetlb_optimize_vmemmap": on}
    small = planner.plan_pool(two_nodes(tmp_path, there), 2048)
    assert small is not None
    assert words in " ".join(planner_words.costs(small, 512))


def test_kubelet_is_told_of(tmp_path: Path) -> None:
    without = planner.plan_pool(two_nodes(tmp_path / "a"), 2048)
    place = {"/var/lib/kubelet/config.yaml": "kind: KubeletConfiguration"}
    there = planner.plan_pool(two_nodes(tmp_path / "b", place), 2048)
    assert without is not None
    assert there is not None
    assert "Kubelet" not in dict(planner_words.said(without))
    assert "until it is restarted" in dict(planner_words.said(there))["Kubelet"]
    assert any("kubelet" in line for line in planner_words.typed(there, {None: 64}))


def test_a_number_while_it_is_typed(tmp_path: Path) -> None:
    small = planner.plan_pool(two_nodes(tmp_path), 2048)
    assert small is not None
    assert planner_words.typed(small, {None: 72}) == (
        "72 pages = 144 MiB",
        "64 more; at once about 8,192 on node0, 4,096 on node1",
        "available falls to 99.9 GiB",
        "commit limit 63.9 GiB (mode 2 alone)",
    )
    assert planner_words.typed(small, {0: 8, 1: 64})[1] == (
        "64 more; at once about 8,192 on node0, 4,096 on node1"
    )
    assert any("may get fewer" in line for line in planner_words.typed(small, {0: 8, 1: 5000}))
    assert "available rises to 100 GiB" in planner_words.typed(small, {None: 0})
    assert planner_words.growth(small, {0: 0, 1: 64}) == 64


def test_explain_tells_it_in_words_and_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_nodes(tmp_path)
    where = ("--root", str(tmp_path), "explain")
    out = Ran(capsys, *where, "hugepages.2048kB").out
    assert re.search(r"^NODE +NOW +FREE +AT ONCE +AT MOST$", out, re.MULTILINE)
    assert re.search(r"^node1 +0 +0 +4,096 +23,552$", out, re.MULTILINE)
    body = checked(Ran(capsys, *where, "hugepages.1048576kB", "--json").json)["planner"]
    assert (body["gigantic"], body["at_once"], body["at_most"]) == (True, None, 90)
    assert body["step"]["taken"] == 1 << 30
    assert checked(Ran(capsys, *where, "vm.swappiness", "--json").json)["planner"] is None
