"""Cold means cold: what the page cache holds is asked, and eviction is verified."""

from __future__ import annotations

import mmap
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends.loads.evict import evict
from aitune_backends.loads.holders import Holder, find_holders, parse_maps, sentence
from aitune_backends.loads.residency import residency

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Hold = Callable[[str], AbstractContextManager[int]]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "weights.bin"
    path.write_bytes(os.urandom(3 << 20) + b"tail")
    return str(path)


def test_a_file_just_written_is_resident(file: str) -> None:
    assert residency([file]) == 1.0


def test_evicting_empties_the_cache_also_of_dirty_pages(file: str) -> None:
    evict([file])  # written a moment ago and never synced
    assert residency([file]) == 0.0


def test_a_file_system_without_fsync_can_be_evicted_from() -> None:
    with Path("/proc/version").open("rb") as file, pytest.raises(OSError, match="Invalid"):
        os.fsync(file.fileno())
    evict(["/proc/version"])


def test_residency_counts_pages_of_all_files(file: str, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(bytes(2 << 20))
    evict([file])
    pages = -(-Path(file).stat().st_size // mmap.PAGESIZE)
    other_pages = (2 << 20) // mmap.PAGESIZE
    assert residency([file, str(other)]) == pytest.approx(other_pages / (pages + other_pages))


def test_an_empty_file_has_nothing_resident(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert residency([str(empty)]) == 0.0


def test_where_mincore_would_lie_there_is_no_answer() -> None:
    """A file of another user that we may not write: the kernel calls every page resident."""
    if os.geteuid() == 0:
        pytest.skip("root may write every file; tests/kernel asks as another uid")
    assert residency(["/bin/sh"]) is None


def test_a_file_mapped_by_another_process_stays(file: str, mapped_elsewhere: Hold) -> None:
    with mapped_elsewhere(file) as pid:
        evict([file])
        assert residency([file]) == 1.0
        found = find_holders([file])
        assert [(one.pid, one.maps) for one in found] == [(pid, True)]
        assert "no run can be cold" in sentence(found)
    assert find_holders([file]) == ()


def test_a_file_open_elsewhere_is_named_but_goes(file: str) -> None:
    with (
        Path(file).open("rb") as opened,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[opened.fileno()]) as holder,
    ):
        opened.close()
        (found,) = find_holders([file])
        assert (found.pid, found.maps) == (holder.pid, False)
        assert f"cat ({holder.pid})" in sentence([found])
        evict([file])
        assert residency([file]) == 0.0
        assert holder.stdin is not None
        holder.stdin.close()


def test_a_missing_file_has_no_holders() -> None:
    assert find_holders(["/nowhere/model.gguf"]) == ()


def test_many_holders_are_counted() -> None:
    text = sentence([Holder(pid, "vllm", maps=False) for pid in range(10, 17)])
    assert text.startswith("Open in vllm (10), vllm (11), vllm (12), vllm (13) and 3 more:")
    assert sentence([]) == ""


def test_maps_are_parsed() -> None:
    text = (
        "7f00-7f01 r--s 00000000 fe:00 1234    /models/a file.gguf (deleted)\n"
        "7f02-7f03 rw-p 00000000 00:00 0       [heap]\n"
        "7f04-7f05 rw-p 00000000 00:00 0\n"
        "nonsense\n"
    )
    assert list(parse_maps(text)) == [(os.makedev(0xFE, 0), 1234)]
