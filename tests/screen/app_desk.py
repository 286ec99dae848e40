"""A dashboard on the made-up machine, with its time in the test's own hands."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.screen.snapshot import screen_text

from aitune_backends.machine import Machine, demo_machine
from aitune_tui.app import Dashboard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.pilot import Pilot

SIZES = ((80, 24), (120, 40), (200, 50))
WALL_AT_ZERO = 1_731_585_871.0  # 2024-11-14 12:04:31 UTC
PATIENCE_S = 20.0


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Monotonic seconds."""
        return self.now

    def wall(self) -> float:
        """Seconds since the epoch."""
        return WALL_AT_ZERO + self.now


class Desk:
    """One dashboard under test, and the keys to it."""

    def __init__(self, app: Dashboard, pilot: Pilot[int], machine: Machine, clock: Clock) -> None:
        self.app = app
        self.pilot = pilot
        self.machine = machine
        self.clock = clock

    async def look(self, seconds: float = 1.0) -> None:
        """Let time pass, then read everything."""
        self.clock.now += seconds
        self.app.looker.hurry()
        self.app.looker.look()
        await self.pilot.pause(0)

    async def press(self, *keys: str) -> None:
        """Press keys, and let each have its effect."""
        await self.pilot.press(*keys)
        await self.pilot.pause(0)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until threads have made something true; fail with a sentence if they do not."""
        give_up = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < give_up, f"waited in vain: {what}\n{self.text}"
            await self.pilot.pause(0.01)
        await self.pilot.pause(0)

    @property
    def text(self) -> str:
        """What the terminal would show."""
        return screen_text(self.app)

    def value(self, path: str) -> str:
        """What a file of the machine says."""
        return self.machine.host.read(path).strip()

    def put(self, path: str, text: str) -> None:
        """Change a file of the machine behind everybody's back."""
        (self.machine.host.root / path.lstrip("/")).write_text(f"{text}\n", encoding="ascii")

    async def select(self, key: str, *, page: str = "0") -> None:
        """Move the cursor down a table until it stands on a row."""
        await self.press(page, "home")
        for _ in range(60):
            if self.app.main.selected == key:
                return
            await self.press("down")
        raise AssertionError(f"no key leads to {key}: stopped at {self.app.main.selected!r}")

    async def planned(self, key: str = "p") -> None:
        """Open a plan and wait until it was checked."""
        await self.press(key)
        await self.until(
            lambda: "Nothing is written" in self.text or "Refused" in self.text, "a plan"
        )

    async def applied(self) -> None:
        """Apply the open plan, and wait for what came of it."""
        notices = len(self.app.state.notices)
        await self.press("a")
        await self.until(
            lambda: self.app.state.pending or len(self.app.state.notices) > notices, "an apply"
        )
        await self.look()


@asynccontextmanager
async def open_desk(
    size: tuple[int, int] = (120, 40),
    *,
    machine: Machine | None = None,
    readonly: bool = False,
    ticks: int = 2,
) -> AsyncIterator[Desk]:
    """Open the dashboard on the demo, look a few times, and close it all at the end."""
    clock = Clock()
    opened = demo_machine() if machine is None else machine
    if readonly:
        opened.link, opened.why_not_writable = None, "Started with --readonly."
    app = Dashboard(opened, goal="inference", clock=clock, wall=clock.wall, live=False)
    try:
        async with app.run_test(size=size) as pilot:
            desk = Desk(app, pilot, opened, clock)
            for _ in range(ticks):
                await desk.look()
            app.looker.diagnose()
            await pilot.pause(0)
            yield desk
    finally:
        app.close()
        opened.close()
