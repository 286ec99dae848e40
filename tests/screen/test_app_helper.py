"""Where the root helper stands, as the header says it while it comes and goes."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest
from tests.screen.app_desk import Desk, open_desk

from aitune_backends import elevation
from aitune_backends.demo.link import DemoLink
from aitune_helper import server
from aitune_helper.messages import Change
from aitune_tui import sentences

IDLE_S = 0.5
BALANCING = "/proc/sys/kernel/numa_balancing"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The made-up machine's helper, behind a sudo, and soon tired."""
    helper = tmp_path / "aitune-helper.pyz"
    helper.write_bytes(b"")
    monkeypatch.setattr(elevation, "HELPERS", (helper,))
    monkeypatch.setattr(DemoLink, "name", "sudo")
    monkeypatch.setattr(server, "serve", functools.partial(server.serve, idle_s=IDLE_S))
    return helper


async def slept(desk: Desk, word: str) -> None:
    """Look until the helper is seen to have ended."""
    for _ in range(200):
        await desk.look(0.1)
        if desk.app.state.helper == word:
            return
        await desk.pilot.pause(0.02)
    raise AssertionError(f"the helper is still {desk.app.state.helper}")


async def test_a_helper_that_fell_asleep_is_said_and_wakes_at_the_next_write(
    installed: Path,
) -> None:
    async with open_desk() as desk:
        assert "root helper asleep" in desk.text
        await desk.press("w")
        await desk.until(lambda: desk.app.state.helper == "ready", "a helper")
        await desk.look()
        assert "root helper ready" in desk.text
        await slept(desk, "asleep")
        assert "root helper asleep" in desk.text
        assert sentences.HELPER_ENDED in desk.text
        await desk.look()
        said = [notice.text for notice in desk.app.state.notices]
        assert said.count(sentences.HELPER_ENDED) == 1
        await desk.select("kernel.numa_balancing")
        await desk.press("space")
        await desk.planned()
        await desk.applied()
        assert desk.value(BALANCING) == "0"
        assert desk.app.state.helper == "ready"


async def test_a_helper_that_was_removed_meanwhile_is_not_called_asleep(installed: Path) -> None:
    async with open_desk() as desk:
        await desk.press("w")
        await desk.until(lambda: desk.app.state.helper == "ready", "a helper")
        installed.unlink()  # noqa: ASYNC240 - one file, of a test
        await slept(desk, "not installed")
        assert "no root helper" in desk.text


async def test_a_helper_with_a_trial_open_does_not_sleep(installed: Path) -> None:
    async with open_desk() as desk:
        link = desk.machine.link
        assert link is not None
        changes = (Change("vm.swappiness", "", "33"),)
        with link.connect(ask=False) as session:
            trial = session.apply(changes, session.plan(changes).hash, ttl_s=60)
            for _ in range(3):
                assert session.plan(()).items == ()
                await desk.pilot.pause(IDLE_S * 1.2)
                assert not session.is_over
            session.revert(trial.id)
            await desk.until(lambda: session.is_over, "sleep")


async def test_what_another_terminal_kept_is_told_and_is_no_alarm() -> None:
    async with open_desk() as desk:
        link = desk.machine.link
        assert link is not None
        changes = (Change("vm.swappiness", "", "33"),)
        with link.connect(ask=False) as session:
            trial = session.apply(changes, session.plan(changes).hash, ttl_s=60)
            session.keep(trial.id)
        await desk.look()
        said = [notice.text for notice in desk.app.state.notices]
        assert said == [f"{trial.owner_name}, trial 1: vm.swappiness  60 → 33. Kept."]
        await desk.look()
        assert len(desk.app.state.notices) == 1


async def test_keys_do_not_end_the_trial_of_another_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_desk() as desk:
        link = desk.machine.link
        assert link is not None
        changes = (Change("vm.swappiness", "", "33"),)
        with link.connect(ask=False) as session:
            trial = session.apply(changes, session.plan(changes).hash, ttl_s=60)
            await desk.look()
            monkeypatch.setattr(os, "geteuid", lambda: trial.owner_uid + 1)
            await desk.press("K", "R")
            await desk.look()
            assert desk.app.state.pending is not None
            text = f"Trial 1 is {trial.owner_name}'s. `aitune-tui keep 1` or `revert` ends it."
            assert text in desk.text
            monkeypatch.undo()
            await desk.press("R")
            await desk.until(lambda: desk.app.state.pending is None, "the way back")
