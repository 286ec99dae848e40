"""The planner against this kernel: what it foretold, what was got, and who has the pages.

At most 1 GiB is taken. A mount and its files are made and removed again.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.waiting import until

from aitune_backends import hugepage_users, planner
from aitune_backends.helper_client import RealLink
from aitune_backends.host import Host
from aitune_backends.probes.buddyinfo import parse_buddyinfo
from aitune_helper.messages import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
SIZE = 2 << 20
PAGES = 400
# What other programs may take or give back meanwhile.
NOISE_PAGES = 64
ORDER = 9  # 2 MiB in pages of 4 KiB

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes this kernel's settings"),
    pytest.mark.skipif(not POOL.exists(), reason="this kernel has no huge pages of 2 MiB"),
    pytest.mark.skipif(
        os.sysconf("SC_PAGE_SIZE") != 4096, reason="orders are counted in pages of 4 KiB"
    ),
]


def outlook() -> planner.PoolOutlook:
    found = planner.plan_pool(Host(), 2048)
    assert found is not None
    return found


def blocks(*, dma: bool = False) -> int:
    """Whole blocks of 2 MiB in the zones that the planner counts, or in DMA."""
    zones = parse_buddyinfo(Path("/proc/buddyinfo").read_text())
    return sum(zone.blocks(ORDER) for zone in zones if (zone.name == "DMA") == dma)


@contextmanager
def grown(pages: int) -> Iterator[int]:
    """The pool larger by so many pages, by the real helper; gives what was got."""
    before = int((POOL / "nr_hugepages").read_text())
    with RealLink().connect(ask=False) as session:
        plan = session.plan((Change("hugepages.2048kB", "", str(before + pages)),))
        changes = tuple(
            Change(item.knob, item.instance, item.requested, item.old) for item in plan.items
        )
        trial = session.apply(changes, plan.hash, ttl_s=120)
        try:
            yield int(trial.items[0].effective or 0) - before
        finally:
            assert session.revert(trial.id).complete
    assert int((POOL / "nr_hugepages").read_text()) == before


def test_what_is_foretold_is_got_and_costs_what_was_said() -> None:
    before, free = outlook(), blocks()
    if (before.at_once or 0) < PAGES + NOISE_PAGES:
        pytest.skip("too little memory lies free as whole blocks")
    foretold, dma = before.costs(PAGES), blocks(dma=True)
    with grown(PAGES) as got:
        after = outlook()
        assert got == PAGES, "so many lay free at once"
        assert after.total - before.total == PAGES
        assert blocks(dma=True) == dma, "none of DMA"
        # Others on this machine come and go meanwhile: how much, what is free of all tells.
        noise = abs(before.free_memory - after.free_memory - PAGES * SIZE) + NOISE_PAGES * SIZE
        assert abs((free - blocks() - PAGES) * SIZE) <= noise, "it took whole blocks"
        assert abs(after.available - foretold.available) <= noise
        assert after.commit_limit is not None
        assert foretold.commit_limit is not None
        assert abs(after.commit_limit - foretold.commit_limit) <= 4096


def test_memory_in_pieces_is_free_and_not_at_once() -> None:
    """Every other small page of 1 GiB is given back: what is free is no block."""
    length = 1 << 30
    if (outlook().at_once or 0) < 2 * length // SIZE:
        pytest.skip("too little memory lies free as whole blocks")
    with mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for at in range(0, length, 4096):
            memory[at] = 1
        before = in_pieces()
        for at in range(0, length, 8192):
            memory.madvise(mmap.MADV_DONTNEED, at, 4096)
        # Given back pages wait in lists of each processor first, which empty by and by. Others on
        # this machine come and go meanwhile, with whole blocks: those are not counted.
        until(lambda: in_pieces() - before > length // 16)


def in_pieces() -> int:
    """Bytes that are free, and not in whole blocks."""
    return outlook().free_memory - blocks() * SIZE


_HOLDER = """
import mmap, os, sys
S = 2 << 20
folder = sys.argv[1]
def made(name, pages):
    fd = os.open(f"{folder}/{name}", os.O_CREAT | os.O_RDWR, 0o600)
    os.ftruncate(fd, pages * S)
    memory = mmap.mmap(fd, pages * S)
    memory[0] = 1
    return fd, memory
fd, memory = made("orphan", 4)
memory.close(); os.close(fd)
fd, mapped = made("mapped", 2); os.close(fd)
opened, memory = made("opened", 2); memory.close()
own = mmap.mmap(-1, 2 * S, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
own[0] = own[S] = 1
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A pool of 64 pages and a hugetlbfs mounted where a blank is in the path."""
    place = tmp_path / "huge pages"
    place.mkdir()
    with grown(64) as got:
        assert got == 64
        subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", place], check=True)
        try:
            yield place
        finally:
            for file in place.iterdir():
                file.unlink()
            subprocess.run(["umount", place], check=True)


def said(*arguments: str) -> str:
    """What the command line prints."""
    return subprocess.run(
        [sys.executable, "-c", "from aitune_tui.cli import main; main()", *arguments],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONUTF8": "1"},
    ).stdout  # fmt: skip


def test_who_maps_huge_pages_and_what_nobody_holds(folder: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        found = hugepage_users.read(Host())
        (user,) = [user for user in found.users if user.pid == child.pid]
        assert user.bytes == 3 * SIZE
        assert {(part.size_kib, part.bytes, part.what) for part in user.parts} == {
            (2048, 2 * SIZE, ""),
            (2048, SIZE, f"{folder}/mapped"),
        }
        files = {Path(file.path).name: file for file in found.files if str(folder) in file.path}
        held = {name: [(h.pid, h.maps) for h in file.holders] for name, file in files.items()}
        assert held == {
            "mapped": [(child.pid, True)],
            "opened": [(child.pid, False)],
            "orphan": [],
        }
        assert [file.path for file in found.orphans] == [f"{folder}/orphan"]
        orphan = files["orphan"]
        assert (orphan.bytes, orphan.held) == (4 * SIZE, SIZE)
        told = said("explain", "hugepages.2048kB")
        assert f"rm '{folder}/orphan'" in told
        assert f"rm '{folder}/orphan'" in said("doctor", "--json")
        assert f"({child.pid}) 6 MiB" in told
        pool = outlook()
        # 1 of the orphan, 1 mapped, 1 opened, 2 of its own are touched; the rest is promised.
        assert (pool.total - pool.free, pool.reserved) == (5, 5)
    finally:
        child.communicate(timeout=20)
    after = hugepage_users.read(Host())
    assert {Path(file.path).name for file in after.orphans} == {"mapped", "opened", "orphan"}
    Path(folder, "orphan").unlink()
    until(lambda: outlook().reserved == 2, 5)
