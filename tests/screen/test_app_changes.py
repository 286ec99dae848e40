"""Changing settings from the dashboard: from a key to the kernel's file, and back."""

from __future__ import annotations

import re

import pytest
from tests.screen.app_desk import open_desk
from textual import events

from aitune_tui import sentences
from aitune_tui.screens.edit import NumberInput
from aitune_tui.selection import Target

OVERCOMMIT = "/proc/sys/vm/overcommit_memory"
SWAPPINESS = "/proc/sys/vm/swappiness"
BALANCING = "/proc/sys/kernel/numa_balancing"
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
NODE1 = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
READ_AHEAD = "/sys/block/nvme0n1/queue/read_ahead_kb"
SCHEDULER = "/sys/block/nvme0n1/queue/scheduler"
GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy{}/scaling_governor"


async def test_a_single_low_risk_change_is_applied_kept_and_undone() -> None:
    async with open_desk() as desk:
        await desk.select("kernel.numa_balancing")
        await desk.press("space")
        assert "◆ 1 staged" in desk.text
        assert desk.value(BALANCING) == "1", "staging writes nothing"
        await desk.planned()
        assert "1 change. Nothing is written yet." in desk.text
        assert "apply and keep" in desk.text
        await desk.applied()
        assert desk.value(BALANCING) == "0"
        assert desk.app.state.pending is None
        assert not desk.app.state.staged
        assert "Kept. 1 setting holds until the next reboot." in desk.text
        await desk.planned("u")
        assert "undo 1" in desk.text
        await desk.applied()
        assert desk.value(BALANCING) == "1"
        assert "Undone. 1 setting is as before." in desk.text
        assert desk.app.state.undoable is None


async def test_a_profile_counts_down_and_k_is_deaf_at_first() -> None:
    async with open_desk() as desk:
        desk.app.stage_profile("classic")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        assert "Plan · profile classic" in desk.text
        assert "3 changes, 1 of them inert." in desk.text
        assert "try for 60 s" in desk.text
        await desk.applied()
        assert (desk.value(OVERCOMMIT), desk.value(POOL)) == ("1", "64")
        assert re.search(r"◐ TRIAL \d+ s", desk.text)
        assert "Trial 1 profile classic" in desk.text
        assert "got 64" in desk.text
        desk.app.state.pending_since  # noqa: B018 - the moment from which half a second counts
        desk.clock.now = desk.app.state.pending_since + 0.4
        await desk.press("K")
        assert desk.app.state.pending is not None
        desk.clock.now = desk.app.state.pending_since + 0.6
        await desk.press("K")
        await desk.until(lambda: desk.app.state.pending is None, "the keep")
        assert desk.value(POOL) == "64"
        assert "Kept. 3 settings hold until the next reboot." in desk.text


async def test_r_puts_everything_back() -> None:
    async with open_desk() as desk:
        desk.app.stage_profile("classic")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        await desk.applied()
        desk.clock.now += 1
        await desk.press("R")
        await desk.until(lambda: desk.app.state.pending is None, "the way back")
        assert (desk.value(OVERCOMMIT), desk.value(POOL)) == ("0", "0")
        assert "Put back. All 3 settings are as they were" in desk.text


async def test_a_saved_trial_names_its_file() -> None:
    async with open_desk() as desk:
        await desk.select("kernel.numa_balancing")
        await desk.press("space")
        await desk.planned()
        assert "a reboot undoes it" in desk.text
        await desk.press("s")
        assert "when it is kept" in desk.text
        await desk.applied()
        assert "95-aitune.conf" in desk.text
        saved = desk.machine.host.root / "etc/sysctl.d/95-aitune.conf"
        assert "kernel.numa_balancing = 0" in saved.read_text()


KEYBOARD = (
    # key of the row, page, keys in the dialog, path, what it then holds
    ("vm.overcommit_memory", "1", ("up", "up", "down", "enter"), OVERCOMMIT, "1"),
    ("vm.overcommit_ratio", "1", ("9", "0", "enter"), "/proc/sys/vm/overcommit_ratio", "90"),
    ("vm.swappiness", "1", ("1", "0", "enter"), SWAPPINESS, "10"),
    ("kernel.numa_balancing", "1", ("enter",), BALANCING, "0"),
    ("hugepages.2048kB", "1", ("6", "4", "enter"), POOL, "64"),
    ("hugepages.2048kB@*", "1", ("tab", "3", "2", "enter"), NODE1, "32"),
    (
        "thp.enabled",
        "1",
        ("up", "enter"),
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "[always] madvise never",
    ),
    (
        "thp.defrag",
        "1",
        ("down", "enter"),
        "/sys/kernel/mm/transparent_hugepage/defrag",
        "always defer defer+madvise madvise [never]",
    ),
    ("cpu.governor", "0", ("enter",), GOVERNOR.format(63), "performance"),
)


@pytest.mark.parametrize(
    ("row", "page", "keys", "path", "held"), KEYBOARD, ids=lambda v: str(v)[:24]
)
async def test_every_setting_is_changed_by_the_keyboard_alone(
    row: str, page: str, keys: tuple[str, ...], path: str, held: str
) -> None:
    async with open_desk() as desk:
        if row == "cpu.governor":
            await desk.press("0", "tab")
        await desk.select(row, page=page) if row != "cpu.governor" else None
        assert desk.app.main.selected == row
        await desk.press("enter", *keys)
        assert desk.app.state.staged, desk.text
        await desk.planned()
        await desk.applied()
        assert desk.value(path) == held


@pytest.mark.parametrize(
    ("column", "keys", "path", "held"),
    [
        ("block.read_ahead_kb@nvme0n1", ("2", "5", "6", "enter"), READ_AHEAD, "256"),
        ("block.scheduler@nvme0n1", ("down", "enter"), SCHEDULER, "none [mq-deadline]"),
        (
            "block.nr_requests@nvme0n1",
            ("5", "1", "2", "enter"),
            "/sys/block/nvme0n1/queue/nr_requests",
            "512",
        ),
    ],
)
async def test_every_setting_of_a_disk_is_changed_by_the_keyboard_alone(
    column: str, keys: tuple[str, ...], path: str, held: str
) -> None:
    async with open_desk() as desk:
        await desk.press("3", "left")
        for _ in range(2):
            if desk.app.main.selected != column:
                await desk.press("right")
        assert desk.app.main.selected == column
        await desk.press("enter", *keys)
        await desk.planned()
        await desk.applied()
        assert desk.value(path) == held


async def test_one_core_is_changed_from_the_grid() -> None:
    async with open_desk() as desk:
        await desk.press("2", "n")
        assert desk.app.main.selected == "cpu:32"
        await desk.press("space")
        assert list(desk.app.state.staged) == [Target("cpu.governor", "policy32")]
        await desk.planned()
        await desk.applied()
        assert desk.value(GOVERNOR.format(32)) == "performance"
        assert desk.value(GOVERNOR.format(33)) == "powersave"


async def test_a_setting_is_changed_with_the_mouse_alone() -> None:
    async with open_desk() as desk:
        lines = desk.text.splitlines()
        y = next(i for i, line in enumerate(lines) if "kernel.numa_balancing" in line)
        await desk.pilot.click(offset=(6, y))
        await desk.pilot.click(offset=(6, y))
        await desk.until(lambda: "advised" in desk.text and "Enter stage" in desk.text, "the list")
        y = next(i for i, line in enumerate(desk.text.splitlines()) if "advised" in line)
        x = desk.text.splitlines()[y].index("advised")
        await desk.pilot.click(offset=(x, y))
        await desk.pilot.click(offset=(x, y))
        await desk.until(lambda: desk.app.state.staged, "the staged value")
        footer = desk.text.splitlines()[-1]
        await desk.pilot.click(offset=(footer.index("plan 1"), 39))
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        y = next(i for i, line in enumerate(desk.text.splitlines()) if "apply and keep" in line)
        await desk.pilot.click(offset=(desk.text.splitlines()[y].index("apply"), y))
        await desk.until(lambda: desk.value(BALANCING) == "0", "the write")


@pytest.mark.parametrize(
    ("row", "column", "title"),
    [
        ("hugepages.2048kB", "SETTING", "hugepages.2048kB"),
        ("thp.enabled", "SETTING", "thp.enabled"),
        ("vm.overcommit_ratio", "SETTING", "vm.overcommit_ratio"),
        ("cpu.governor", "SETTING", "cpu.governor"),
        ("nvme1n1", "SCHEDULER", "block.scheduler  nvme1n1"),
        ("nvme1n1", "READ-AHEAD", "block.read_ahead_kb  nvme1n1"),
        ("nvme1n1", "REQS", "block.nr_requests  nvme1n1"),
    ],
)
async def test_a_click_on_the_cursor_opens_what_it_stands_on(
    row: str, column: str, title: str
) -> None:
    async with open_desk() as desk:
        lines = desk.text.splitlines()
        y = next(i for i, line in enumerate(lines) if line[2:].lstrip().startswith(row))
        heading = next(line for line in lines[y::-1] + lines if column in line)
        x = heading.index(column) + 2
        await desk.pilot.click(offset=(x, y))
        await desk.pilot.click(offset=(x, y))
        await desk.until(lambda: f"╭─ {title}" in desk.text, title)


async def test_s_stages_all_that_differs_on_a_page() -> None:
    async with open_desk() as desk:
        await desk.press("3", "S")
        assert desk.app.state.staged == {
            Target("block.read_ahead_kb", f"nvme{i}n1"): "4096" for i in range(4)
        }
        assert "◆ 1 staged" in desk.text, "four disks with one value are one setting"


async def test_space_takes_back_what_it_staged() -> None:
    async with open_desk() as desk:
        await desk.select("kernel.numa_balancing")
        await desk.press("space", "space")
        assert not desk.app.state.staged
        await desk.select("thp.enabled")
        await desk.press("space")
        assert not desk.app.state.staged
        assert sentences.ALREADY_ADVISED in desk.text


async def test_a_number_typed_fast_comes_out_as_typed() -> None:
    async with open_desk() as desk:
        await desk.select("hugepages.2048kB")
        await desk.press("enter")
        line = desk.app.screen.query(NumberInput).first()
        typed = (("backspace", "\x7f"), ("5", "5"), ("1", "1"), ("2", "2"))
        for key, character in typed:
            desk.app.post_message(events.Key(key, character))
        await desk.until(lambda: "1" in line.value, "the digits")
        await desk.press("end")
        assert line.value == "512"


async def test_a_number_out_of_bounds_is_refused_where_it_is_typed() -> None:
    async with open_desk() as desk:
        await desk.select("vm.swappiness")
        await desk.press("enter", "9", "9", "9", "enter")
        assert "vm.swappiness takes 0 to 200" in desk.text
        assert not desk.app.state.staged
        await desk.press("escape")
        assert "takes 0 to 200" not in desk.text


async def test_what_the_memory_guard_refuses_says_so_and_writes_nothing() -> None:
    async with open_desk() as desk:
        await desk.select("hugepages.2048kB")
        await desk.press("enter", *"480000", "enter")
        await desk.look()
        assert "the most that is safe is" in desk.text, "it is said while it is typed"
        await desk.press("escape")
        assert not desk.app.state.staged
        assert desk.value(POOL) == "0"


async def test_fewer_pages_than_asked_is_a_question() -> None:
    async with open_desk() as desk:
        await desk.select("hugepages.1048576kB")
        await desk.press("enter", "8", "enter")
        await desk.planned()
        await desk.applied()
        assert desk.app.state.pending is not None
        assert "Got 5 of 8 huge pages" in desk.text
        assert "Put back, or accept 5?" in desk.text
        assert "partial" in desk.text
        desk.clock.now += 1
        await desk.press("R")
        await desk.until(lambda: desk.app.state.pending is None, "the way back")
        assert "Put back" in desk.text


async def test_a_value_changed_since_the_plan_is_not_overwritten() -> None:
    async with open_desk() as desk:
        await desk.select("vm.swappiness")
        await desk.press("space")
        await desk.planned()
        desk.put(SWAPPINESS, "42")
        await desk.press("a")
        await desk.until(lambda: "changed since you looked" in desk.text, "the refusal")
        assert desk.value(SWAPPINESS) == "42"
        assert desk.app.state.staged, "what was staged stays staged"


async def test_a_trial_of_somebody_else_is_seen_and_respected() -> None:
    async with open_desk() as desk:
        link = desk.machine.link
        assert link is not None
        from aitune_helper.messages import Change

        changes = (Change("vm.swappiness", "", "33"),)
        with link.connect(ask=False) as other:
            trial = other.apply(changes, other.plan(changes).hash, ttl_s=60)
            await desk.look()
            assert "◐ TRIAL" in desk.text
            await desk.select("kernel.numa_balancing")
            await desk.press("space", "p")
            assert "is still open" in desk.text
            assert "Keep it (K) or put it back (R) first." in desk.text
            other.revert(trial.id)
            await desk.look()
        assert desk.app.state.pending is None
        assert "vm.swappiness is as it was" in desk.text


async def test_a_kept_value_that_somebody_else_moves_is_said() -> None:
    async with open_desk() as desk:
        await desk.select("kernel.numa_balancing")
        await desk.press("space")
        await desk.planned()
        await desk.applied()
        desk.put(BALANCING, "2")
        await desk.look()
        assert "kernel.numa_balancing went from 0 to 2 at" in desk.text
        assert "Not by us." in desk.text
        await desk.look(60)
        assert "Not by us." in desk.text, "it stays until it is dismissed"
        await desk.press("escape")
        assert "Not by us." not in desk.text


async def test_the_plan_is_edited_shortened_and_copied() -> None:
    async with open_desk() as desk:
        desk.app.stage_profile("classic")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        await desk.press("t")
        assert "try for 120 s" in desk.text
        await desk.press("t", "t")
        assert "try for 30 s" in desk.text
        await desk.press("y")
        assert "sudo sysctl -w vm.overcommit_memory=1" in desk.app.clipboard
        await desk.press("down", "x")
        await desk.until(lambda: "2 changes" in desk.text, "the shorter plan")
        assert Target("vm.overcommit_ratio") not in desk.app.state.staged
        await desk.press("escape")
        assert len(desk.app.state.staged) == 2
        await desk.planned()
        await desk.press("e")
        await desk.until(lambda: "Enter stage" in desk.text, "the edit")


async def test_high_risk_asks_for_the_name() -> None:
    async with open_desk() as desk:
        await desk.select("vm.overcommit_memory", page="1")
        await desk.press("enter", "end", "enter")
        await desk.select("vm.overcommit_ratio", page="1")
        await desk.press("enter", "9", "5", "enter")
        await desk.planned()
        assert "high" in desk.text
        assert "type overcommit_memory first" in desk.text
        await desk.press("a", *"overcommit_memory", "enter")
        assert desk.value(OVERCOMMIT) == "0"
        await desk.until(lambda: "try for 60 s" in desk.text, "the key")
        await desk.applied()
        assert desk.value(OVERCOMMIT) == "2"
        desk.clock.now += 1
        await desk.press("R")
        await desk.until(lambda: desk.app.state.pending is None, "the way back")


async def test_read_only_plans_and_writes_nothing() -> None:
    async with open_desk(readonly=True) as desk:
        assert "read-only" in desk.text
        await desk.select("kernel.numa_balancing")
        await desk.press("space")
        await desk.planned()
        await desk.press("a")
        assert desk.value(BALANCING) == "1"
        assert any("--readonly" in notice.text for notice in desk.app.state.notices)
        await desk.press("escape", "w")
        assert "Started with --readonly." in desk.text


async def test_quitting_asks_while_something_is_staged_or_on_trial() -> None:
    async with open_desk() as desk:
        await desk.select("kernel.numa_balancing")
        await desk.press("space", "q")
        assert "not written and forgotten" in desk.text
        await desk.press("escape")
        assert desk.app.is_running
        desk.app.stage_profile("classic")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        await desk.applied()
        await desk.press("q")
        assert "goes on without you and is put back at" in desk.text
        await desk.press("K")
        await desk.until(lambda: desk.app.state.pending is None, "the keep")
        assert desk.value(POOL) == "64"
        await desk.press("q")
        assert desk.app.return_value == 0
