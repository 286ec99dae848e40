"""A dashboard over a machine, a trial, a profile and a helper that mean it ill."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.screen.app_desk import SIZES, open_desk
from tests.screen.snapshot import screen_strips
from tests.unit.hostile import machine_files
from tests.unit.hostile.corpus import CORPUS, RAW, acting
from tests.unit.hostile.test_hostile_cli import hostile_trial

from aitune_backends.elevation import not_granted
from aitune_backends.host import Host
from aitune_backends.identity import read_identity
from aitune_backends.machine import Machine
from aitune_helper import messages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.screen.app_desk import Desk

    from aitune_backends.helper_client import Session

TURNS = 3
KEYS = (
    *"01234567", "i", "escape", "2", "i", "escape", "3", "i", "escape", "6", "i", "escape",
    "question_mark", "escape", "p", "escape", "u", "escape", "colon", "escape", "7", "enter",
    "escape", "P", "up", "tab", "x", "escape",
)  # fmt: skip


class HostileLink:
    """A public file full of hostile text, and a sudo that says it in its refusal."""

    name = "sudo"

    def __init__(self, text: str) -> None:
        self._text = text
        deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + 1000
        pending = hostile_trial(text, state="pending", deadline=deadline, number=8)
        self._state = messages.PublicState("", pending, (hostile_trial(text),))

    def state(self) -> messages.PublicState:
        """As it is read from the file."""
        return self._state

    def connect(self, *, ask: bool) -> Session:
        """Refuse."""
        raise not_granted(self._text)


def check_screen(desk: Desk, where: str) -> None:
    """Nothing on the screen acts, and nothing is a link or a click of somebody else's."""
    for strip in screen_strips(desk.app):
        assert not acting(strip.text), (where, ascii(strip.text))
        assert "\n" not in strip.text
        for segment in strip:
            assert segment.control is None
            assert segment.style is None or segment.style.link is None
            assert segment.style is None or "@click" not in str(segment.style.meta), where


@pytest.mark.parametrize("turn", range(TURNS))
async def test_no_text_of_a_machine_acts_on_the_screen(turn: int, tmp_path: Path) -> None:
    """Each turn says something else in each place; the command line's tests say all in all."""
    names = ["markup", *list(RAW)[turn::TURNS]]
    root = machine_files.write(tmp_path / "machine", *(RAW[name] for name in names))
    host = Host(root, origin="demo")
    link = HostileLink("".join(CORPUS.get(name, "\udcff\x1b[2J")[:60] for name in names))
    machine = Machine(host, read_identity(host), link)
    async with open_desk(SIZES[turn % len(SIZES)], machine=machine) as desk:
        seen = ""
        for key in KEYS:
            await desk.press(key)
            check_screen(desk, key)
            seen += desk.text
    assert "sda" in seen
    assert "[red on white]x[/]" in seen  # shown as it is, not understood
