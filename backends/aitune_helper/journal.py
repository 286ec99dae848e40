"""The journal: what was asked, done and ended, one checked line each, fsynced.

A line is `CRC32 SP JSON LF`. A torn tail costs the torn line and nothing after it: the next line
begins with a line feed of its own. Appending is done under the lock of the helper (`state.Lock`).
The journal is evidence for honest people, not proof against root.
"""

from __future__ import annotations

import errno
import json
import os
import time
import zlib
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import files, messages
from aitune_helper.messages import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

ROTATE_BYTES = 8 * 2**20
ROTATED_MAX = 5
_TAIL_BYTES = 1 << 16

Entry = dict[str, object]


class History(NamedTuple):
    """Trials, newest first, each as it stands by its last line; and how many lines were damaged."""

    trials: tuple[Trial, ...]
    damaged: int


class CorruptJournalError(Exception):
    """The journal holds bytes, but not one line that is whole."""


def encode(entry: Entry) -> bytes:
    """Make one line; every control and non-ASCII character is escaped."""
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> Entry | None:
    """Read one line without its line feed; None where it is damaged."""
    crc, _, text = line.partition(b" ")
    if len(crc) != 8 or not text:
        return None
    try:
        if int(crc, 16) != zlib.crc32(text):
            return None
        entry = json.loads(text)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


class Journal:
    """One journal file and those rotated from it.

    Args:
        path: The file; its directory exists.
        group: Who may read it besides its owner.
        wall: Wall clock in seconds, for display.
        witness: Told each event in one line, such as syslog; its failure is nobody's.
    """

    def __init__(
        self,
        path: str,
        *,
        group: int | None = None,
        wall: Callable[[], float] = time.time,
        witness: Callable[[str], None] | None = None,
    ) -> None:
        self.path = self._path = path
        self._group = group
        self._wall = wall
        self._witness = witness

    def append(self, event: str, body: Entry, *, sync: bool = True) -> None:
        """Write one line that lasts.

        Args:
            event: What happened.
            body: More fields.
            sync: Whether to wait until it is on disk.

        Raises:
            OSError: It could not be written whole; the file is as it was.
            CorruptJournalError: There is no whole line to go on from; see `set_aside`.
        """
        last = self.last() or {}
        number = body.get("number", last.get("number", 0))
        entry: Entry = {
            "seq": _integer(last.get("seq")) + 1,
            "event": event,
            "time": round(self._wall(), 3),
            "number": number,
            "kernel": os.uname().release,
            **body,
        }
        self._write(encode(entry), sync=sync)
        if self._witness is not None:
            self._witness(f"{event} trial {number} seq {entry['seq']}")

    def writable(self) -> bool:
        """Whether a line could be appended now, as far as opening the file can tell."""
        try:
            os.close(self._open())
        except OSError:
            return False
        return True

    def last(self) -> Entry | None:
        """The last whole line, or None where nothing was ever written.

        Raises:
            CorruptJournalError: There are bytes, but no whole line.
        """
        size = 0
        for path in (self._path, self._path + ".1"):
            entry, size_here = _last_line(path)
            if entry is not None:
                return entry
            size += size_here
        if size:
            raise CorruptJournalError(self._path)
        return None

    def last_number(self) -> int:
        """The number of the last trial ever begun here; 0 for none."""
        return _integer((self.last() or {}).get("number"))

    def find(self, event: str, trial_id: str) -> Entry | None:
        """The last line of this event for this trial, or None."""
        found = None
        for entry in self._entries([0]):
            trial = entry.get("trial")
            if entry.get("event") == event and isinstance(trial, dict):
                found = entry if trial.get("id") == trial_id else found
        return found

    def history(self, limit: int) -> History:
        """The last `limit` trials, newest first."""
        trials: dict[str, Trial] = {}
        damaged = [0]
        for entry in self._entries(damaged):
            try:
                trial = messages.from_object(Trial, entry.get("trial"))
            except ValueError:
                continue
            trials[trial.id] = trial
        newest = sorted(trials.values(), key=lambda trial: trial.number, reverse=True)
        return History(tuple(newest[:limit]), damaged[0])

    def rotate(self) -> None:
        """Begin a new file where this one has grown large; never call it during a trial."""
        try:
            if os.stat(self._path).st_size < ROTATE_BYTES:
                return
            for number in range(ROTATED_MAX - 1, 0, -1):
                older = f"{self._path}.{number}"
                if os.path.lexists(older):
                    os.rename(older, f"{self._path}.{number + 1}")
            os.rename(self._path, self._path + ".1")
        except FileNotFoundError:
            return

    def set_aside(self) -> str:
        """Move a journal without any whole line out of the way; return its new name."""
        return files.move_aside(self._path)

    def _entries(self, damaged: list[int]) -> Iterator[Entry]:
        """Every whole line, oldest first; counts the others into `damaged[0]`."""
        for number in range(ROTATED_MAX, -1, -1):
            path = f"{self._path}.{number}" if number else self._path
            try:
                data = files.read_file(path, 2 * ROTATE_BYTES + files.FILE_MAX)
            except OSError:
                damaged[0] += 1
                continue
            for line in (data or b"").split(b"\n"):
                entry = decode(line)
                if entry is not None:
                    yield entry
                elif line:
                    damaged[0] += 1

    def _open(self) -> int:
        """Open for appending; a new file gets its mode, its group and a lasting name."""
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self._path, flags)
        except FileNotFoundError:
            fd = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if self._group is not None:
                os.fchown(fd, -1, self._group)
            os.fchmod(fd, 0o640)
            files.sync_directory(self._path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _write(self, line: bytes, *, sync: bool) -> None:
        fd = self._open()
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                line = b"\n" + line
            try:
                if os.write(fd, line) != len(line):
                    raise OSError(errno.ENOSPC, "no room for a whole line", self._path)
                if sync:
                    os.fsync(fd)
            except OSError:
                # A line that nobody was told of must not be read later as if it counted.
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _last_line(path: str) -> tuple[Entry | None, int]:
    """The last whole line of one file, read from its end, and the size of the file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, 0
    try:
        size = os.fstat(fd).st_size
        reach = _TAIL_BYTES
        while True:
            start = max(0, size - reach)
            lines = os.pread(fd, size - start, start).split(b"\n")
            for line in reversed(lines if start == 0 else lines[1:]):
                entry = decode(line)
                if entry is not None:
                    return entry, size
            if start == 0:
                return None, size
            reach *= 4
    finally:
        os.close(fd)
