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


async def test_the_load_page_names_the_model_and_its_process() -> None:
    for size in ((80, 24), (120, 40)):
        async with dashboard(size) as used:
            await used.press("4")
            assert "Llama-3.1-405B-Instruct" in used.text
            assert "vllm 48211" in used.text


async def test_a_load_that_has_read_everything_measures_no_more() -> None:
    async with dashboard() as used:
        for _ in range(40):
            await used.look(2.0)
            if "100 %" in used.text:
                break
        await used.press("1")
        assert "100 %" in used.text
        assert "measuring…" not in used.text
        assert "all read" in used.text


async def test_the_goal_is_on_the_screen_once_it_is_not_the_usual_one() -> None:
    async with dashboard((80, 24)) as used:
        assert "for inference" not in used.text
        await used.press("g")
        assert "for training" in used.text.splitlines()[0]


async def test_no_word_of_a_choice_is_cut() -> None:
    async with dashboard((80, 24)) as used:
        await used.press("2", "enter")
        assert "schedutil" in used.text
        assert "…" not in used.line("schedutil")


async def test_the_facts_of_a_disk_and_of_the_pools_keep_their_columns() -> None:
    """A line that does not fit goes on under its text, not under its label."""
    for size in ((80, 24), (120, 40)):
        async with dashboard(size) as used:
            await used.press("3")
            assert "3840.8 GB, solid state, node0" in used.text
