"""What happens on the made-up machine, as a function of time alone.

vllm reads a model, serves it for a while, and reads it again. Time 0 is in the middle of the first
read, 61 % through; before it started, nothing had happened. Everything is a formula in `t`, so the
same instant looks the same however one got there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .tree import MODEL_BYTES, MODEL_FILES

RATE = 6.1e9  # bytes per second
DONE_AT_ZERO = 495.1e9
UPTIME_AT_ZERO = 1_313_071.0

READING_S = MODEL_BYTES / RATE
SERVING_S = 90.0
_ROUND_S = READING_S + SERVING_S
_STARTED_S = DONE_AT_ZERO / RATE  # how long the first read has run at time 0
_FILLING_S = 14.0  # buffers grow while the first files come in
_EMPTYING_S = 12.0  # afterwards buffers and cached files are given back

_GIB_KIB = 1024 * 1024
_USED_QUIET_KIB = 24.3 * _GIB_KIB
_USED_READING_KIB = 132.4 * _GIB_KIB
_CACHE_QUIET_KIB = 472.9 * _GIB_KIB - DONE_AT_ZERO / 1024


@dataclass(frozen=True, slots=True)
class Scene:
    """One instant.

    Attributes:
        uptime: Seconds since the machine booted.
        reading: Whether vllm is reading now.
        done: Bytes of the model read in this round; all of them while it serves.
        read_bytes: Bytes read since the story began, over all rounds.
        reading_s: Seconds spent reading since the story began.
        used_kib: Memory of programs and of the kernel itself.
        cache_kib: Page cache, if nothing else needs the room.
        pressure: Share of time, in per cent, in which something waited for memory.
        io_pressure: The same for input and output.
    """

    uptime: float
    reading: bool
    done: int
    read_bytes: int
    reading_s: float
    used_kib: int
    cache_kib: int
    pressure: float
    io_pressure: float

    @property
    def file(self) -> int:
        """The file being read, counted from 1."""
        return min(MODEL_FILES, self.done * MODEL_FILES // MODEL_BYTES + 1)

    @property
    def position(self) -> int:
        """How far into that file the reader is, in bytes."""
        return max(0, self.done - (self.file - 1) * MODEL_BYTES // MODEL_FILES)


def scene(t: float) -> Scene:
    """What the machine looks like at `t` seconds."""
    since_start = t + _STARTED_S
    rounds = max(0, math.floor(since_start / _ROUND_S))
    phase = since_start - rounds * _ROUND_S
    reading = 0 <= phase < READING_S
    done = _bytes_done(phase)
    fullness = _fullness(phase)
    sway = math.sin(2 * math.pi * t / 37)
    return Scene(
        uptime=UPTIME_AT_ZERO + t,
        reading=reading,
        done=done,
        read_bytes=rounds * MODEL_BYTES + done,
        reading_s=rounds * READING_S + min(max(phase, 0.0), READING_S),
        used_kib=round(_USED_QUIET_KIB + (_USED_READING_KIB - _USED_QUIET_KIB) * fullness),
        cache_kib=round(_CACHE_QUIET_KIB + done / 1024 * _kept(phase)),
        pressure=0.4 + 0.1 * sway if reading else 0.0,
        io_pressure=18.2 + 2.5 * sway if reading else 0.0,
    )


def _bytes_done(phase: float) -> int:
    """Bytes read after `phase` seconds of a round: a steady rate with a little unrest."""
    if phase >= READING_S:
        return MODEL_BYTES
    since_zero = phase - _STARTED_S
    unrest = _unrest(since_zero) - _unrest(0.0)
    return min(MODEL_BYTES, max(0, round(RATE * phase + unrest)))


def _unrest(t: float) -> float:
    """Bytes by which the read is ahead of its steady rate: a slow swell and a quick ripple.

    They are so placed that the means of the second and of the ten seconds before time 0 are both
    the steady rate.
    """
    swell = 1.6e9 * math.cos(2 * math.pi * (t + 5.0) / 26.0)
    ripple = 0.29053e9 * math.sin(2 * math.pi * (t + 0.5) / 5.0)
    return swell + ripple


def _fullness(phase: float) -> float:
    """How much of a reader's buffers are there: 0 when quiet, 1 while it reads."""
    return max(0.0, min(1.0, phase / _FILLING_S)) * _kept(phase)


def _kept(phase: float) -> float:
    """What is left of it after the read: it drains to nothing."""
    return max(0.0, min(1.0, 1 - (phase - READING_S) / _EMPTYING_S))


def noise(*what: int) -> float:
    """A number in [0, 1) that depends on the arguments alone and looks like chance."""
    state = 0x9E3779B97F4A7C15
    for part in what:
        state = ((state ^ part) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 29
    return (state >> 11) / (1 << 53)
