"""What the charts show: the last quarter of an hour of readings, and what happened in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aitune_backends.readings import Sample
    from aitune_widgets.theme import Tone

KEPT_SECONDS = 900
DISK_POINTS = 8
_GIB = 2**30
_GB = 10**9


class Point(NamedTuple):
    """The numbers of one tick that charts draw: GiB, GB/s and per cent; None is unknown."""

    at: float
    available: float | None
    cache: float | None
    used: float | None
    read: float | None
    stalled: float | None


class Event(NamedTuple):
    """Something that happened at a moment, for a marker in the charts."""

    at: float
    glyph: str
    text: str
    tone: Tone


def point_of(sample: Sample) -> Point:
    """One tick as chart numbers."""
    memory, some = sample.memory, sample.pressure.memory_some
    # A disk that passes requests on would count what its slaves read a second time.
    rates = [d.read_rate for d in sample.disks if d.read_rate is not None and not d.slaves]
    return Point(
        sample.at,
        memory.available / _GIB if memory and memory.available is not None else None,
        memory.cache / _GIB if memory else None,
        memory.used / _GIB if memory else None,
        sum(rates) / _GB if rates else None,
        some.avg10 if some else None,
    )


class Projection:
    """When MemAvailable reaches 0 at the pace of the last ten seconds.

    It is said after two ticks in a row that foresee it, and kept until ten seconds of calm, so
    that the alarm does not flicker.
    """

    SPAN = 10.0
    HORIZON = 300.0

    def __init__(self) -> None:
        self._window: deque[tuple[float, float]] = deque()
        self._in_a_row = 0
        self._last: tuple[float, float] | None = None
        self.seconds: float | None = None

    def add(self, at: float, available: float | None) -> None:
        """Take over what is available at a moment, in any unit."""
        if available is None:
            return
        self._window.append((at, available))
        while self._window[0][0] < at - self.SPAN:
            self._window.popleft()
        left = self._left()
        if left is None:
            self._in_a_row = 0
            if self._last is None or at - self._last[0] >= self.SPAN:
                self.seconds = self._last = None
            return
        self._in_a_row += 1
        if self._in_a_row >= 2 or self.seconds is not None:
            self.seconds = left
            self._last = (at, left)

    def _left(self) -> float | None:
        """Seconds left by the pace over the window, or None if that is past the horizon."""
        (first_at, first), (last_at, last) = self._window[0], self._window[-1]
        fallen, span = first - last, last_at - first_at
        if span < 2.0 or fallen <= 0:
            return None
        left = last / (fallen / span)
        return left if left < self.HORIZON else None


class History:
    """A ring of points; a second in which nothing was read shows the reading before it."""

    def __init__(self, interval: float = 1.0) -> None:
        self._points: deque[Point] = deque()
        self._events: deque[Event] = deque(maxlen=50)
        self._disks: dict[str, deque[float]] = {}
        self._carry = 3 * interval
        self._loads: frozenset[int] = frozenset()
        self.runs_out = Projection()

    def add(self, sample: Sample) -> None:
        """Take over one tick, and mark the loads that begin and end with it."""
        self._points.append(point_of(sample))
        self.runs_out.add(sample.at, self._points[-1].available)
        while self._points[0].at < sample.at - KEPT_SECONDS:
            self._points.popleft()
        for disk in sample.disks:
            ring = self._disks.setdefault(disk.name, deque(maxlen=DISK_POINTS))
            ring.append(disk.read_rate or 0.0)
        for gone in self._disks.keys() - {disk.name for disk in sample.disks}:
            del self._disks[gone]
        loads = frozenset(load.pid for load in sample.loads)
        if loads - self._loads and len(self._points) > 1:
            self.mark(sample.at, "event", "load starts", "cache")
        elif self._loads - loads:
            self.mark(sample.at, "event", "load ends", "cache")
        self._loads = loads

    def mark(self, at: float, glyph: str, text: str, tone: Tone) -> None:
        """Remember that something happened at monotonic second `at`."""
        self._events.append(Event(at, glyph, text, tone))

    def disk(self, name: str) -> tuple[float, ...]:
        """The last read rates of a disk, oldest first, in bytes per second."""
        return tuple(self._disks.get(name, ()))

    @property
    def latest(self) -> Point | None:
        """The last tick."""
        return self._points[-1] if self._points else None

    @property
    def is_new(self) -> bool:
        """Whether there is too little to see a course yet."""
        return len(self._points) < 10

    def events(self, now: float, seconds: int) -> tuple[Event, ...]:
        """What happened in the last `seconds`, oldest first."""
        return tuple(event for event in self._events if event.at > now - seconds)

    def series(
        self, now: float, seconds: int, field: Callable[[Point], float | None]
    ) -> tuple[float | None, ...]:
        """One number a second up to `now`; None where nothing was read at or shortly before."""
        values: list[float | None] = [None] * seconds
        points = [point for point in self._points if point.at > now - seconds - self._carry]
        index, last = 0, None
        for slot in range(seconds):
            moment = now - seconds + 1 + slot
            while index < len(points) and points[index].at <= moment + 0.5:
                last = points[index]
                index += 1
            if last is not None and moment - last.at <= self._carry:
                values[slot] = field(last)
        return tuple(values)
