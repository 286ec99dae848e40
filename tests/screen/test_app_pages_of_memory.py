"""Huge pages in the dashboard: growing, stopped, short of some, asked for again."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.screen.app_desk import open_desk

from aitune_backends.demo.kernel import DemoKernel
from aitune_helper.messages import KEPT, REVERTED_TRIAL, Layer
from aitune_tui import events, sentences
from aitune_tui import state as rules
from aitune_tui.selection import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.screen.app_desk import Desk

POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
GIGANTIC = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
COMPACT = "/proc/sys/vm/compact_memory"
SMALL, LARGE = Target("hugepages.2048kB"), Target("hugepages.1048576kB")


class Gate:
    """Lets the made-up kernel write a pool's file only so often; then its writer waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.permits = threading.Semaphore(0)
        write = DemoKernel.write

        def gated(kernel: DemoKernel, path: str, value: str) -> None:
            if path == POOL:
                assert self.permits.acquire(timeout=20)
            write(kernel, path, value)

        monkeypatch.setattr(DemoKernel, "write", gated)

    def open(self, times: int = 100) -> None:
        self.permits.release(times)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.open()


async def staged(desk: Desk, target: Target, value: str) -> None:
    desk.app.set_state(rules.stage(desk.app.state, [(target, value)]))
    await desk.planned()


async def growing(desk: Desk, gate: Gate) -> None:
    """Begin to grow a pool of 4,096 pages, and halt after the second step."""
    await staged(desk, SMALL, "4096")
    await desk.press("a")
    gate.open(2)
    await desk.until(lambda: "1,024 of 4,096 pages" in desk.text, "the second step")


async def test_a_pool_grows_before_ones_eyes(gate: Gate) -> None:
    async with open_desk() as desk:
        await growing(desk, gate)
        assert "1,024 of 4,096 pages · node0 512 · node1 512" in desk.text
        assert "c stop and put back" in desk.text
        await desk.look()
        assert "APPLYING" in desk.text, "other dashboards see it too"
        assert "until every setting goes back" not in desk.text, "nothing counts down yet"
        await desk.press("K", "R")
        assert "accept" not in desk.text, "there is nothing to answer yet"
        gate.open()
        await desk.until(lambda: not desk.app.state.writing, "the end of it")
        await desk.look()
        assert desk.value(POOL) == "4096"
        assert "c stop and put back" not in desk.text


async def test_c_stops_it_and_all_of_it_is_put_back(gate: Gate) -> None:
    async with open_desk() as desk:
        await growing(desk, gate)
        await desk.press("c")
        gate.open()
        await desk.until(lambda: "Stopped at" in desk.text, "the way back")
        assert "hugepages.2048kB is as it was." in desk.text
        assert desk.value(POOL) == "0"
        assert desk.app.state.pending is None
        assert desk.app.state.offer is None, "what the operator stopped is not short of anything"
        await desk.press("6")
        assert desk.app.state.notices[0].kind == "ok"


async def short(desk: Desk) -> None:
    await staged(desk, LARGE, "64")
    await desk.applied()


async def test_a_short_pool_says_why_and_m_brings_more() -> None:
    async with open_desk() as desk:
        await short(desk)
        assert "Got 5 of 64 huge pages: memory is fragmented on node0, node1." in desk.text
        assert "Put back, or accept 5?" in desk.text
        assert "M get more pages" in desk.text
        await desk.press("M")
        for words in (
            "but not in blocks of",
            "c compact memory, then plan again",
            "d drop page cache, then plan again",
            "hugepagesz=1G hugepages=64",
            "Trial 1 is put back first.",
        ):
            assert words in desk.text, desk.text
        await desk.press("c")
        await desk.until(lambda: "Nothing is written yet." in desk.text, "the new plan")
        assert desk.value(GIGANTIC) == "0", "the first trial is back, the second only planned"
        assert desk.app.state.trials[0].state == REVERTED_TRIAL
        await desk.applied()
        assert desk.value(GIGANTIC) == "64"
        assert desk.app.state.offer is None


async def test_leaving_the_offer_does_nothing() -> None:
    async with open_desk() as desk:
        await short(desk)
        pending = desk.app.state.pending
        await desk.press("M", "escape")
        await desk.look()
        assert desk.app.state.pending == pending
        assert desk.value(GIGANTIC) == "5"


async def test_a_refusal_names_the_number_that_would_pass() -> None:
    async with open_desk() as desk:
        await staged(desk, SMALL, "480000")
        found = re.search(r"most that is safe: (\d+)\.", desk.text)
        assert found, desk.text
        await desk.press("escape")
        await staged(desk, SMALL, found[1])
        assert "Nothing is written yet." in desk.text


async def test_without_a_short_pool_there_is_nothing_to_offer() -> None:
    async with open_desk() as desk:
        await desk.press("M")
        assert sentences.NO_OFFER in desk.text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_an_action_asks_first(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = DemoKernel.write

    def noted(kernel: DemoKernel, path: str, value: str) -> None:
        written.append(path)
        write(kernel, path, value)

    monkeypatch.setattr(DemoKernel, "write", noted)
    async with open_desk(size) as desk:
        desk.app.ask_act("compact_memory")
        await desk.pilot.pause()
        assert "Compact memory" in desk.text
        assert f"1 to {COMPACT}" in desk.text
        await desk.press("escape")
        assert written == []
        desk.app.ask_act("compact_memory")
        await desk.pilot.pause()
        await desk.press("y")
        await desk.until(lambda: "Memory is compacted." in desk.text, "the action")
        assert written == [COMPACT]


async def test_the_palette_has_the_actions() -> None:
    async with open_desk() as desk:
        await desk.press("colon")
        await desk.press(*"drop the page")
        await desk.until(lambda: "Memory: drop the page cache…" in desk.text, "the command")


async def test_doctor_shows_how_the_helper_is_confined() -> None:
    async with open_desk((120, 40)) as desk:
        await desk.press("H")
        await desk.until(lambda: desk.app.state.hello is not None, "the hello")
        await desk.press("7")
        assert "guardian: a part of this program." in desk.text
        hello = desk.app.state.hello
        assert hello is not None
        layers = (Layer("landlock", held=False, note="not in this kernel"),
                  Layer("seccomp", held=True, note="75 calls denied"))  # fmt: skip
        confined = hello._replace(guardian="systemd", sandbox=layers, bundle_sha256="ab" * 32)
        desk.app.set_state(replace(desk.app.state, hello=confined))
        await desk.pilot.pause()
        desk.app.main.page.point_at("helper-landlock")
        await desk.pilot.pause()
        text = desk.text
        assert "a service of its own" in text
        assert "▲ landlock: missing, not in this kernel" in text
        assert "✓ seccomp: held, 75 calls denied" in text
        assert "No landlock" in text
        assert "The root helper runs without" in text


async def test_a_helper_of_another_version_is_replaced_by_one_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed: list[bool] = []
    async with open_desk() as desk:
        await desk.press("H")
        await desk.until(lambda: desk.app.state.hello is not None, "the hello")
        hello = desk.app.state.hello
        assert hello is not None
        desk.app.post_message(
            events.HelperAnswered(hello._replace(bundle_sha256="cd" * 32), "sudo")
        )
        await desk.until(lambda: desk.app.state.helper == "outdated", "the other version")
        desk.clock.now += 10
        await desk.look()
        assert "is of another version than this program.   w replace" in desk.text
        assert "w replace root helper" in desk.text
        monkeypatch.setattr(desk.app.changing, "install", lambda: installed.append(True))
        await desk.press("w")
        assert installed == [True]


async def test_what_is_kept_at_once_leaves_no_word_of_writing() -> None:
    async with open_desk() as desk:
        await staged(desk, SMALL, "64")
        await desk.applied()
        assert desk.app.state.writing == ""
        assert desk.app.state.trials[0].state == KEPT
