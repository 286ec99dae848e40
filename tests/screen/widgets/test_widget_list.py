from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.screen.snapshot import screen_text
from tests.screen.widgets.scenes import DISKS, GROUPED, NODES, SETTINGS, WORK, Stage

from aitune_widgets.core_grid import CoreGrid
from aitune_widgets.cursor_list import KeyMessage
from aitune_widgets.disk_table import DiskTable
from aitune_widgets.setting_table import SettingRow, SettingTable
from aitune_widgets.work_list import WorkList

if TYPE_CHECKING:
    from textual.message import Message


class Heard:
    """Messages of widgets, each once, as `(kind, key)`."""

    def __init__(self) -> None:
        self._seen: list[Message] = []

    def __call__(self, message: Message) -> None:
        if isinstance(message, KeyMessage | CoreGrid.CoreMessage) and message not in self._seen:
            self._seen.append(message)

    def take(self) -> list[tuple[str, str]]:
        said = []
        for message in self._seen:
            if isinstance(message, DiskTable.CellMessage):
                what = f"{message.key} {message.column}"
            elif isinstance(message, KeyMessage):
                what = message.key
            else:
                assert isinstance(message, CoreGrid.CoreMessage)
                what = str(message.cpu)
            said.append((type(message).__name__, what))
        self._seen.clear()
        return said


def cursor(table: SettingTable) -> str | None:
    return table.cursor_key


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def test_keys_move_over_settings_only_and_say_so(heard: Heard) -> None:
    table = SettingTable()
    app = Stage(table)
    async with app.run_test(size=(67, 20), message_hook=heard) as pilot:
        table.show(GROUPED)
        table.focus()
        await pilot.pause()
        assert cursor(table) == "pool"
        heard.take()
        await pilot.press("j")
        assert heard.take() == [("Highlighted", "numa")]
        await pilot.press("up")
        assert heard.take() == [("Highlighted", "pool")]
        await pilot.press("k")
        assert heard.take() == []
        await pilot.press("G")
        assert heard.take() == [("Highlighted", "defrag")]
        await pilot.press("down")
        assert heard.take() == []
        await pilot.press("g")
        await pilot.press("enter", "space")
        assert heard.take() == [
            ("Highlighted", "pool"),
            ("Chosen", "pool"),
            ("StageAsked", "pool"),
        ]


async def test_a_click_moves_and_a_second_one_chooses(heard: Heard) -> None:
    first, second = SettingTable(id="first"), SettingTable(id="second")
    app = Stage(first, second)
    async with app.run_test(size=(67, 40), message_hook=heard) as pilot:
        for table in (first, second):
            table.show(SETTINGS)
        first.focus()
        await pilot.pause()
        heard.take()
        await pilot.click("#second", offset=(5, 1))
        assert app.focused is second
        assert heard.take() == []  # the cursor was there: the click only brought the focus
        await pilot.click("#second", offset=(5, 5))
        assert heard.take() == [("Highlighted", "numa")]
        await pilot.click("#second", offset=(5, 5))
        assert heard.take() == [("Chosen", "numa")]
        await pilot.click("#second", offset=(5, 0))
        await pilot.click("#second", offset=(5, 4))
        assert heard.take() == []  # neither the head nor a child row can be chosen


async def test_the_cursor_stays_on_its_key_when_rows_come_and_go(heard: Heard) -> None:
    table = SettingTable()
    app = Stage(table)
    async with app.run_test(size=(67, 20), message_hook=heard) as pilot:
        table.show(SETTINGS)
        table.focus()
        assert table.move_to("swappiness")
        await pilot.pause()
        heard.take()
        table.show((SettingRow("new", "vm.new", "1"), *reversed(SETTINGS)))
        await pilot.pause()
        assert cursor(table) == "swappiness"
        assert heard.take() == []
        table.show(SETTINGS)
        table.show([row for row in SETTINGS if row.key != "swappiness"])
        await pilot.pause()
        assert cursor(table) == "reclaim"
        assert heard.take() == [("Highlighted", "reclaim")]
        table.show(())
        await pilot.pause()
        assert cursor(table) is None
        await pilot.press("j", "enter", "space", "pagedown", "G")
        assert heard.take() == []
        assert not table.move_to("swappiness")


async def test_the_cursor_is_seen_only_where_the_focus_is() -> None:
    first, second = SettingTable(id="first"), SettingTable(id="second")
    app = Stage(first, second)
    async with app.run_test(size=(67, 40)) as pilot:
        first.show(SETTINGS)
        second.show(SETTINGS)
        first.focus()
        await pilot.pause()
        assert screen_text(app).count("▌") == 1
        await pilot.press("tab")
        assert screen_text(app).count("▌") == 1
        app.set_focus(None)
        await pilot.pause()
        assert screen_text(app).count("▌") == 0


async def test_a_short_table_scrolls_and_counts_what_is_below() -> None:
    table = SettingTable()
    app = Stage(table)
    async with app.run_test(size=(67, 6)) as pilot:
        table.styles.height = 6
        table.show(SETTINGS)
        table.focus()
        await pilot.pause()
        assert screen_text(app).splitlines()[-1] == "  ↓ 7 more"
        for row in SETTINGS:
            if not row.dim:
                table.move_to(row.key)
                await pilot.pause()
                marked = [line for line in screen_text(app).splitlines() if "▌" in line]
                assert len(marked) == 1
                assert row.label in marked[0]
        assert "more" not in screen_text(app)
        table.move_to("mode")
        await pilot.pause()
        assert screen_text(app).splitlines()[1].startswith("▌ vm.overcommit_memory")


async def test_the_wheel_shows_more_and_leaves_the_cursor() -> None:
    from textual import events

    table = SettingTable()
    app = Stage(table)
    async with app.run_test(size=(67, 6)) as pilot:
        table.styles.height = 6
        table.show(SETTINGS)
        table.focus()
        await pilot.pause()
        for kind, label in (
            (events.MouseScrollDown, "on node0"),
            (events.MouseScrollUp, "vm.overcommit_memory"),
        ):
            table.post_message(
                kind(
                    table, 5, 3, 0, 0, 0, shift=False, meta=False, ctrl=False,
                    screen_x=5, screen_y=3, style=None,
                )
            )  # fmt: skip
            await pilot.pause()
            assert label in screen_text(app).splitlines()[1]
            assert cursor(table) == "mode"


async def test_only_the_lines_that_changed_are_drawn_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: Counter[int] = Counter()
    draw = SettingTable.render_line

    def counted(self: SettingTable, y: int) -> object:
        drawn[y] += 1
        return draw(self, y)

    monkeypatch.setattr(SettingTable, "render_line", counted)
    table = SettingTable()
    app = Stage(table)
    async with app.run_test(size=(67, 14)) as pilot:
        table.show(SETTINGS)
        table.focus()
        await pilot.pause()
        assert len(drawn) >= len(SETTINGS)
        drawn.clear()
        table.show(tuple(replace(row) for row in SETTINGS))
        await pilot.pause()
        assert drawn == {}
        table.show((*SETTINGS[:6], replace(SETTINGS[6], value="59"), *SETTINGS[7:]))
        await pilot.pause()
        assert set(drawn) == {7}
        drawn.clear()
        await pilot.press("j")
        assert set(drawn) == {1, 2}


async def test_the_work_list_names_what_is_below() -> None:
    work = WorkList()
    app = Stage(work)
    async with app.run_test(size=(80, 6)) as pilot:
        work.styles.height = 6
        work.show(WORK)
        await pilot.pause()
        assert screen_text(app).splitlines()[-1] == "     ↓ 3 more: 2 staged, cpu.epp"
        work.show((), "Everything is as advised.")
        await pilot.pause()
        assert screen_text(app).splitlines()[0] == "  Everything is as advised."


async def test_the_disk_cursor_is_a_cell(heard: Heard) -> None:
    table = DiskTable()
    app = Stage(table)
    async with app.run_test(size=(67, 10), message_hook=heard) as pilot:
        table.show(DISKS)
        table.focus()
        await pilot.pause()
        assert table.cursor_column == "read-ahead"
        heard.take()
        await pilot.press("left", "left", "down", "right", "l", "l", "enter")
        assert heard.take() == [
            ("Highlighted", "nvme0n1 scheduler"),
            ("Highlighted", "nvme1n1 scheduler"),
            ("Highlighted", "nvme1n1 read-ahead"),
            ("Highlighted", "nvme1n1 requests"),
            ("Chosen", "nvme1n1 requests"),
        ]
        line = screen_text(app).splitlines()[2]
        assert line.index("▌") > line.index("4096")
        await pilot.click(DiskTable, offset=(16, 5))
        assert heard.take()[-1] == ("Highlighted", "sda scheduler")
        await pilot.click(DiskTable, offset=(16, 5))
        assert heard.take() == [("Chosen", "sda scheduler")]


async def test_the_core_cursor_walks_lines_nodes_and_differing_cores(heard: Heard) -> None:
    grid = CoreGrid()
    app = Stage(grid)
    async with app.run_test(size=(120, 12), message_hook=heard) as pilot:
        grid.show(NODES, "one cell is one core")
        grid.focus()
        await pilot.pause()
        await pilot.press("right", "left", "left", "down", "down", "up", "n", "n", "enter", "space")
        assert heard.take() == [
            ("CoreHighlighted", "1"),
            ("CoreHighlighted", "0"),
            ("CoreHighlighted", "32"),
            ("CoreHighlighted", "0"),
            ("CoreHighlighted", "32"),
            ("CoreHighlighted", "33"),
            ("CoreChosen", "33"),
            ("CoreStageAsked", "33"),
        ]
        grid.move_to(31)
        await pilot.press("right")
        assert grid.cursor_cpu == 32
        heard.take()
        await pilot.click(CoreGrid, offset=(10 + 9, 2))
        assert heard.take() == [("CoreHighlighted", "8")]
        await pilot.click(CoreGrid, offset=(10 + 8, 2))
        assert heard.take() == []  # the gap between two groups of eight
        await pilot.click(CoreGrid, offset=(19, 2))
        assert heard.take() == [("CoreChosen", "8")]


async def test_a_grid_too_high_for_its_room_keeps_the_cursor_in_view() -> None:
    grid = CoreGrid()
    app = Stage(grid)
    async with app.run_test(size=(120, 7)) as pilot:
        grid.styles.height = 7
        grid.show([replace(NODES[0], name=f"node{n}") for n in range(8)])
        grid.focus()
        await pilot.pause()
        assert screen_text(app).splitlines()[-1] == " ↓ cpu 64–255"
        for cpu in (0, 40, 130, 255, 100, 3):
            grid.move_to(cpu)
            await pilot.pause()
            assert f" node{cpu // 32} " in screen_text(app)
            assert "^" in screen_text(app)
