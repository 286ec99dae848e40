"""What an operator meets on the way from a value to a kept change, and back."""

from __future__ import annotations

import re

import pytest
from tests.screen.using import dashboard

from aitune_tui import board
from aitune_tui import state as rules
from aitune_tui.selection import Target


async def test_a_plan_of_one_change_has_no_order() -> None:
    async with dashboard() as used:
        await used.press("1")
        used.app.main.page.point_at("kernel.numa_balancing")
        await used.press("space")
        await used.plan()
        assert "Order" not in used.text
        assert "those before it" not in used.text


async def test_the_plan_says_itself_that_it_was_copied() -> None:
    """At 80x24 the box covers the place where notices stand."""
    async with dashboard((80, 24)) as used:
        await used.press("space")
        await used.plan()
        await used.press("y")
        assert "Copied 1 line of shell." in used.text
        assert "Nothing is written yet." in used.text
        await used.press("t")
        assert "Copied 1 line of shell." not in used.text


async def test_all_of_a_change_can_be_read_on_a_small_screen() -> None:
    async with dashboard((80, 24)) as used:
        targets = {Target("vm.overcommit_memory"): "2", Target("vm.overcommit_ratio"): "90"}
        staged = {**targets, Target("hugepages.2048kB"): "6400", Target("vm.swappiness"): "10"}
        used.app.set_state(rules.stage(used.app.state, staged.items(), title="small"))
        await used.look()
        await used.plan()
        assert "i all" in used.text
        assert "Evidence" not in used.text
        await used.press("i")
        assert "PgDn more   i less   Esc back" in used.text
        assert "Evidence" in used.text
        assert "↓ 4 more" in used.text
        assert "a reboot undoes it" not in used.text
        await used.press("pagedown")
        assert "a reboot undoes it" in used.text, "the end"
        await used.press("pagedown", "pageup")
        assert "Effect" in used.text, "and back"
        await used.press("pagedown", "down")
        assert "Effect" in used.text, "another change is told from its beginning"
        await used.press("i")
        assert "i all" in used.text


async def test_leaving_out_the_only_change_says_what_is_left() -> None:
    async with dashboard((80, 24)) as used:
        await used.press("space")
        await used.plan()
        await used.press("x")
        assert "Nothing is left of the plan." in used.text
        assert not used.app.state.staged


async def test_an_undo_is_not_edited_into_something_else() -> None:
    async with dashboard() as used:
        await used.press("1")
        used.app.main.page.point_at("kernel.numa_balancing")
        await used.press("space")
        await used.plan()
        await used.press("a")
        await used.until(lambda: used.app.state.undoable)
        await used.look(1.0)
        await used.plan("u")
        assert "e edit" not in used.text
        await used.press("e")
        assert "Plan · undo" in used.text
        await used.press("enter")
        assert "Plan · undo" in used.text


async def test_progress_is_not_kept_among_what_was_said() -> None:
    async with dashboard() as used:
        await used.press("S")
        await used.plan()
        await used.apply()
        assert "Writing" not in used.text
        assert not [n for n in used.app.state.notices if n.text.startswith("Writing")]


async def test_the_end_of_a_trial_is_named_by_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last sample grows old while the countdown goes on; their sum is no time of day."""
    async with dashboard() as used:
        monkeypatch.setattr(board, "seconds_left", lambda _trial: 1060.02 - used.clock.now)
        await used.press("S")
        await used.plan()
        await used.apply()
        first = used.line("Closing this terminal is safe")
        used.clock.now += 0.7
        used.app.redraw()
        await used.pilot.pause()
        assert first
        assert used.line("Closing this terminal is safe") == first


async def test_a_second_plan_meets_the_open_trial_and_its_keys() -> None:
    async with dashboard() as used:
        await used.press("S")
        await used.plan()
        await used.apply()
        await used.press("p")
        # The countdown is the helper's own clock, which goes on while the test runs.
        busy = r"Trial 1 is still open, \d+ s left\. Keep it \(K\) or put it back \(R\) first\."
        await used.until(lambda: re.search(busy, used.text))


async def test_connecting_to_a_helper_that_is_there_says_so() -> None:
    async with dashboard() as used:
        await used.press("7", "w")
        await used.until(lambda: "The root helper is ready." in used.text)


async def test_changes_without_a_change_have_no_empty_rule() -> None:
    async with dashboard() as used:
        await used.press("6")
        assert "─  ──" not in used.text
