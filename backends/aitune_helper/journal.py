"""The journal: what was asked, done and ended, one checked line each, fsynced.

A torn tail costs the torn line and nothing after it: the next line begins with a line feed of its
own. Appending is done under the lock of the helper (`State.locked`). How a line looks, and how they
are read, is in `past`. The journal is evidence for honest people, not proof against root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING, Callable

from aitune_helper import files, messages, past, state
from aitune_helper.messages import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_helper.messages import Past
    from aitune_helper.past import Entry

ROTATE_BYTES = 8 * 2**20
_TAIL_BYTES = 1 << 16


class CorruptJournalError(Exception):
    """The journal holds bytes, but not one line that is whole."""


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
        self._write(past.encode(entry), sync=sync)
        if self._witness is not None:
            caller = body.get("caller")
            who = caller.get("name") if isinstance(caller, dict) else "nobody"
            self._witness(f"{event} trial {number} seq {entry['seq']} by {who}")

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
        for path in past.files(self._path):
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

    def newest(self) -> tuple[Trial, str] | None:
        """The newest trial as its last line has it, and its boot; None where there is none.

        That is the last line of all, unless something was done since that is no trial: then
        everything is read.
        """
        with contextlib.suppress(OSError, CorruptJournalError, ValueError):
            last = self.last() or {}
            trial = messages.from_object(Trial, last.get("trial"))
            return trial, str(last.get("boot_id", ""))
        page = self.history(1)
        return (page.trials[0], page.accounts[0].boot_id) if page.trials else None

    def find(self, event: str, trial_id: str) -> Entry | None:
        """The last line of this event for this trial, or None."""
        found = None
        for entry in self._told_of(trial_id):
            found = entry if entry.get("event") == event else found
        return found

    def trial(self, trial_id: str) -> Trial | None:
        """A trial as its last line has it, or None."""
        found = None
        for entry in self._told_of(trial_id):
            with contextlib.suppress(ValueError):
                found = messages.from_object(Trial, entry.get("trial"))
        return found

    def history(self, limit: int, before: int = 0, *, bytes_max: int | None = None) -> Past:
        """The newest trials, see `past.read_page`."""
        return past.read_page(self._path, limit=limit, before=before, bytes_max=bytes_max)

    def rotate(self) -> None:
        """Begin a new file where this one has grown large; never call it during a trial.

        Files move into the first gap, so that a rotation that was interrupted loses nothing when it
        is done again. One that fails leaves a larger file, which is no reason to change nothing.
        """
        paths = past.files(self._path)
        try:
            if os.stat(self._path).st_size < ROTATE_BYTES:
                return
            gaps = (number for number, path in enumerate(paths) if not os.path.lexists(path))
            for number in range(next(gaps, past.ROTATED_MAX), 0, -1):
                os.rename(paths[number - 1], paths[number])
        except FileNotFoundError:
            return
        except OSError as error:
            state.loud(f"the journal cannot be rotated: {error.strerror}")

    def set_aside(self) -> str:
        """Move a journal without any whole line out of the way; return its new name."""
        return files.move_aside(self._path)

    def _told_of(self, trial_id: str) -> Iterator[Entry]:
        """Every whole line that carries this trial, oldest first."""
        for line in past.lines(self._path):
            if line is not None and trial_id.encode("ascii") in line:
                entry = past.decode(line) or {}
                trial = entry.get("trial")
                if isinstance(trial, dict) and trial.get("id") == trial_id:
                    yield entry

    def _open(self) -> int:
        """Open for appending; a new file gets its mode, its group and a lasting name."""
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(self._path, flags)
        except FileNotFoundError:
            fd = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if self._group is not None:
                # We are not in that group where CAP_SETGID is missing: then it is root's alone.
                with contextlib.suppress(PermissionError):
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
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, 0
    try:
        size = os.fstat(fd).st_size
        reach = _TAIL_BYTES
        while True:
            start = max(0, size - reach)
            lines = os.pread(fd, size - start, start).split(b"\n")
            for line in reversed(lines if start == 0 else lines[1:]):
                entry = past.decode(line)
                if entry is not None:
                    return entry, size
            if start == 0:
                return None, size
            reach *= 4
    finally:
        os.close(fd)
