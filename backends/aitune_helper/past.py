"""The journal read: whole lines of one format, and the trials they tell of, a page at a time.

A line is `CRC32 SP JSON LF`; those that speak of a trial carry it whole, as it stood then. Reading
goes once through the files, the oldest line first, and holds no more than the page asked for.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import messages
from aitune_helper.messages import Account, Caller, Past, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

ROTATED_MAX = 5
_CHUNK = 1 << 18
# What an account adds to a trial: two callers with bounded words, a boot, a kernel.
_ACCOUNT_BYTES = 1024

Entry = dict[str, object]

# What begins and what ends a trial; the lines between say how it stands.
_BEGUN = b"intent"
_ENDED = (b"kept", b"reverted", b"withdrawn", b"closed", b"ended_by_reboot")
# Strings have their quotes escaped, so none of these can be met within one.
_HEAD = re.compile(rb'\{"seq":\d+,"event":"([a-z_]+)","time":([0-9.]+),')
_TRIAL = re.compile(rb'"trial":\{"id":"([0-9a-f]{32})","number":(\d{1,18}),')
_CALLER = re.compile(rb'"caller":(\{[^{}]*\})')


def encode(entry: Entry) -> bytes:
    """Make one line; every control and non-ASCII character is escaped."""
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> Entry | None:
    """Read one line without its line feed; None where it is damaged."""
    if not is_whole(line):
        return None
    try:
        entry = json.loads(line[9:])
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def is_whole(line: bytes) -> bool:
    """Whether a line without its line feed is what was written once."""
    crc, space, text = line[:8], line[8:9], line[9:]
    try:
        return space == b" " and int(crc, 16) == zlib.crc32(text)
    except ValueError:
        return False


def files(path: str) -> tuple[str, ...]:
    """The journal at `path` and what was rotated from it, the newest first."""
    return (path, *(f"{path}.{number}" for number in range(1, ROTATED_MAX + 1)))


def lines(path: str) -> Iterator[bytes | None]:
    """Every line that is not empty, oldest first, without its line feed.

    None stands for what cannot be read at all.
    """
    opened: dict[tuple[int, int], int] = {}
    try:
        # The newest first: what a rotation moves meanwhile is met twice, never missed.
        for file in files(path):
            try:
                fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError:
                yield None
                continue
            status = os.fstat(fd)
            if opened.setdefault((status.st_dev, status.st_ino), fd) != fd:
                os.close(fd)
        for fd in reversed(tuple(opened.values())):
            yield from _lines_of(fd)
    finally:
        for fd in opened.values():
            os.close(fd)


def read_page(
    path: str,
    *,
    limit: int,
    before: int = 0,
    bytes_max: int | None = None,
    loads: Callable[[bytes], object] = json.loads,
) -> Past:
    """Read the newest trials of a journal, each as it stands by its last line.

    Args:
        path: The journal; that there is none is no error.
        limit: Most trials.
        before: Only trials of a lower number; 0 for the newest.
        bytes_max: About how long they may be together as JSON; one is given in any case.
        loads: Reads JSON; whoever shows it brings one that takes out what acts on a terminal.
    """
    page = _Page(limit, before, bytes_max)
    for line in lines(path):
        page.add(line)
    return page.read(loads)


class _Line(NamedTuple):
    """What every line says that speaks of a trial."""

    trial: Trial
    boot_id: str = ""
    kernel: str = ""


class _Told:
    """What the lines of one trial have told so far."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.last = b""
        self.begun = b""
        self.ended = b""
        self.ended_at: float | None = None

    def hear(self, line: bytes) -> None:
        self.last = line
        head, caller = _HEAD.match(line, 9), _CALLER.search(line)
        if head is None or caller is None:
            return
        if head[1] == _BEGUN:
            self.begun = caller[1]
        elif head[1] in _ENDED and not self.ended:
            self.ended, self.ended_at = caller[1], float(head[2])


class _Page:
    """The newest trials met so far, within the bounds of a page."""

    def __init__(self, limit: int, before: int, bytes_max: int | None) -> None:
        self._limit = limit
        self._before = before
        self._bytes_max = bytes_max
        self._told: dict[bytes, _Told] = {}
        self._bytes = 0
        self._left_out = 0
        self._damaged = 0

    def add(self, line: bytes | None) -> None:
        if line is None or not is_whole(line):
            self._damaged += 1
            return
        match = _TRIAL.search(line)
        if match is None:
            return
        number = int(match[2])
        if number <= self._left_out or 0 < self._before <= number:
            return
        told = self._told.setdefault(match[1], _Told(number))
        self._bytes += len(line) - len(told.last) if told.last else len(line) + _ACCOUNT_BYTES
        told.hear(line)
        while len(self._told) > max(1, self._limit) or (self._too_long() and len(self._told) > 1):
            self._leave_out_oldest()

    def _too_long(self) -> bool:
        return self._bytes_max is not None and self._bytes > self._bytes_max

    def _leave_out_oldest(self) -> None:
        oldest = min(self._told, key=lambda trial_id: self._told[trial_id].number)
        told = self._told.pop(oldest)
        self._bytes -= len(told.last) + _ACCOUNT_BYTES
        self._left_out = max(self._left_out, told.number)

    def read(self, loads: Callable[[bytes], object]) -> Past:
        """Parse what was kept."""
        trials: list[Trial] = []
        accounts: list[Account] = []
        for told in sorted(self._told.values(), key=lambda told: told.number, reverse=True):
            try:
                line = messages.from_object(_Line, loads(told.last[9:]))
                begun, ended = _caller(told.begun, loads), _caller(told.ended, loads)
            except ValueError:
                self._damaged += 1
                continue
            trials.append(line.trial)
            accounts.append(
                Account(line.trial.id, line.boot_id, line.kernel, begun, ended, told.ended_at)
            )
        return Past(tuple(trials), tuple(accounts), self._damaged, self._left_out > 0)


def _caller(text: bytes, loads: Callable[[bytes], object]) -> Caller | None:
    return messages.from_object(Caller, loads(text)) if text else None


def _lines_of(fd: int) -> Iterator[bytes | None]:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        yield None
        return
    held = b""
    while True:
        try:
            chunk = os.read(fd, _CHUNK)
        except OSError:
            yield None
            break
        if not chunk:
            break
        *whole, held = (held + chunk).split(b"\n")
        yield from filter(None, whole)
    if held:
        yield held
