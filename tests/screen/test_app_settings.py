"""Settings on their pages: what drifts, what is folded, what can be picked, for which goal."""

from __future__ import annotations

from tests.screen.app_desk import open_desk

SWAPPINESS = "/proc/sys/vm/swappiness"


async def test_what_somebody_else_sets_is_marked_at_once_until_it_is_seen() -> None:
    async with open_desk() as desk:
        desk.put(SWAPPINESS, "33")
        await desk.look()
        assert "1 Memory ≠1" in desk.text
        assert "vm.swappiness went from 60 to 33 at 12:04:34. Not by us." in desk.text
        await desk.select("vm.swappiness", page="1")
        assert "≠ drifted" in desk.text
        assert "Set by" in desk.text
        await desk.press("6", "home")
        assert "vm.swappiness  60 → 33" in desk.text
        await desk.press("enter")
        assert desk.app.main.page_key == "1"
        assert desk.app.main.selected == "vm.swappiness"
        await desk.press("escape")  # the notice
        assert "≠ drifted" in desk.text
        await desk.press("escape")  # seen
        assert "≠ drifted" not in desk.text
        assert "≠1" not in desk.text
        desk.put(SWAPPINESS, "34")
        await desk.look()
        assert "≠ drifted" in desk.text
        desk.put(SWAPPINESS, "33")
        await desk.look()
        assert "≠ drifted" not in desk.text, "it is as it was when it was last seen"


async def test_our_own_change_and_what_it_moves_along_is_no_drift() -> None:
    async with open_desk() as desk:
        await desk.select("vm.swappiness")
        await desk.press("enter")
        await desk.press("1", "5", "enter")
        await desk.planned()
        await desk.applied()
        await desk.look()
        assert desk.value(SWAPPINESS) == "15"
        assert not desk.app.state.drifted
        assert "≠" not in desk.text


async def test_what_is_seldom_needed_unfolds_and_the_goal_stays_in_sight() -> None:
    async with open_desk((80, 24)) as desk:
        assert " inference  12:04:3" in desk.text.splitlines()[0]
        await desk.press("g", "1", "end")
        await desk.look()
        assert " training  12:04:3" in desk.text.splitlines()[0]
        assert "more: Enter shows them" in desk.text
        await desk.press("enter", "end")
        assert "vm.dirty_writeback_centisecs" in desk.text
        await desk.press("m", "end")
        assert "vm.dirty_writeback_centisecs" not in desk.text
        await desk.press("slash", *"expire", "enter")
        assert "vm.dirty_expire_centisecs" in desk.text


async def test_values_are_picked_within_what_is_possible_here() -> None:
    async with open_desk() as desk:
        await desk.app.main.action_page("2", "cpu.epp@policy0+")
        await desk.press("enter")
        assert "– cannot be set now" in desk.text
        assert "Under the governor performance" in desk.text
        await desk.press("down", "down")
        assert "▌ performance" in desk.text or "▸ performance" in desk.text
        await desk.press("escape")
        await desk.app.main.action_page("2", "cpu.max_freq")
        await desk.look()
        await desk.press("enter")
        await desk.look()
        assert "A whole number from 800 to 3800 MHz" in desk.text
        await desk.press(*"2400")
        assert "2.4 GHz (2400000)" in desk.text
        await desk.press("backspace", "backspace", "backspace", "backspace", *"4000")
        assert "cpu.max_freq takes 800 to 3800 MHz here" in desk.text
        await desk.press("backspace", "backspace", "backspace", "backspace", *"2400", "enter")
        assert set(desk.app.state.staged.values()) == {"2400000"}
        assert "→ 2.4 GHz" in desk.text
