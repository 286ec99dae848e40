"""Who uses huge pages: the texts of /proc, and trees of processes written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends import hugepage_users, planner, planner_words
from aitune_backends.findings import orphans
from aitune_backends.hugepage_users import HugeFile, HugePageUsers
from aitune_backends.loads.holders import Holder
from aitune_backends.probes import hugetlb_users as texts
from tests.unit.knowledge.made_trees import host, pool
from tests.unit.knowledge.test_planner import two_nodes

if TYPE_CHECKING:
    from pathlib import Path

STATUS = """\
Name:\tvllm
Umask:\t0022
State:\tS (sleeping)
Uid:\t1001\t1001\t1001\t1001
VmRSS:\t   20480 kB
HugetlbPages:\t    4096 kB
"""
# Of Linux 6.18.
SMAPS = """\
7f8ba3200000-7f8ba3600000 rw-p 00000000 00:11 1420528                    /anon_hugepage (deleted)
Size:               4096 kB
KernelPageSize:     2048 kB
Rss:                   0 kB
AnonHugePages:         0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:    2048 kB
VmFlags: rd wr mr mw me de ht
7f8ba3400000-7f8ba3800000 rw-s 00000000 00:11 0                          /SYSV00000000 (deleted)
KernelPageSize:     2048 kB
Shared_Hugetlb:     2048 kB
Private_Hugetlb:       0 kB
7f8ba3800000-7f8ba3a00000 rw-s 00000000 00:11 1420527                    /memfd:kv (deleted)
KernelPageSize:     2048 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:    2048 kB
7f8ba4000000-7f8be4000000 rw-s 00000000 00:27 7                          /mnt/huge pages/kv
KernelPageSize:  1048576 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb: 1048576 kB
7f8ba39b8000-7f8ba39ba000 r--p 00000000 fe:00 29781                      /usr/lib/libc.so.6
KernelPageSize:        4 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
"""
SHM = """\
       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid \
     atime      dtime      ctime                   rss                  swap
         0          3   600               4194304 15805 15805      0     0     0     0     0 \
1795490684 1795490684 1795490684            1073741824                     0
         0          4   600               4194304 15805 15805      1     0     0     0     0 \
1795490684 1795490684 1795490684            1073741824                     0
         0          5   600               4194304 15805 15805      0     0     0     0     0 \
1795490684 1795490684 1795490684               4194304                     0
"""


def test_a_status() -> None:
    assert texts.parse_status(STATUS) == texts.Status("vllm", 1001, 4 << 20, 20 << 20)
    assert texts.parse_status("Name:\tkthreadd\nUid:\t0\t0\t0\t0\n").resident is None
    assert texts.parse_status("HugetlbPages:\t-5 kB\nUid:\n") == texts.Status("?", None, 0, None)


def test_who_uses_none_is_passed_over() -> None:
    assert texts.mentions_huge_pages(STATUS)
    assert texts.mentions_huge_pages(STATUS.replace("    4096 kB", "   10240 kB"))
    assert not texts.mentions_huge_pages(STATUS.replace("4096 kB", "0 kB"))
    assert not texts.mentions_huge_pages("Name:\tkthreadd\n")


def test_a_watch_looks_again_after_a_while(tmp_path: Path) -> None:
    busy = host(tmp_path, pool(2048, (8, 2)), {"/proc/77/status": STATUS})
    watch = hugepage_users.Watch(busy)
    assert [user.pid for user in watch.look(0.0).users] == [77]
    (tmp_path / "proc/77/status").unlink()
    assert [user.pid for user in watch.look(20.0).users] == [77]
    assert watch.look(31.0).users == ()


def test_what_is_mapped_in_huge_pages_by_size() -> None:
    mib = 1 << 20
    assert texts.parse_smaps(SMAPS) == (
        texts.Mapping(2048, 2 * mib, ""),
        texts.Mapping(2048, 2 * mib, "SYSV"),
        texts.Mapping(2048, 2 * mib, "memfd:kv"),
        texts.Mapping(1048576, 1 << 30, "/mnt/huge pages/kv"),
    )


@pytest.mark.parametrize(
    ("line", "mount"),
    [
        ("none /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0", ("/dev/hugepages", 2048)),
        ("x /mnt/a\\040b hugetlbfs rw,pagesize=1G,size=4G 0 0", ("/mnt/a b", 1048576)),
        ("x /mnt/c hugetlbfs rw,relatime,pagesize=64K 0 0", ("/mnt/c", 64)),
        ("x /mnt/d hugetlbfs rw,relatime 0 0", ("/mnt/d", None)),
        ("hugetlbfs /mnt/e tmpfs rw,pagesize=2M 0 0", None),
        ("x relative hugetlbfs rw 0 0", None),
        ("x /mnt", None),
    ],
)
def test_mounts(line: str, mount: tuple[str, int | None] | None) -> None:
    found = texts.parse_mounts(f"proc /proc proc rw 0 0\n{line}\n")
    assert [(m.path, m.size_kib) for m in found] == ([mount] if mount else [])


def test_only_a_detached_segment_of_huge_pages_is_lost() -> None:
    assert texts.parse_lost_segments(SHM) == (texts.Segment(3, 4 << 20),)
    assert texts.parse_lost_segments("key\n1 2 3\n" + "x " * 16) == ()


@given(st.text())
def test_no_text_breaks_them(text: str) -> None:
    for parse in (
        texts.parse_status, texts.parse_smaps, texts.parse_mounts, texts.parse_lost_segments,
    ):  # fmt: skip
        parse(text)


def test_while_all_pages_are_free_nobody_is_asked(tmp_path: Path) -> None:
    quiet = host(tmp_path, pool(2048, (8, 8)), {"/proc/77/status": STATUS})
    assert hugepage_users.read(quiet).users == ()


@pytest.mark.parametrize("closely", [True, False])
def test_processes_largest_first(tmp_path: Path, closely: bool) -> None:
    more = STATUS.replace("4096 kB", "8192 kB").replace("vllm", "qemu")
    busy = host(
        tmp_path,
        pool(2048, (8, 2)),
        {"/proc/77/status": STATUS, "/proc/78/status": more, "/proc/79/status": "Name:\tsh\n"},
        {"/proc/77/smaps": SMAPS, "/proc/mounts": "proc /proc proc rw 0 0"},
    )
    found = hugepage_users.read(busy, closely=closely)
    assert [(u.pid, u.command, u.bytes) for u in found.users] == [
        (78, "qemu", 8 << 20),
        (77, "vllm", 4 << 20),
    ]
    assert [len(u.parts) for u in found.users] == ([0, 4] if closely else [0, 0])
    assert not found.certain, "a tree is not a machine: its other processes are not seen"
    assert hugepage_users.orphans(busy) == ()


def test_a_process_with_much_memory_is_not_held_up(tmp_path: Path) -> None:
    large = STATUS.replace("20480 kB", f"{9 << 20} kB")
    busy = host(tmp_path, pool(2048, (8, 2)), {"/proc/77/status": large, "/proc/77/smaps": SMAPS})
    (user,) = hugepage_users.read(busy).users
    assert user.parts == ()
    assert "hold the process up" in planner_words.user_text(user)


def test_a_close_look_ends_in_time(tmp_path: Path) -> None:
    mount = {"/proc/mounts": "x /huge hugetlbfs rw,pagesize=2M 0 0", "/huge/kv": "x"}
    many = {f"/proc/{pid}/status": STATUS for pid in range(100, 130)}
    busy = host(tmp_path, pool(2048, (8, 2)), mount, many)
    ticks = iter(range(1000))
    found = hugepage_users.read(busy, clock=lambda: float(next(ticks)))
    assert found.unseen < 30
    assert not found.certain


def test_words_for_users_and_orphans(tmp_path: Path) -> None:
    outlook = planner.plan_pool(two_nodes(tmp_path), 2048)
    assert outlook is not None
    kept = HugeFile("/huge/kv", 2048, 8 << 20, 4 << 20, (Holder(7, "vl\x1b[2Jlm", maps=True),))
    lost = HugeFile("/huge/o'ld \x1b[2J", 2048, 8 << 20, 8 << 20)
    other = HugeFile("/huge1g/kv", 1048576, 1 << 30, 0)
    found = HugePageUsers(files=(kept, lost, other), certain=False, unseen=3, closely=True)
    said = list(planner_words.users_said(found, outlook))
    text = "\n".join(f"{label}: {words}" for label, words in said)
    assert "\x1b" not in text
    assert "File: /huge/kv, 8 MiB, 4 MiB of it touched, held by vl?[2Jlm (7)" in text
    assert "no process that we see has it open" in text
    assert (planner_words.REMOVE, "rm '/huge/o'\\''ld ?[2J'") in said
    assert "3 processes cannot be looked into" in text
    assert "sudo aitune-tui explain hugepages.2048kB" in text
    assert "1g" not in text, "pages of another size are told of there"


def test_pages_in_use_by_nobody_that_is_seen(tmp_path: Path) -> None:
    outlook = planner.plan_pool(two_nodes(tmp_path, pool(2048, (8, 2), (0, 0))), 2048)
    assert outlook is not None
    (said,) = planner_words.users_said(HugePageUsers(closely=True), outlook)
    assert said[1].startswith("6 pages are in use by what is not seen from here")


@pytest.mark.parametrize(("certain", "count"), [(True, 1), (False, 0)])
def test_an_orphan_is_a_finding_where_nobody_can_be_hidden(certain: bool, count: int) -> None:
    lost = HugeFile("/huge/o ld", 2048, 8 << 20, 4 << 20)
    kept = HugeFile("/huge/kv", 2048, 8 << 20, 0, (Holder(7, "vllm", maps=False),))
    found = list(orphans.judged(HugePageUsers(files=(lost, kept), certain=certain)))
    assert len(found) == count
    for one in found:
        assert "1 file or segment of up to 8 MiB" in one.sentence
        assert "`rm '/huge/o ld'`" in one.hint


def test_a_lost_segment_is_a_finding() -> None:
    (one,) = orphans.judged(HugePageUsers(segments=(texts.Segment(3, 4 << 20),)))
    assert "`ipcrm -m 3`" in one.hint
    assert not list(orphans.judged(HugePageUsers(certain=True)))
