"""The keys that only look, pressed as an operator presses them."""

from __future__ import annotations

from tests.screen.using import dashboard


async def test_a_filter_shows_only_what_matches_and_goes_away() -> None:
    async with dashboard() as used:
        await used.press("1", "slash", *"swap")
        assert "vm.swappiness" in used.text
        assert "vm.overcommit_ratio" not in used.text
        await used.press("escape")
        assert "vm.overcommit_ratio" in used.text


async def test_a_filter_without_a_match_says_how_to_clear_it() -> None:
    for size in ((120, 40), (80, 24)):
        async with dashboard(size) as used:
            await used.press("1", "slash", *"nvm", "enter")
            assert 'No setting matches "nvm". Esc clears the filter.' in used.text
