"""A load that is going on, as its panel and as one line of the memory strip."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aitune_backends.targets import DIFFERS
from aitune_tui.sentences import NO_LOAD
from aitune_tui.words import counted, duration, gb, steady
from aitune_widgets.load_panel import LoadView
from aitune_widgets.memory_strip import StripLoad

if TYPE_CHECKING:
    from aitune_backends.readings import LoadSeen, Sample
    from aitune_tui.state import State
    from aitune_widgets.text import Line, Segment

_RATE_SECONDS = 10.0
_MEASURING_SECONDS = 5.0
_WIDE_RANGE = 3.0
_NOT_ALL = 0.994


def busiest(sample: Sample | None) -> LoadSeen | None:
    """The load to show: the one with most left to read."""
    if sample is None or not sample.loads:
        return None
    return max(sample.loads, key=lambda load: load.total - load.done)


def load_fraction(sample: Sample | None) -> float | None:
    """How far the shown load is, 0 to 1, or None without one. What rounds to all is all."""
    load = busiest(sample)
    if load is None or load.total <= 0:
        return None
    return 1.0 if load.done >= load.total else min(_NOT_ALL, load.done / load.total)


class LoadTrack:
    """The rates of the shown load over the last ten seconds: how far its time left may be off."""

    def __init__(self) -> None:
        self._pid = -1
        self._since = 0.0
        self._rates: deque[tuple[float, float]] = deque()
        self._last: tuple[float, int] | None = None

    def add(self, sample: Sample) -> None:
        """Take over one tick."""
        load = busiest(sample)
        if load is None:
            self._pid, self._last = -1, None
            self._rates.clear()
            return
        if load.pid != self._pid:
            self._pid, self._since, self._last = load.pid, sample.at, None
            self._rates.clear()
        if self._last is not None and sample.at > self._last[0]:
            rate = (load.done - self._last[1]) / (sample.at - self._last[0])
            if rate > 0:
                self._rates.append((sample.at, rate))
        self._last = (sample.at, load.done)
        while self._rates and self._rates[0][0] < sample.at - _RATE_SECONDS:
            self._rates.popleft()

    def is_measuring(self, at: float) -> bool:
        """Whether the load was watched too shortly for a time left."""
        return at - self._since < _MEASURING_SECONDS or not self._rates

    def bounds(self, remaining: int) -> tuple[float, float] | None:
        """Shortest and longest time left by the fastest and the slowest rate seen lately."""
        if not self._rates:
            return None
        rates = [rate for _, rate in self._rates]
        return remaining / max(rates), remaining / min(rates)


def times(load: LoadSeen, track: LoadTrack, at: float) -> tuple[str, str]:
    """`52 s left` and `47 – 60 s`; `measuring…` at first, `about 2 min` where the range is wide."""
    if 0 < load.total <= load.done:
        return "all read", ""
    if track.is_measuring(at) or load.eta_s is None:
        return "measuring…", ""
    left = duration(steady(load.eta_s))
    bounds = track.bounds(load.total - load.done)
    if bounds is None:
        return f"{left} left", ""
    low, high = (steady(bound) for bound in bounds)
    if high > _WIDE_RANGE * max(low, 1):
        return f"about {left} left", ""
    if high < 120:
        return f"{left} left", f"{low:.0f} – {high:.0f} s"
    return f"{left} left", f"{duration(low)} – {duration(high)}"


def _advice_lines(state: State) -> tuple[tuple[Segment, ...], ...]:
    """The setting that follows from a load that waits for disks, if one differs."""
    for status in state.statuses:
        if status.knob == "block.read_ahead_kb" and status.state == DIFFERS:
            text = f" {status.knob} is {status.value}, advised {status.advised}"
            return ((("▲", "differs"), (text, "fg")),)
    return ()


def _nothing_loads(*, can_run: bool, short: bool) -> LoadView:
    """No load: what would show one, and how to time one."""
    lines: list[tuple[Segment, ...]] = [((NO_LOAD[0], "fg"),), ((NO_LOAD[1], "dim"),)]
    if can_run and not short:
        time_now: Line = (("l", "focus-bold"), (" time a load now   ", "dim"))
        lines += [(), (*time_now, ("o", "focus-bold"), (" choose model files", "dim"))]
    if not short:
        lines += [(), (("Watched: *.safetensors *.gguf *.bin *.pt", "dim"),)]
    return LoadView(sentences=tuple(lines))


def load_view(state: State, track: LoadTrack, *, can_run: bool, short: bool) -> LoadView:
    """The Load panel: the load seen, or what to do where there is none."""
    sample, load = state.sample, busiest(state.sample)
    if sample is None or load is None:
        return _nothing_loads(can_run=can_run, short=short)
    left, range_ = times(load, track, sample.at)
    first: tuple[Segment, ...] = ((load.sentence, "fg"),)
    return LoadView(
        title=load.model,
        who=f"{load.command} {load.pid}",
        fraction=load_fraction(sample),
        left=left,
        range_=range_,
        rate=gb(load.rate),
        done=f"{gb(load.done)} of {gb(load.total)} GB",
        files=f"{load.files_open} of {counted(load.files, 'file')} open",
        sentences=(first,) if short else (first, *_advice_lines(state)),
    )


def strip_load(state: State, track: LoadTrack) -> StripLoad | None:
    """The load as one line under the memory strip, on pages that have no Load panel."""
    sample, load = state.sample, busiest(state.sample)
    fraction = load_fraction(sample)
    if sample is None or load is None or fraction is None:
        return None
    left, range_ = times(load, track, sample.at)
    return StripLoad(fraction=fraction, rate=f"{gb(load.rate)} GB/s", left=left, range_=range_)


def load_word(state: State) -> Segment:
    """What stands at the right end of the Load panel's rule."""
    loads = state.sample.loads if state.sample else ()
    if not loads:
        return ("none seen", "dim")
    if len(loads) > 1:
        return (counted(len(loads), "load"), "cache")
    return ("reading weights", "cache")


def load_head(state: State, *, compact: bool) -> Line:
    """The right end of the Load panel's rule; where the panel has no line for it, also who."""
    load, word = busiest(state.sample), load_word(state)
    if not compact or load is None:
        return (word,)
    return ((f"{load.model} · {load.command} {load.pid} · ", "dim"), word)
