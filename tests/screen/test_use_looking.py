"""The keys that only look, pressed as an operator presses them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.screen.using import dashboard

from aitune_backends.loads.records import LoadRequest, LoadResult, LoadRun, Place
from aitune_backends.machine import open_machine
from aitune_backends.readings import LoadSeen
from aitune_tui.present_load import LoadTrack, load_fraction, times
from aitune_tui.words import file_size


def timed(state: str, engine: str) -> LoadResult:
    """Three runs of a small model."""
    run = LoadRun(0.0028, 19_200_160, 1.0 if state == "warm" else 0.0, 0, 0, 0.0, None, state)
    request = LoadRequest("tiny", ("/m/a.safetensors",), run.bytes, engine, state)
    return LoadResult(request, Place(1_731_585_000.0, "gpu", "", "", "6.8"), (run,) * 3)


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
    load = LoadSeen(1, "vllm", "m", 1, 1, 100, 100, 0.0, None, "Everything is read.")
    assert times(load, LoadTrack(), 0.0) == ("all read", "")


async def test_a_second_load_of_the_same_process_begins_at_its_beginning() -> None:
    """What the process fetched for its first load is no part of the second."""
    async with dashboard() as used:
        shown = []
        for _ in range(100):
            await used.look(1.5)
            shown.append(load_fraction(used.app.state.sample))
        gone = shown.index(None)
        second = [share for share in shown[gone:] if share is not None]
        assert second
        assert second[0] < 0.1


async def test_the_goal_is_always_on_the_screen() -> None:
    async with dashboard((80, 24)) as used:
        assert " inference " in used.text.splitlines()[0]
        await used.press("g")
        assert " training " in used.text.splitlines()[0]


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


async def test_results_say_cold_or_warm_and_how_at_80_columns() -> None:
    async with dashboard((80, 24)) as used:
        await used.press("4")
        results = tuple(
            timed(state, engine) for state, engine in (("warm", "mmap"), ("cold", "buffered"))
        )
        used.app.set_measuring(replace(used.app.measuring, results=results))
        await used.pilot.pause()
        assert "warm mmap" in used.text
        assert "cold buffered" in used.text
        assert "2.8 ms" in used.line("warm mmap")
        assert "100 %" in used.line("warm mmap")


async def test_a_small_model_has_a_size() -> None:
    assert file_size(19_200_160) == "19.2 MB"
    assert file_size(811_700_000_000) == "811.7 GB"


async def test_nothing_is_offered_where_the_value_is_fine() -> None:
    async with dashboard() as used:
        await used.press("1")
        used.app.main.page.point_at("thp.enabled")
        await used.look()
        assert "Space stage" not in used.line("copy command")


async def test_a_capture_without_disks_and_cpufreq_says_so_and_blames_nobody(
    tmp_path: Path,
) -> None:
    meminfo = tmp_path / "proc" / "meminfo"
    meminfo.parent.mkdir()
    meminfo.write_text("MemTotal: 1048576 kB\nMemFree: 524288 kB\nMemAvailable: 524288 kB\n")
    (tmp_path / "sys").mkdir()
    async with dashboard(machine=open_machine(root=str(tmp_path))) as used:
        await used.press("3")
        assert "No disk is seen here." in used.text
        assert "─  ──" not in used.text
        await used.press("2")
        assert "cpufreq is not in this capture." in used.text
        assert "This kernel offers" not in used.text


async def test_the_filter_leaves_the_trial_in_sight() -> None:
    async with dashboard((80, 24)) as used:
        await used.press("S")
        await used.plan()
        await used.apply()
        await used.press("1", "slash", *"swappi", "enter")
        assert "Closing this terminal is safe" in used.text
        assert "1 setting " in used.text
        assert used.line(" swappi ") or used.line(" swappi")
