"""A dashboard to press keys on: the demo, or any machine, with a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.screen.snapshot import screen_text
from textual.pilot import Pilot

from aitune_backends.machine import Machine, demo_machine
from aitune_tui.app import Dashboard


class Clock:
    """Monotonic seconds, and seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_731_584_871.0 + self.now


@dataclass
class Used:
    """One dashboard in use."""

    app: Dashboard
    pilot: Pilot[int]
    clock: Clock

    async def look(self, seconds: float = 0.0) -> None:
        """Let time pass, and have the machine read again."""
        self.clock.now += seconds
        self.app.looker.hurry()
        self.app.looker.look()
        await self.pilot.pause()
        self.app.redraw()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something that a thread brings about."""
        give_up = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < give_up, self.text
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    async def plan(self, key: str = "p") -> None:
        """Open a plan and wait until it is read."""
        await self.press(key)
        await self.until(lambda: "Nothing is written" in self.text)

    async def apply(self) -> None:
        """Apply the open plan, and wait for its trial."""
        await self.press("a")
        await self.until(lambda: self.app.state.pending is not None)
        await self.look(1.0)

    @property
    def text(self) -> str:
        """The screen as text."""
        return screen_text(self.app)

    def line(self, word: str) -> str:
        """The first line of the screen with `word` in it."""
        return next((line for line in self.text.splitlines() if word in line), "")


@asynccontextmanager
async def dashboard(
    size: tuple[int, int] = (120, 40), machine: Machine | None = None
) -> AsyncIterator[Used]:
    """Open a dashboard of a size; the demo where no machine is given."""
    clock = Clock()
    with machine or demo_machine(wall=clock.wall) as opened:
        app = Dashboard(opened, goal="inference", clock=clock, wall=clock.wall, live=False)
        async with app.run_test(size=size) as pilot:
            used = Used(app, pilot, clock)
            try:
                await used.look()
                yield used
            finally:
                app.close()
