"""The two ways to move a file's bytes into memory, as loaders do it.

Both move every byte: into a ring of buffers that was touched before the clock started, so that no
fault of our own memory is timed. Touching one byte a page of a mapping would be measured as
hundreds of GB a second, which no loader sees.

`buffered` reads 1 MiB at a time with `preadv`. `mmap` maps each file and copies it out of the
mapping, taking the page faults that a loader takes there.

The work is cut into spans that the threads take one after the other; within its span a thread goes
straight ahead, on a descriptor of its own, so that the kernel's read-ahead sees a sequential reader
in each. Neither engine holds the interpreter's lock while bytes move.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.loads.records import BUFFERED, MMAP
from aitune_backends.loads.residency import mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SPAN = 64 << 20
BLOCK = 1 << 20
RING = 16 << 20


class ReadError(Exception):
    """A file could not be read to its end; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one file, read in one go."""

    path: str
    start: int
    length: int


class Reading:
    """One reading of all files by some threads, and how far it is.

    Each thread counts for itself, so that counting takes no lock; `done` adds up.
    """

    def __init__(self, files: Sequence[str], engine: str, threads: int) -> None:
        self._engine = ENGINES[engine]
        self._spans = iter(spans_of(files))
        self._lock = threading.Lock()
        self._counts = [0] * threads
        self._rings = [_ring() for _ in range(threads)]
        self._error: Exception | None = None
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(threads)
        ]

    @property
    def done(self) -> int:
        """Bytes moved so far."""
        return sum(self._counts)

    def start(self) -> None:
        """Let the threads read."""
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; say whether everything was read.

        Raises:
            ReadError: A file ended early or could not be read.
        """
        waiting = next((thread for thread in self._threads if thread.is_alive()), None)
        if waiting is not None:
            waiting.join(seconds)
        if self._error is not None:
            raise self._error
        return not any(thread.is_alive() for thread in self._threads)

    def _next_span(self) -> Span | None:
        with self._lock:
            return next(self._spans, None) if self._error is None else None

    def _work(self, number: int) -> None:
        def count(moved: int) -> None:
            self._counts[number] += moved

        span = None
        try:
            while (span := self._next_span()) is not None:
                self._engine(span, self._rings[number], count)
        except OSError as error:
            path = error.filename or (span.path if span else "a file")
            self._error = ReadError(f"{path}: {(error.strerror or str(error)).lower()}.")
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error


def spans_of(files: Sequence[str]) -> Iterator[Span]:
    """Cut the files into spans, in their order.

    Raises:
        OSError: A file is gone.
    """
    for path in files:
        size = Path(path).stat().st_size
        for start in range(0, size, SPAN):
            yield Span(path, start, min(SPAN, size - start))


def _buffered(span: Span, ring: mmap.mmap, count: Callable[[int], None]) -> None:
    fd = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with memoryview(ring) as view:
            done = 0
            while done < span.length:
                slot = done % RING
                wanted = min(BLOCK, RING - slot, span.length - done)
                got = os.preadv(fd, [view[slot : slot + wanted]], span.start + done)
                if got == 0:
                    raise ReadError(f"{span.path} became shorter while it was read.")
                done += got
                count(got)
    finally:
        os.close(fd)


def _mmap(span: Span, ring: mmap.mmap, count: Callable[[int], None]) -> None:
    fd = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC)
    slots = (ctypes.c_char * RING).from_buffer(ring)
    try:
        with mapped(fd, span.length, span.start) as address:
            for done in range(0, span.length, BLOCK):
                # A page that is gone from under the map kills us with SIGBUS; asking first turns
                # nearly every such death into a sentence.
                if os.fstat(fd).st_size < span.start + min(done + BLOCK, span.length):
                    raise ReadError(f"{span.path} became shorter while it was read.")
                wanted = min(BLOCK, span.length - done)
                ctypes.memmove(ctypes.byref(slots, done % RING), address + done, wanted)
                count(wanted)
    finally:
        os.close(fd)
        del slots  # the ring cannot be closed while it is exported


ENGINES: dict[str, Callable[[Span, mmap.mmap, Callable[[int], None]], None]] = {
    BUFFERED: _buffered,
    MMAP: _mmap,
}


def _ring() -> mmap.mmap:
    """Memory to read into: ours alone, in huge pages where THP gives them, touched beforehand."""
    ring = mmap.mmap(-1, RING, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without THP: small pages do
        ring.madvise(mmap.MADV_HUGEPAGE)
    for offset in range(0, RING, mmap.PAGESIZE):
        ring[offset] = 1
    return ring
