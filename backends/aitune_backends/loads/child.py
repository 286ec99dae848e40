"""The process that reads: `python -m aitune_backends.loads.child`.

It is executed fresh, so that it shares neither threads nor memory with the dashboard; it is nice,
and the first to go when memory runs out; it dies with its parent. One line of JSON comes in on
stdin, the request; lines of JSON go out on stdout, each with its `kind`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from aitune_backends.loads.engines import ReadError, Reading
from aitune_backends.loads.evict import evict
from aitune_backends.loads.records import (
    BUFFERED,
    COLD,
    EVICTING,
    NOT_COLD,
    NOT_COLD_UNVERIFIED,
    NOT_WARM,
    NOT_WARM_UNVERIFIED,
    READING,
    WARM,
    WARMING,
    LoadRequest,
    LoadRun,
)
from aitune_backends.loads.residency import residency

# What kinds of lines there are.
PROGRESS = "progress"
RUN = "run"
FAILED = "failed"

NICE = 10
OOM_SCORE_ADJ = 500
PROGRESS_EVERY_S = 0.25

# At most this share of the pages in the cache is cold; at least the rest of it is warm.
TOLERANCE = 0.001
# Pages under writeback, or on another CPU's list, may need a second asking.
EVICT_TRIES = 3

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Do what the request on stdin says; 0, or 1 after a `failed` line."""
    _be_modest()
    message = json.loads(sys.stdin.readline())
    _die_with(message.pop("parent"))
    request = LoadRequest(**message | {"files": tuple(message["files"])})
    try:
        for number in range(1, request.runs + 1):
            _emit(RUN, number=number, run=asdict(_one_run(request, number)))
    except ReadError as error:
        _emit(FAILED, sentence=str(error))
        return 1
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _emit(FAILED, sentence=f"{what}{(error.strerror or str(error)).lower()}.")
        return 1
    return 0


def _be_modest() -> None:
    """Leave processors and memory to whoever needs them; leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    score = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):  # a container may hide it; the test is as good without
        score.write_text(str(max(OOM_SCORE_ADJ, int(score.read_text("ascii")))), "ascii")


def _die_with(parent: int) -> None:
    """Be killed when the thread that started us is gone, also when that was a moment ago."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _one_run(request: LoadRequest, number: int) -> LoadRun:
    before = _prepare(request, number)
    reading = Reading(request.files, request.engine, request.threads)
    fetched, usage = _read_bytes(), resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    _follow(reading, request, number, READING)
    seconds = time.perf_counter() - started
    usage_after, fetched_after = resource.getrusage(resource.RUSAGE_SELF), _read_bytes()
    if reading.done != request.bytes:
        raise ReadError("The files changed their size since they were found.")
    read_bytes = None if fetched is None or fetched_after is None else fetched_after - fetched
    return LoadRun(
        seconds=seconds,
        bytes=reading.done,
        residency_before=before,
        majflt=usage_after.ru_majflt - usage.ru_majflt,
        minflt=usage_after.ru_minflt - usage.ru_minflt,
        cpu_s=usage_after.ru_utime - usage.ru_utime + usage_after.ru_stime - usage.ru_stime,
        read_bytes=read_bytes,
        state=reached(request.state, before, read_bytes, reading.done),
    )


def _prepare(request: LoadRequest, number: int) -> float | None:
    """Bring the files to the state asked for, as far as it goes, and say where they are."""
    if request.state == WARM:
        found = residency(request.files)
        if found is None or found < 1 - TOLERANCE:
            reading = Reading(request.files, BUFFERED, request.threads)
            _follow(reading, request, number, WARMING)
            found = residency(request.files)
        return found
    found = None
    for _ in range(EVICT_TRIES):
        _emit_progress(request, number, EVICTING, 0, None)
        evict(request.files)
        found = residency(request.files)
        if found is None or found <= TOLERANCE:
            break
    return found


def reached(state: str, residency_before: float | None, read_bytes: int | None, done: int) -> str:
    """Which state a run really started in.

    Args:
        state: What was asked for.
        residency_before: What the page cache held, None where the kernel does not tell us. Then
            what the run had to fetch is the only witness.
        read_bytes: What it fetched from below the page cache, None where that is not counted.
        done: Bytes it read.
    """
    if state == COLD:
        if residency_before is not None:
            return COLD if residency_before <= TOLERANCE else NOT_COLD
        fetched_all = read_bytes is not None and read_bytes >= done * (1 - TOLERANCE)
        return COLD if fetched_all else NOT_COLD_UNVERIFIED
    if residency_before is not None:
        return WARM if residency_before >= 1 - TOLERANCE else NOT_WARM
    fetched_none = read_bytes is not None and read_bytes <= done * TOLERANCE
    return WARM if fetched_none else NOT_WARM_UNVERIFIED


def _follow(reading: Reading, request: LoadRequest, number: int, phase: str) -> None:
    """Let a reading run to its end, and say how far it is a few times a second."""
    started = time.perf_counter()
    reading.start()
    while not reading.wait(PROGRESS_EVERY_S):
        done, seconds = reading.done, time.perf_counter() - started
        _emit_progress(request, number, phase, done, done / seconds if done else None)


def parse_read_bytes(text: str) -> int | None:
    """The `read_bytes` of a `/proc/PID/io`: what was fetched from storage."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "read_bytes" and value.strip().isdecimal():
            return int(value)
    return None


def _read_bytes() -> int | None:
    try:
        return parse_read_bytes(Path("/proc/self/io").read_text("ascii"))
    except OSError:
        return None  # a kernel that does not count, or a container that hides it


def _emit_progress(
    request: LoadRequest, number: int, phase: str, done: int, rate: float | None
) -> None:
    _emit(
        PROGRESS,
        done=done,
        total=request.bytes,
        rate=rate,
        run=number,
        runs=request.runs,
        phase=phase,
    )


def _emit(kind: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"kind": kind, **fields}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
