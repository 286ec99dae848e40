"""Make every screenshot from the demo: `python screenshots/make.py [--png]`.

The clock stands at the scene of the story, five minutes of history before it, so that two runs draw
the same. `--png` also renders each with rsvg-convert, to be looked at; only the SVG is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.machine import demo_machine
from aitune_helper.messages import Change
from aitune_tui import events
from aitune_tui import state as rules
from aitune_tui.app import Dashboard
from aitune_tui.looking import Looker
from aitune_tui.selection import Target
from strip_svg import composited, draw

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.message import Message
    from textual.pilot import Pilot

HERE = Path(__file__).parent
SIZES = ((80, 24), (120, 40), (200, 50))
HISTORY_S = 300
WALL_AT_ZERO = 1_731_585_871.0  # 2024-11-14 12:04:31 UTC
COST_S = 0.018  # of one look: measured on the machine that draws, so it would differ each time
INK, GROUND = "#c4cdd7", "#0d1117"

CLASSIC = {
    Target("vm.overcommit_memory", ""): "1",
    Target("vm.overcommit_ratio", ""): "90",
    Target("hugepages.2048kB", ""): "64",
}


class Earlier(NamedTuple):
    """A change that was made before the scene, at a second of the story."""

    at: int
    knob: str
    value: str
    kept: bool


EARLIER = (
    Earlier(-290, "kernel.numa_balancing", "0", kept=False),
    Earlier(-280, "thp.defrag", "always", kept=False),
    Earlier(-265, "thp.defrag", "defer+madvise", kept=True),
    Earlier(-220, "thp.defrag", "madvise", kept=True),
)


class Clock:
    """The time of the pictures, moved by hand."""

    def __init__(self) -> None:
        self.now = -float(HISTORY_S)

    def __call__(self) -> float:
        """Monotonic seconds."""
        return self.now

    def wall(self) -> float:
        """Seconds since the epoch."""
        return WALL_AT_ZERO + self.now


class Stage:
    """One dashboard of one size, on the made-up machine."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.machine = demo_machine(at=self.clock.now, wall=self.clock.wall)
        self.app = Dashboard(
            self.machine, goal="inference", clock=self.clock, wall=self.clock.wall, live=False
        )
        self.app.looker.stop()
        self.app.looker = Looker(
            self.machine, "inference", self._take, clock=self.clock, wall=self.clock.wall
        )

    def tell_history(self) -> None:
        """Let the minutes before the scene pass."""
        while self.clock.now < 0:
            for earlier in EARLIER:
                if earlier.at == self.clock.now:
                    self._change(earlier)
            self.app.looker.look()
            self.clock.now += 1
        self.app.looker.diagnose()

    def _change(self, earlier: Earlier) -> None:
        if self.machine.link is None:
            raise RuntimeError("the demo has no helper")
        with self.machine.link.connect(ask=False) as session:
            changes = (Change(earlier.knob, "", earlier.value),)
            trial = session.apply(changes, session.plan(changes).hash, ttl_s=60)
            if earlier.kept:
                session.keep(trial.id)
                self.app.history.mark(self.clock.now, "ok", f"kept {earlier.knob}", "ok")
            else:
                session.revert(trial.id)

    def look(self) -> None:
        """Read everything again."""
        self.app.looker.hurry()
        self.app.looker.look()

    def _take(self, message: Message) -> None:
        if isinstance(message, events.SampleTaken):
            sample = replace(message.sample, cost_s=COST_S)
            self.app.on_sample_taken(events.SampleTaken(sample, message.public))
        elif isinstance(message, events.SurveyTaken):
            self.app.on_survey_taken(message)
        elif isinstance(message, events.FindingsMade):
            self.app.on_findings_made(message)
        elif isinstance(message, events.PoolsSeen):
            self.app.on_pools_seen(message)
        elif isinstance(message, events.GroundRead):
            self.app.on_ground_read(message)


class Picture(NamedTuple):
    """One screenshot: its name, and what is done before it is taken."""

    name: str
    prepare: Callable[[Stage, Pilot[int]], Awaitable[None]]


async def _overview(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("0")


async def _memory(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("1")


async def _inspector(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("1", "i")
    await pilot.pause()
    stage.look()


async def _cpu(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("2")


async def _block(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("3")


async def _load(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("4")


async def _doctor(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("7")


async def _profiles(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("P")
    await _until(pilot, lambda: stage.app.state.compared is not None)


async def _plan(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("0", "p")
    await pilot.pause()
    stage.look()


async def _trial(stage: Stage, pilot: Pilot[int]) -> None:
    await pilot.press("a")
    await _until(pilot, lambda: stage.app.state.pending is not None)
    stage.look()


async def _until(pilot: Pilot[int], done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not done():
        if time.monotonic() > give_up:
            raise TimeoutError("what the picture shows did not come")
        await pilot.pause(0.05)


PICTURES = (
    Picture("overview", _overview),
    Picture("memory", _memory),
    Picture("inspector", _inspector),
    Picture("cpu", _cpu),
    Picture("block", _block),
    Picture("load", _load),
    Picture("doctor", _doctor),
    Picture("profiles", _profiles),
    Picture("plan", _plan),
    Picture("trial", _trial),
)


async def shoot(size: tuple[int, int], directory: Path) -> list[Path]:
    """Take every picture of one size."""
    stage = Stage()
    try:
        stage.tell_history()
        made = []
        async with stage.app.run_test(size=size) as pilot:
            stage.app.set_state(
                rules.stage(stage.app.state, CLASSIC.items(), title="profile classic")
            )
            stage.look()
            for picture in PICTURES:
                await picture.prepare(stage, pilot)
                await pilot.pause()
                path = directory / f"{picture.name}-{size[0]}x{size[1]}.svg"
                title = f"aitune-tui, {picture.name}, {size[0]} x {size[1]}"
                path.write_text(
                    draw(composited(stage.app.screen), ink=INK, ground=GROUND, title=title), "utf-8"
                )
                made.append(path)
            stage.app.close()
        return made
    finally:
        stage.machine.close()


def main() -> None:
    """Take every picture of every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--png", action="store_true", help="also render each with rsvg-convert")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write them")
    arguments = parser.parse_args()
    os.environ["TZ"] = "UTC"
    os.environ["TERM"], os.environ["COLORTERM"] = "xterm-256color", "truecolor"
    os.environ.pop("NO_COLOR", None)
    time.tzset()
    for size in SIZES:
        for path in asyncio.run(shoot(size, arguments.out)):
            if arguments.png:
                subprocess.run(  # noqa: S603 - our own file
                    ["rsvg-convert", "--output", path.with_suffix(".png"), path],  # noqa: S607
                    check=True,
                )


if __name__ == "__main__":
    main()
