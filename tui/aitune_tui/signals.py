"""Ending well, whatever ends the dashboard; and hearing of disks that come and go."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from textual.app import App

    from aitune_backends.hotplug import Hotplug

# Textual leaves the alternate screen on an exit of its own, but not when a signal ends the process.
_ENDS = (signal.SIGTERM, signal.SIGHUP)


def restore_terminal_on(loop: asyncio.AbstractEventLoop, app: App[int]) -> None:
    """End in order on SIGTERM and SIGHUP, so that the terminal is as it was."""
    for one in _ENDS:
        try:
            loop.add_signal_handler(one, app.exit, 128 + one)
        except (ValueError, RuntimeError):
            return  # not in the main thread: whoever runs us there minds the signals


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
