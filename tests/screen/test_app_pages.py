"""The screens: where each key leads, at each size, and what never leaves them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.screen.app_desk import SIZES, open_desk
from tests.screen.snapshot import assert_snapshot, screen_strips

from aitune_backends.machine import demo_machine, open_machine
from aitune_tui import state as rules
from aitune_tui.selection import Target
from aitune_tui.view import layout_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TITLES = {
    "0": ("What differs", "Memory & huge pages", "Memory & huge pages"),
    "1": ("Memory & huge pages",) * 3,
    "2": ("one cell is one core",) * 3,
    "3": ("Block devices",) * 3,
    "4": ("Load test",) * 3,
    "5": ("Before and after",) * 3,
    "6": ("Changes",) * 3,
    "7": ("Doctor",) * 3,
}


@pytest.fixture(autouse=True)
def utc_and_true_colours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("size", "layout"),
    [
        ((59, 40), "tiny"),
        ((200, 15), "tiny"),
        ((60, 16), "compact"),
        ((80, 24), "compact"),
        ((109, 50), "compact"),
        ((120, 35), "compact"),
        ((110, 36), "normal"),
        ((179, 50), "normal"),
        ((180, 36), "wide"),
    ],
)
def test_a_size_is_a_layout(size: tuple[int, int], layout: str) -> None:
    assert layout_for(*size) == layout


@pytest.mark.parametrize(("index", "size"), list(enumerate(SIZES)))
async def test_every_digit_opens_its_page_under_the_same_frame(
    index: int, size: tuple[int, int]
) -> None:
    async with open_desk(size) as desk:
        for digit, titles in TITLES.items():
            await desk.press(digit)
            lines = desk.text.splitlines()
            assert titles[index] in desk.text, f"page {digit}\n{desk.text}"
            assert lines[0].startswith("  gpu-node-07 ")
            assert f"{digit} " in lines[1]
            assert "861.9 GiB available" in desk.text
            assert lines[-1].endswith("q quit")
            assert len(lines) == size[1]


@pytest.mark.parametrize("size", SIZES)
async def test_the_overview_is_as_drawn(size: tuple[int, int]) -> None:
    async with open_desk(size, ticks=8) as desk:
        desk.app.set_state(
            rules.stage(
                desk.app.state,
                [(Target("vm.overcommit_memory"), "1"), (Target("vm.overcommit_ratio"), "90")],
            )
        )
        await desk.pilot.pause()
        assert_snapshot(desk.app, f"app-overview-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_the_plan_is_as_drawn(size: tuple[int, int]) -> None:
    async with open_desk(size, ticks=8) as desk:
        desk.app.stage_profile("classic")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        assert_snapshot(desk.app, f"app-plan-{size[0]}x{size[1]}")


async def test_a_dialog_leaves_host_chip_and_memory_live() -> None:
    async with open_desk() as desk:
        await desk.select("kernel.numa_balancing")
        await desk.press("space")
        await desk.planned()
        before = desk.text.splitlines()
        assert "gpu-node-07" in before[0]
        assert "◆ 1 staged" in before[0]
        await desk.look(7)
        after = desk.text.splitlines()
        assert after[0] != before[0], "the clock goes on above a dialog"
        assert after[4] != before[4], "so does the memory"
        assert "Nothing is written yet." in desk.text


async def test_the_palette_names_every_action_under_the_frame() -> None:
    async with open_desk((120, 50)) as desk:
        await desk.press("colon")
        await desk.until(lambda: "Go to: Memory" in desk.text, "the commands")
        assert "gpu-node-07" in desk.text.splitlines()[0]
        await desk.press(*"profile")
        await desk.until(lambda: "Profile: classic…" in desk.text, "the profile")
        await desk.press("enter")
        await desk.until(lambda: "Plan · profile classic" in desk.text, "its plan")


async def test_too_small_a_terminal_says_what_it_needs() -> None:
    async with open_desk((52, 14)) as desk:
        assert "Needs 60 x 16; this is 52 x 14." in desk.text
        assert "gpu-node-07" in desk.text
        await desk.pilot.resize_terminal(120, 40)
        await desk.until(lambda: "Block devices" in desk.text, "the panels")
        assert "Needs" not in desk.text


async def test_a_resize_keeps_a_dialog_and_a_focus() -> None:
    async with open_desk((120, 40)) as desk:
        desk.app.stage_profile("classic")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        await desk.pilot.resize_terminal(80, 24)
        await desk.until(lambda: "killed instead of refused" in desk.text, "the short notes")
        await desk.applied()
        assert "until all goes back" in desk.text
        assert desk.app.focused is desk.app.main.query_one("#work")
        await desk.pilot.resize_terminal(200, 50)
        await desk.until(lambda: "until every setting goes back" in desk.text, "the band")
        assert desk.app.focused is desk.app.main.query_one("#memory")


async def test_the_work_list_opens_the_panel_of_its_row() -> None:
    async with open_desk((80, 24)) as desk:
        lines = [line for line in desk.text.splitlines() if "▲ differs" in line]
        assert [line.split()[0].lstrip("▌") or line.split()[1] for line in lines]
        while desk.app.main.selected != "block.read_ahead_kb@nvme0n1+":
            await desk.press("down")
        await desk.press("enter")
        assert desk.app.main.page_key == "3"
        assert desk.app.main.selected == "block.read_ahead_kb@nvme0n1"


async def test_the_filter_leaves_what_matches() -> None:
    async with open_desk() as desk:
        await desk.press("slash", *"swap", "enter")
        assert "vm.swappiness" in desk.text
        assert "thp.defrag" not in desk.text
        await desk.press("escape")
        assert "thp.defrag" in desk.text
        await desk.press("exclamation_mark")
        assert "vm.swappiness" not in desk.text
        assert "kernel.numa_balancing" in desk.text
        await desk.press("exclamation_mark")
        assert "vm.swappiness" in desk.text


async def test_letters_are_letters_in_the_filter() -> None:
    async with open_desk() as desk:
        goal = desk.app.state.goal
        await desk.press("slash", *"gqpuK0")
        assert desk.app.state.goal == goal
        assert desk.app.state.filter_text == "gqpuK0"
        assert desk.app.is_running
        await desk.press("escape", "g")
        assert desk.app.state.goal != goal


async def test_frozen_means_frozen() -> None:
    async with open_desk() as desk:
        await desk.press("f")
        assert "frozen 12:04:33" in desk.text
        await desk.look(5)
        assert desk.app.state.sample is not None
        assert desk.app.state.sample.at == 2.0
        await desk.press("f")
        await desk.look(1)
        assert "frozen" not in desk.text
        assert desk.app.state.sample.at == 8.0


async def test_old_data_says_so() -> None:
    async with open_desk() as desk:
        desk.clock.now += 4
        desk.app.redraw()
        await desk.pilot.pause()
        assert "! data 4 s old" in desk.text
        await desk.look(0)
        assert "old" not in desk.text.splitlines()[0]


async def test_zoom_and_why_cover_the_page_and_leave_the_frame() -> None:
    async with open_desk() as desk:
        await desk.press("m")
        assert "Block devices" not in desk.text
        assert "Memory & huge pages" in desk.text
        await desk.press("m")
        assert "Block devices" in desk.text
        await desk.press("i")
        assert "Evidence" in desk.text
        assert "gpu-node-07" in desk.text
        assert "Block devices" not in desk.text
        await desk.press("escape")
        assert "Block devices" in desk.text


async def test_another_page_closes_the_why_and_it_opens_again() -> None:
    async with open_desk() as desk:
        for page, shown in (("2", "one cell is one core"), ("P", "Profiles"), ("0", "3 Block")):
            await desk.press("i")
            assert desk.app.main.has_class("-why")
            await desk.press(page)
            assert shown in desk.text
            assert not desk.app.main.query("#why-page")


async def test_a_disk_that_vanishes_leaves_and_the_rest_stays() -> None:
    async with open_desk() as desk:
        assert "nvme3n1" in desk.text
        desk.machine.advance = None  # the made-up machine would plug it in again
        link = desk.machine.host.root / "sys/block/nvme3n1"
        link.unlink()
        await desk.look(3)
        assert "nvme3n1" not in desk.text
        assert "nvme2n1" in desk.text


async def test_names_from_the_machine_are_no_markup() -> None:
    machine = demo_machine()
    machine.identity = replace(machine.identity, name="[b]evil[/b]\x1b[31m")
    async with open_desk(machine=machine) as desk:
        assert "[b]evil[/b]?[31m" in desk.text
        await desk.press("p", "question_mark")
        assert "[b]evil[/b]?[31m" in desk.text


async def test_what_a_machine_does_not_tell_is_not_zero(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1048576 kB\nMemFree: 524288 kB\n")
    async with open_desk(machine=open_machine(root=str(tmp_path))) as desk:
        assert "– available   – %" in desk.text
        assert "free 0.5 GiB" in desk.text
        assert "read-only" in desk.text
        await desk.press("2")
        assert "cpufreq is not in this capture." in desk.text
        await desk.press("1", "l")
        assert "Only this machine's own disks can be timed." in desk.text


async def test_without_colour_every_cell_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_desk() as desk:
        for strip in screen_strips(desk.app):
            for text, style, _ in strip:
                if text.strip() and style is not None:
                    colours = (style.color, style.bgcolor)
                    assert all(c is None or c.is_default for c in colours), (text, style)


async def test_the_doctor_and_the_help_can_be_read() -> None:
    async with open_desk((80, 24)) as desk:
        await desk.press("7")
        await desk.look()
        assert "Each look at this machine costs" in desk.text
        await desk.press("question_mark")
        assert "plan what is staged" in desk.text
        await desk.press("escape")
        assert "Each look at this machine costs" in desk.text


async def test_a_quiet_second_lays_nothing_out_again() -> None:
    async with open_desk() as desk:
        await desk.look()
        laid_out = 0
        original = type(desk.app.main)._refresh_layout

        def count(*args: object, **kwargs: object) -> None:
            nonlocal laid_out
            laid_out += 1
            original(*args, **kwargs)  # type: ignore[arg-type]  # passed through as it came

        type(desk.app.main)._refresh_layout = count  # type: ignore[method-assign]  # put back below
        try:
            for _ in range(3):
                await desk.look()
        finally:
            type(desk.app.main)._refresh_layout = original  # type: ignore[method-assign]
        assert laid_out == 0
