"""The made-up machine's helper: the real one's core, in a thread behind a socket pair."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.helper_client import Session
from aitune_backends.public_state import PublicFile
from aitune_helper.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_helper.messages import PublicState
    from aitune_helper.server import Core

    from .kernel import DemoKernel


class DemoLink:
    """The way to the demo's helper; nobody is asked for a password."""

    def __init__(self, kernel: DemoKernel, root: Path, wall: Callable[[], float]) -> None:
        """Stand ready to start it.

        Args:
            kernel: What it writes to.
            root: The made-up machine's directory, in which it keeps its records.
            wall: The clock by which it dates them.
        """
        self._kernel = kernel
        self._wall = wall
        self._places = Places(f"{root}/run/aitune", f"{root}/var/lib/aitune", f"{root}/etc")
        self._public = PublicFile(Path(self._places.public))
        self._core: Core | None = None

    @property
    def name(self) -> str:
        """What stands between us and the helper."""
        return "demo"

    def connect(self, *, ask: bool) -> Session:
        """Start a helper of our own; see `HelperLink.connect`."""
        core = self._started()
        ours, theirs = socket.socketpair()
        threading.Thread(
            target=_serve, args=(core, theirs), name="demo-helper", daemon=True
        ).start()
        return Session(ours)

    def state(self) -> PublicState | None:
        """What the helper tells anybody."""
        return self._public.read()

    def close(self) -> None:
        """End the guardian; an open trial ends with the made-up machine."""
        if self._core is not None:
            self._core.close()

    def _started(self) -> Core:
        """One core for all connections: its guardian has to outlive each of them."""
        if self._core is None:
            from aitune_helper.server import Core  # only for who changes something

            self._core = Core(self._kernel, self._places, wall=self._wall)
        return self._core


def _serve(core: Core, connected: socket.socket) -> None:
    from aitune_helper.server import serve

    with connected:
        serve(core, connected.fileno(), connected.fileno())
