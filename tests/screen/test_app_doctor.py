"""The page of findings: what it lists at each size, what it says of one, and its plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.screen.app_desk import SIZES, Desk, open_desk

from aitune_backends.changes import Wanted
from aitune_backends.findings.finding import Finding
from aitune_tui.present_doctor import counts
from aitune_tui.selection import Target

WATERMARK = Target("vm.watermark_scale_factor")


async def to_the_stalls(desk: Desk) -> None:
    """Open the page, with the cursor on the finding that has a fix."""
    await desk.press("7")
    assert desk.app.main.page.point_at("allocation-stalls")
    await desk.pilot.pause(0)


@pytest.mark.parametrize("size", SIZES)
async def test_it_lists_the_urgent_ones_first_and_says_one_in_full(size: tuple[int, int]) -> None:
    async with open_desk(size) as desk:
        await desk.press("7")
        text = desk.text
        lines = text.splitlines()
        listed = [line for line in lines if line[2:12].strip(" !▲–·").startswith(("prob", "warn"))]
        assert "! problem  1 PCIe link lost lanes" in listed[0]
        assert all("▲ warning" in line for line in listed[1:])
        assert len(listed) == 3
        assert "1 problem · 2 warnings · 2 info" in text
        assert "!1▲2" in lines[1], "the badge in the navigation"
        assert "GPU 0000:69:00.0 runs at x8 of x16" in text
        assert "Seat the card again" in text
        assert "Each look at this machine costs" in text


async def test_enter_opens_the_plan_of_the_fix_and_space_stages_it() -> None:
    async with open_desk() as desk:
        await to_the_stalls(desk)
        await desk.press("space")
        assert desk.app.state.staged == {WATERMARK: "50"}
        assert "◆ staged" in desk.text
        await desk.press("space")
        assert not desk.app.state.staged
        await desk.press("enter")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the plan")
        assert "vm.watermark_scale_factor" in desk.text
        await desk.press("escape")
        assert desk.app.state.staged == {WATERMARK: "50"}


async def test_what_cannot_be_staged_says_why_and_no_text_of_the_machine_acts() -> None:
    bad = Finding(
        "bad",
        "Made up",
        "It is.",
        severity="problem",
        fix=(Wanted("block.scheduler", "sdq", "none"),),
    )
    evil = Finding("evil", "[b]x[/b]\x1b[31m", "[red]y[/]\x1b[2J")
    async with open_desk() as desk:
        desk.app.set_state(replace(desk.app.state, findings=(bad, evil)))
        await desk.press("7", "enter")
        assert "block.scheduler has no instance sdq here" in desk.text
        await desk.press("down", "enter")
        assert "No setting mends this" in desk.text
        assert not desk.app.state.staged
        assert "[b]x[/b]?[31m" in desk.text
        assert "[red]y[/]?[2J" in desk.text
        desk.app.set_state(replace(desk.app.state, findings=()))
        await desk.pilot.pause(0)
        assert "Nothing stands out on this machine." in desk.text
        assert counts(desk.app.state) == ()
        assert "!" not in desk.text.splitlines()[1]
