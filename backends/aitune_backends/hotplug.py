"""Hearing at once that a block device came, went or changed its size.

udevd repeats the kernel's messages when it has dealt with them; where no udevd runs (a container,
a rescue system) its channel stays silent without an error, and the kernel's own is listened to.
Neither needs rights. Without libudev the sampler still looks every two seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyudev import Monitor

Source = Literal["udev", "kernel", "none"]

# udevd listens here; there is no such file where none runs.
UDEVD = Path("/run/udev/control")


class Hotplug:
    """A listener for block devices, to be polled by an event loop.

    Attributes:
        source: Whose messages are heard: `udev`, `kernel`, or `none` where nothing can be.
        why_not: Why nothing can be heard, or "".
    """

    def __init__(
        self, callback: Callable[[], None] | None = None, *, source: Source | None = None
    ) -> None:
        """Start listening.

        Args:
            callback: Called by `poll` when something happened.
            source: `udev` or `kernel`; None chooses by whether a udevd runs.
        """
        self._callback = callback
        self._monitor: Monitor | None = None
        self.source: Source = source or ("udev" if UDEVD.exists() else "kernel")
        self.why_not = ""
        try:
            import pyudev  # 25 ms, and nothing else needs it

            monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source=self.source)
            monitor.filter_by("block", "disk")
            monitor.start()
        except (ImportError, OSError) as error:
            self.source = "none"
            self.why_not = f"Disks are looked for every two seconds only: {error}."
        else:
            self._monitor = monitor

    def fileno(self) -> int:
        """A descriptor that becomes readable with news; -1 where nothing can be heard."""
        return -1 if self._monitor is None else self._monitor.fileno()

    def poll(self) -> bool:
        """Take all waiting messages without waiting; whether there were any."""
        heard = False
        try:
            while self._monitor is not None and self._monitor.poll(timeout=0) is not None:
                heard = True
        except OSError:  # messages were lost: something happened
            heard = True
        if heard and self._callback is not None:
            self._callback()
        return heard

    def close(self) -> None:
        """Stop listening: the descriptor closes with the monitor."""
        self._monitor = None
