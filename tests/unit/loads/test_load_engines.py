"""Every byte is moved, counted, and what cannot be read becomes a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aitune_backends.loads import engines
from aitune_backends.loads.engines import ReadError, Reading, Span, spans_of
from aitune_backends.loads.records import ENGINES, MMAP

MIB = 1 << 20


def read_all(reading: Reading) -> int:
    reading.start()
    while not reading.wait(5):
        pass
    return reading.done


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("sizes", [(1,), (4096,), (MIB + 1, 5), (18 * MIB + 7, 3 * MIB)])
def test_bytes_are_counted_exactly(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    threads: int,
    sizes: tuple[int, ...],
) -> None:
    monkeypatch.setattr(engines, "SPAN", 4 * MIB)
    files = []
    for number, size in enumerate(sizes):
        path = tmp_path / str(number)
        path.write_bytes(os.urandom(size))
        files.append(str(path))
    assert read_all(Reading(files, engine, threads)) == sum(sizes)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_bytes_arrive_in_our_memory(tmp_path: Path, engine: str) -> None:
    content = os.urandom(17 * MIB + 1234)
    path = tmp_path / "weights"
    path.write_bytes(content)
    ring = engines._ring()
    counted: list[int] = []
    engines.ENGINES[engine](Span(str(path), 0, len(content)), ring, counted.append)
    assert sum(counted) == len(content)
    # The ring holds the last 16 MiB: the second turn lies over the beginning of the first.
    beyond = len(content) - engines.RING
    assert ring[:beyond] == content[engines.RING :]
    assert ring[beyond : engines.RING] == content[beyond : engines.RING]
    ring.close()


def test_spans_cover_each_file_once(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.touch()
    os.truncate(path, 2 * engines.SPAN + 5)
    spans = list(spans_of([str(path)]))
    assert [(span.start, span.length) for span in spans] == [
        (0, engines.SPAN),
        (engines.SPAN, engines.SPAN),
        (2 * engines.SPAN, 5),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_that_became_shorter_is_a_sentence(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(3 * MIB))
    ring = engines._ring()
    with pytest.raises(ReadError, match="became shorter while it was read"):
        engines.ENGINES[engine](Span(str(path), 0, 4 * MIB), ring, lambda _: None)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_that_vanished_is_a_sentence(tmp_path: Path, engine: str) -> None:
    reading = Reading([str(tmp_path / "gone.gguf")], engine, 2)
    with pytest.raises(ReadError, match=r"gone\.gguf: no such file or directory\."):
        read_all(reading)


def test_an_error_of_the_disk_is_a_sentence() -> None:
    """/proc/self/mem gives EIO at address 0: a real read error without a broken disk."""
    ring = engines._ring()
    reading = Reading([], "buffered", 1)
    reading._spans = iter([Span("/proc/self/mem", 0, MIB)])
    with pytest.raises(ReadError, match=r"/proc/self/mem: input/output error\."):
        read_all(reading)
    ring.close()


def test_a_map_cut_off_in_mid_copy_ends_the_process_with_sigbus(tmp_path: Path) -> None:
    """What no check can prevent; the runner makes a sentence of it."""
    path = tmp_path / "weights"
    path.write_bytes(bytes(2 * MIB))
    code = (
        "import ctypes, os, sys\n"
        "from aitune_backends.loads.residency import mapped\n"
        "fd = os.open(sys.argv[1], os.O_RDWR)\n"
        "with mapped(fd, 2 << 20) as address:\n"
        "    os.ftruncate(fd, 0)\n"
        "    ctypes.string_at(address, 2 << 20)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -7


def test_a_fault_of_ours_is_not_swallowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"x")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(engines.ENGINES, MMAP, broken)
    with pytest.raises(ZeroDivisionError):
        read_all(Reading([str(path)], MMAP, 1))
