"""Which processes are loading a model, and how far they are: from their open and mapped files.

A process is looked through when it has read anything since it was last looked at. That costs up to
a tenth of a millisecond each, so a look takes a slice of the processes and the next one goes on.
Processes that are not ours to see are passed over: `/proc` does not tell.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from aitune_backends.readings import LoadSeen
from aitune_backends.weights import ModelFile, find_model_file, mentions_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.host import Host

SWEEP_EVERY_S = 2.0
RATE_OVER_S = 10.0
MEASURE_FOR_S = 5.0
# Our CPU time that one look may spend on processes not known to load anything; more at first, so
# that a load which is under way is found at once.
_SLICE_S = 0.001
_FIRST_SLICE_S = 0.02
_MAPS_LIMIT = 16 << 20

NO_RATE = "No rate yet: measured over the next seconds."
STANDING = "It holds its files and has read nothing for 10 s."
ALL_READ = "Everything is read."


class Watcher:
    """Follows the loads of one machine from tick to tick."""

    def __init__(self, host: Host, *, slice_s: float = _SLICE_S) -> None:
        """Follow processes of `host`, spending `slice_s` CPU seconds a look on unknown ones."""
        self._host = host
        self._slice_s = slice_s
        self._first_sweep = True
        self._followed: dict[int, Followed] = {}
        self._read: dict[int, str] = {}
        self._fetched: dict[int, int] = {}
        self._sweep: Iterator[int] = iter(())
        self._swept_at = float("-inf")

    def look(self, now: float) -> tuple[LoadSeen, ...]:
        """The loads seen at `now` (monotonic seconds), the largest model first."""
        for pid, followed in list(self._followed.items()):
            if not followed.look(now):
                del self._followed[pid]
                self._fetched[pid] = fetched(self._host, pid)
        self._look_further(now)
        loads = (followed.seen(now) for followed in self._followed.values())
        return tuple(sorted(loads, key=lambda load: (-load.total, load.pid)))

    def _look_further(self, now: float) -> None:
        slice_s = max(self._slice_s, _FIRST_SLICE_S) if self._first_sweep else self._slice_s
        until = time.thread_time() + slice_s
        while time.thread_time() < until:
            pid = next(self._sweep, None)
            if pid is None:
                self._first_sweep = self._swept_at == float("-inf")
                if now - self._swept_at < SWEEP_EVERY_S:
                    return
                self._swept_at = now
                pids = [int(name) for name in self._host.names("/proc") if _is_pid(name)]
                self._read = {pid: self._read[pid] for pid in pids if pid in self._read}
                self._fetched = {p: self._fetched[p] for p in pids if p in self._fetched}
                self._sweep = iter(sorted(pids, reverse=True))  # the youngest first
            elif pid not in self._followed and pid != os.getpid() and self._has_read(pid):
                followed = Followed(self._host, pid, now, self._fetched.get(pid, 0))
                if followed.look(now):
                    self._followed[pid] = followed

    def _has_read(self, pid: int) -> bool:
        """Whether the process has read since it was last asked; True where it does not tell."""
        read = "".join(map(str, read_io(self._host, pid) or ()))
        unchanged = bool(read) and self._read.get(pid) == read
        self._read[pid] = read
        return not unchanged


class Followed:
    """One process that has model files open or mapped.

    Args:
        host: The machine.
        pid: The process.
        now: Monotonic seconds.
        base: Bytes it had fetched from storage when an earlier load of it ended: not of this one.
    """

    def __init__(self, host: Host, pid: int, now: float, base: int = 0) -> None:
        self._host = host
        self._pid = pid
        self._base = base
        self._since = now
        self._command = ""
        self._model: ModelFile | None = None
        self._open: frozenset[str] = frozenset()
        self._mapped = False
        self._reached: dict[str, int] = {}
        self._before = 0
        self._done = 0
        self._trail: deque[tuple[float, int]] = deque()

    def look(self, now: float) -> bool:
        """Read how far it is; False when it holds no model file any more, or is gone."""
        positions: dict[str, int] = {}
        for path, position in self._positions():  # a file may be open more than once
            positions[path] = max(position, positions.get(path, 0))
        mapped = self._mapped_files()
        paths = positions.keys() | mapped
        if not paths:
            return False
        if self._model is None or paths.isdisjoint(self._model.shards):
            if self._model is not None:
                self._base = fetched(self._host, self._pid)
            if not self._begin(paths):
                return False
            self._since = now
        assert self._model is not None  # noqa: S101  _begin has set it
        paths = paths & self._model.shards.keys()
        self._open = frozenset(paths)
        self._mapped = bool(mapped & paths)
        self._done = min(self._model.total, max(self._done, self._measure(positions, mapped)))
        self._trail.append((now, self._done))
        while now - self._trail[0][0] > RATE_OVER_S:
            self._trail.popleft()
        return True

    def seen(self, now: float) -> LoadSeen:
        """What is known of it now."""
        assert self._model is not None  # noqa: S101  only what `look` accepted is shown
        total = self._model.total
        rate = self._rate(now)
        left = total - self._done
        return LoadSeen(
            pid=self._pid,
            command=self._command,
            model=self._model.name,
            files=len(self._model.shards),
            files_open=len(self._open),
            done=self._done,
            total=total,
            rate=rate,
            eta_s=left / rate if rate else None,
            sentence=self._sentence(rate, left),
        )

    def _rate(self, now: float) -> float | None:
        """Bytes a second over the last ten; None before five have been seen."""
        began, done = self._trail[0]
        if now - began < MEASURE_FOR_S:
            return None
        return (self._done - done) / (now - began)

    def _sentence(self, rate: float | None, left: int) -> str:
        if left <= 0:
            return ALL_READ
        if rate is None:
            return NO_RATE
        if rate == 0:
            return STANDING
        how = "by page faults on mapped files" if self._mapped else "by read calls"
        return f"It reads {how}."

    def _begin(self, paths: set[str]) -> bool:
        """Take the model that most of these files belong to."""
        models = [find_model_file(self._host, self._pid, path) for path in sorted(paths)]
        known = [model for model in models if model is not None]
        if not known:
            return False
        self._model = max(known, key=lambda model: model.total)
        self._command = self._host.first_line(f"/proc/{self._pid}/comm") or "?"
        self._reached = {}
        self._trail.clear()
        self._done = 0
        # Shards are read in their order. Those before the first one open count as read if the
        # process has read as much since it began: seen from the middle, there is no other trace.
        earlier = 0
        for path, size in self._model.shards.items():
            if path in paths:
                break
            earlier += size
        io = read_io(self._host, self._pid)
        self._before = earlier if io is not None and max(io) - self._base >= earlier else 0
        return True

    def _measure(self, positions: dict[str, int], mapped: set[str]) -> int:
        """Bytes of the model read: up to each file's position, and what page faults fetched."""
        assert self._model is not None  # noqa: S101  called with a model only
        shards = self._model.shards
        for path, position in positions.items():
            if path in shards:
                reached = min(position, shards[path])
                self._reached[path] = max(reached, self._reached.get(path, 0))
        by_reading = self._before + sum(self._reached.values())
        if not mapped & shards.keys():
            return by_reading
        return max(by_reading, fetched(self._host, self._pid) - self._base)

    def _positions(self) -> Iterator[tuple[str, int]]:
        directory = f"/proc/{self._pid}/fd"
        for name in self._host.names(directory):
            with suppress(OSError, ValueError):
                path = self._host.link(f"{directory}/{name}")
                if self._may_be_weights(path):
                    information = self._host.read(f"/proc/{self._pid}/fdinfo/{name}")
                    yield path, parse_position(information)

    def _mapped_files(self) -> set[str]:
        try:
            text = self._host.read(f"/proc/{self._pid}/maps", limit=_MAPS_LIMIT)
        except OSError:
            return set()
        if not mentions_weights(text):
            return set()
        return {path for path in parse_maps(text) if self._may_be_weights(path)}

    def _may_be_weights(self, path: str) -> bool:
        if self._model is not None and path in self._model.shards:
            return True
        return find_model_file(self._host, self._pid, path) is not None


def read_io(host: Host, pid: int) -> tuple[int, int] | None:
    """Bytes a process has read by calls (`rchar`) and from storage (`read_bytes`), if it tells."""
    with suppress(OSError):
        return parse_io(host.read(f"/proc/{pid}/io"))
    return None


def fetched(host: Host, pid: int) -> int:
    """Bytes a process has fetched from storage since it began; 0 where it does not tell."""
    io = read_io(host, pid)
    return io[1] if io is not None else 0


def parse_io(text: str) -> tuple[int, int] | None:
    """`/proc/PID/io`: rchar and read_bytes."""
    fields = dict(re.findall(r"^(rchar|read_bytes): ([0-9]{1,20})$", text, re.MULTILINE))
    if fields.keys() != {"rchar", "read_bytes"}:
        return None
    return int(fields["rchar"]), int(fields["read_bytes"])


def parse_position(text: str) -> int:
    """`pos:` of `/proc/PID/fdinfo/N`; 0 where it says nothing."""
    found = re.search(r"^pos:[ \t]*([0-9]{1,19})$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def parse_maps(text: str) -> set[str]:
    """The files in `/proc/PID/maps`."""
    return set(re.findall(r"^[0-9a-f]+-[0-9a-f]+ .{4} [^/\n]*(/[^\n]*?)$", text, re.MULTILINE))


def _is_pid(name: str) -> bool:
    return name.isascii() and name.isdigit()
