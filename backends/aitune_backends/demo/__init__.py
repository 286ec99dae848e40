"""A made-up machine that the rest of the program cannot tell from a real one.

`tree` and `devices` are what its files say, `story` and `world` how they move, `kernel` what a
written value does to them, `link` the helper that changes them. It needs no rights, and nothing of
it is left when it is closed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
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

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only a private directory made in it is used
_ROOM_BYTES = 64 << 20


class DemoMachine:
    """gpu-node-07 in a private temporary directory.

    Attributes:
        files: Its files.
        world: What makes them move; nothing moves but by `world.advance`.
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
        # Runs at exit too, however the program ends short of being killed.
        self._remove = weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.files = build(directory)
        self.world = World(self.files, seed=seed, at=at)
        self.kernel = DemoKernel(self.files, self.world)
        self.host = Host(directory, origin="demo", label=f"the made-up machine {HOST}")
        self.link = DemoLink(self.kernel, directory, wall)

    def close(self) -> None:
        """End its helper and remove its directory; a second call does nothing."""
        self.link.close()
        self._remove()


def _memory() -> Path | None:
    """Where files cost no disk: creating two thousand on a busy one can take a second."""
    if os.access(_SHARED_MEMORY, os.W_OK):
        room = os.statvfs(_SHARED_MEMORY)
        if room.f_bavail * room.f_frsize >= _ROOM_BYTES:
            return _SHARED_MEMORY
    return None
