"""What anybody may know of trials without asking root: `/run/aitune/public.json`.

The helper and its guardian replace the file atomically; a reader costs one `stat` a tick while
nothing happens.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.foreign import read_json
from aitune_helper.messages import PublicState, from_object

if TYPE_CHECKING:
    from aitune_helper.messages import Trial

PUBLIC = Path("/run/aitune/public.json")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LONGEST = 4 << 20


def parse_public(text: str) -> PublicState:
    """Read the text of the file.

    Raises:
        ValueError: It is not what a helper writes.
    """
    return from_object(PublicState, read_json(text))


def seconds_left(trial: Trial, now: float | None = None) -> float | None:
    """Seconds until a trial is put back; below 0 it is overdue, None where it has no deadline.

    Args:
        trial: The trial, whose deadline is of CLOCK_BOOTTIME.
        now: That clock's reading, by default the machine's.
    """
    if trial.deadline is None:
        return None
    return trial.deadline - (time.clock_gettime(time.CLOCK_BOOTTIME) if now is None else now)


class PublicFile:
    """The file, read again only when it was replaced.

    Attributes:
        error: Why the last reading gave nothing although there is a file, or "".
    """

    def __init__(self, path: Path = PUBLIC) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._state: PublicState | None = None
        self._boot_id = read_boot_id()
        self.error = ""

    def read(self) -> PublicState | None:
        """What the file says, None where there is none, it is of another boot, or unreadable."""
        try:
            status = self._path.stat()
        except OSError:
            self._seen, self._state, self.error = None, None, ""
            return None
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._seen = seen
            self._state = self._load()
        return self._state

    def _load(self) -> PublicState | None:
        self.error = ""
        try:
            with self._path.open(encoding="utf-8", errors="replace") as file:
                state = parse_public(file.read(_LONGEST))
        except (OSError, ValueError) as error:
            self.error = f"{self._path} cannot be read: {error}"
            return None
        return state if state.boot_id == self._boot_id else None


def read_boot_id() -> str:
    """The id of the running boot, or "" where the kernel does not say."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
