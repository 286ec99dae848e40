"""Ending well, whatever ends the dashboard; and hearing of disks that come and go."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from textual.app import App

    from aitune_backends.hotplug import Hotplug

# Textual leaves the alternate screen on an exit of its own, but not when a signal ends the process.
_ENDS = (signal.SIGTERM, signal.SIGHUP)
_FAREWELL_SECONDS = 3.0


def restore_terminal_on(
    loop: asyncio.AbstractEventLoop, app: App[int], let_go: Callable[[], None]
) -> None:
    """End in order on SIGTERM and SIGHUP, so that the terminal is as it was.

    Args:
        loop: The loop the app runs in.
        app: What is to end.
        let_go: Called instead of the rest of the app where that does not end: Textual waits for
            ever to write its farewell to a terminal that is gone.
    """

    def end(number: int) -> None:
        app.exit(128 + number)
        watchdog = threading.Timer(_FAREWELL_SECONDS, _abandon, (let_go, 128 + number))
        watchdog.daemon = True
        watchdog.start()

    for one in _ENDS:
        try:
            loop.add_signal_handler(one, end, one)
        except (ValueError, RuntimeError):
            return  # not in the main thread: whoever runs us there minds the signals


def _abandon(let_go: Callable[[], None], status: int) -> None:
    """End at once, with nothing of ours left behind."""
    try:
        let_go()
    finally:
        os._exit(status)


@contextlib.contextmanager
def interrupt_for_the_child() -> Iterator[None]:
    """Leave Ctrl-C to whoever has the terminal: at sudo's prompt it ends sudo, not us.

    The handler does nothing rather than ignore, since a child would inherit that.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def watch_disks(loop: asyncio.AbstractEventLoop, changed: Callable[[], None]) -> Hotplug:
    """Call `changed` when a block device came or went. Imported late: it brings libudev."""
    from aitune_backends.hotplug import Hotplug

    hotplug = Hotplug(changed)
    if hotplug.fileno() >= 0:
        loop.add_reader(hotplug.fileno(), hotplug.poll)
    return hotplug
