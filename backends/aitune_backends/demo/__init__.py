"""A made-up machine that the rest of the program cannot tell from a real one.

`tree` and `devices` are what its files say, `story` and `world` how they move, `kernel` what a
written value does to them, `link` the helper that changes them. It needs no rights, and nothing of
it is left when it is closed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.host import Host

from .kernel import DemoKernel
from .link import DemoLink
from .tree import HOST, build
from .world import SEED, World

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP_S = 0.25
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only a private directory made in it is used
_ROOM_BYTES = 64 << 20


class DemoMachine:
    """gpu-node-07 in a private temporary directory.

    Attributes:
        files: Its files.
        world: What makes them move; nothing moves until `world.advance` or `start`.
        kernel: What a write does.
        host: The machine to look at.
        link: The way to its helper.
    """

    def __init__(
        self, *, seed: int = SEED, at: float = 0.0, wall: Callable[[], float] = time.time
    ) -> None:
        """Make the machine.

        Args:
            seed: Decides the wobble of the frequencies.
            at: Seconds in the story; 0 is 61 % through a load.
            wall: The clock by which the helper dates what it writes down.
        """
        directory = Path(tempfile.mkdtemp(prefix="aitune-demo-", dir=_memory())).resolve()
        self._stopped = threading.Event()
        # Runs at exit too, however the program ends short of being killed.
        self._tear_down = weakref.finalize(self, _tear_down, self._stopped, directory)
        self.files = build(directory)
        self.world = World(self.files, seed=seed, at=at)
        self.kernel = DemoKernel(self.files, self.world)
        self.host = Host(directory, origin="demo", label=f"the made-up machine {HOST}")
        self.link = DemoLink(self.kernel, directory, wall)

    def start(self) -> None:
        """Let the machine move by itself, in real time, until it is closed."""
        mover = threading.Thread(
            target=_move, args=(self.world, self._stopped), name="demo-world", daemon=True
        )
        mover.start()

    def close(self) -> None:
        """Stop it and remove its directory; a second call does nothing."""
        self.link.close()
        self._tear_down()


def _memory() -> Path | None:
    """Where files cost no disk: creating two thousand on a busy one can take a second."""
    if os.access(_SHARED_MEMORY, os.W_OK):
        room = os.statvfs(_SHARED_MEMORY)
        if room.f_bavail * room.f_frsize >= _ROOM_BYTES:
            return _SHARED_MEMORY
    return None


def _move(world: World, stopped: threading.Event) -> None:
    before = time.monotonic()
    while not stopped.wait(_STEP_S):
        now = time.monotonic()
        world.advance(now - before)
        before = now


def _tear_down(stopped: threading.Event, directory: Path) -> None:
    stopped.set()
    shutil.rmtree(directory, ignore_errors=True)
