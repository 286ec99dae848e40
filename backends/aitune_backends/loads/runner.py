"""Run a load test in its own process, and tell how it goes.

Knows no screen: the command line and the dashboard both iterate over the events. A thread of the
test's own starts the process and listens to it, because the process is killed when the thread that
started it ends; so it does not matter which thread asks for the test, iterates, or cancels.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from os import getpid
from typing import IO, TYPE_CHECKING, cast

from aitune_backends.loads import child, holders
from aitune_backends.loads.records import (
    COLD,
    ENDS,
    Cancelled,
    Event,
    Failed,
    Finished,
    LoadRequest,
    LoadResult,
    LoadRun,
    Note,
    Progress,
    RunFinished,
)
from aitune_backends.loads.settings import this_place
from aitune_helper.kernelfs import KernelIO, RealKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a process that was asked to end may take before it is killed, and then before it is
# given up: one that hangs in the kernel on a dead disk ends when the disk does.
PATIENCE_S = 2.0


class LoadTest:
    """One load test: `start()` it, iterate over its events, `cancel()` it from any thread.

    The last event is `Finished`, `Failed` or `Cancelled`, and nothing comes after it.
    """

    def __init__(self, request: LoadRequest, kernel: KernelIO | None = None) -> None:
        """Prepare a test.

        Args:
            request: What to read, and how.
            kernel: Where the settings in force are read; the machine itself by default.
        """
        self.request = request
        self._kernel = kernel or RealKernel()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="load-test", daemon=True)

    @property
    def pid(self) -> int | None:
        """The reading process, None before there is one."""
        with self._lock:
            return self._process.pid if self._process is not None else None

    @property
    def started(self) -> bool:
        """Whether there are events to wait for."""
        return self._thread.ident is not None

    def start(self) -> LoadTest:
        """Begin; returns the test itself, to iterate over."""
        self._thread.start()
        return self

    def __iter__(self) -> Iterator[Event]:
        """Every event, in order; waits for each."""
        while True:
            event = self._events.get()
            yield event
            if isinstance(event, ENDS):
                return

    def cancel(self) -> None:
        """End it soon: returns at once, and the last event will be `Cancelled`."""
        if self._cancelled.is_set():
            return
        self._cancelled.set()
        with self._lock:
            process = self._process
            if process is None:
                return  # and none will be started any more
            process.terminate()
        args = (process,)
        threading.Thread(target=self._insist, args=args, name="load-test-end", daemon=True).start()

    def _insist(self, process: subprocess.Popen[str]) -> None:
        """Kill what does not end when asked, and wait for ever for nothing."""
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            process.kill()
            self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self._events.put(Cancelled())

    def _run(self) -> None:
        try:
            end = self._measure()
        except Exception as error:  # noqa: BLE001 - whoever iterates must get an end
            end = Failed(f"The load test could not run: {error}.")
        self._events.put(Cancelled() if self._cancelled.is_set() else end)

    def _measure(self) -> Event:
        place = this_place(self._kernel, self.request.files)
        notes = []
        if self.request.state == COLD:
            held = holders.sentence(holders.find_holders(self.request.files))
            if held:
                notes.append(held)
                self._events.put(Note(held))
        with tempfile.TemporaryFile("w+", errors="replace") as complaints:
            process = self._launch(complaints)
            if process is None:
                return Cancelled()
            try:
                runs, failure = self._listen(process)
            finally:
                _end(process)
            if failure is None and len(runs) < self.request.runs:
                complaints.seek(0)
                failure = Failed(_death(process.returncode, complaints.read()))
        if failure is not None:
            return failure
        notes.extend(notes_on(runs))
        return Finished(LoadResult(self.request, place, tuple(runs), tuple(notes)))

    def _launch(self, complaints: IO[str]) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._cancelled.is_set():
                return None
            self._process = subprocess.Popen(
                [sys.executable, "-m", "aitune_backends.loads.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                encoding="utf-8",
                errors="surrogateescape",
                # `-m` looks for modules in the working directory first: let that be nobody's.
                cwd="/",
            )
            return self._process

    def _listen(self, process: subprocess.Popen[str]) -> tuple[list[LoadRun], Failed | None]:
        """Turn what the child says into events, until it says no more."""
        stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        runs: list[LoadRun] = []
        with stdout:
            # A child that is dead already breaks the pipe; why it is, its complaints tell.
            with contextlib.suppress(BrokenPipeError), stdin:
                stdin.write(json.dumps({**asdict(self.request), "parent": getpid()}) + "\n")
            for line in stdout:
                fields = json.loads(line)
                kind = fields.pop("kind")
                if kind == child.PROGRESS:
                    self._events.put(Progress(**fields))
                elif kind == child.RUN:
                    runs.append(LoadRun(**fields["run"]))
                    self._events.put(RunFinished(runs[-1], fields["number"]))
                elif kind == child.FAILED:
                    return runs, Failed(fields["sentence"])
        return runs, None


def notes_on(runs: list[LoadRun]) -> tuple[str, ...]:
    """What must be said beside the figures of these runs."""
    fetched = [
        run.read_bytes / run.bytes
        for run in runs
        if run.state == COLD and run.read_bytes is not None and run.bytes
    ]
    if fetched and min(fetched) < 1 - child.TOLERANCE:
        return (
            f"Only {min(fetched):.0%} of the bytes were counted as read from storage: the file "
            "system compresses, or has a cache of its own that was not emptied.",
        )
    return ()


def _end(process: subprocess.Popen[str]) -> None:
    """See to it that a process that has closed its output is gone."""
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_S)


def _death(status: int | None, complaints: str) -> str:
    """Why a child that said nothing is gone, in one sentence."""
    if status == -signal.SIGBUS:
        return "A file became shorter while it was read, or its disk gave an error."
    if status == -signal.SIGKILL:
        return "The reading process was killed, perhaps because memory ran out."
    if status is not None and status < 0:
        return f"The reading process was ended by {signal.Signals(-status).name}."
    lines = complaints.strip().splitlines()
    return f"The reading process failed: {lines[-1] if lines else 'it did not say why'}."
