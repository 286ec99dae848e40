"""The made-up kernel does what the running one does, wherever both have the same file.

Each script is a list of writes; it is run on both, and what came of every write is compared: the
value read back, or the errno. Everything is put back, and looked at again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from aitune_backends.demo import DemoMachine
from aitune_helper import kernelfs
from aitune_helper.kernelfs import KernelIO, RealKernel
from aitune_helper.knobs import parse_listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes settings of this kernel"),
]

VM = "/proc/sys/vm"
THP = "/sys/kernel/mm/transparent_hugepage"
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB"
_DISK_BYTES = 64 << 20


class Pair(NamedTuple):
    """The made-up kernel and the running one, each with a disk to write to."""

    demo: KernelIO
    demo_disk: str
    real: KernelIO
    real_disk: str

    def both(self) -> Iterator[tuple[KernelIO, str]]:
        yield self.demo, self.demo_disk
        yield self.real, self.real_disk


def value(kernel: KernelIO, path: str) -> str:
    text = kernel.read(path).strip()
    return parse_listed(text)[0] if "[" in text else text


def outcome(kernel: KernelIO, path: str, written: str) -> str:
    """What is read after a write, or why it was refused."""
    try:
        kernel.write(path, written)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return value(kernel, path)


@contextlib.contextmanager
def restored(kernel: KernelIO, *paths: str) -> Iterator[None]:
    """Put files back as they were, whatever happens, and look at them again."""
    before = {path: value(kernel, path) for path in paths}
    try:
        yield
    finally:
        for path, old in before.items():
            if value(kernel, path) != old:
                kernel.write(path, old)
        assert {path: value(kernel, path) for path in paths} == before


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    demo = DemoMachine()
    image = tmp_path / "disk"
    image.touch()
    os.truncate(image, _DISK_BYTES)
    made = subprocess.run(
        ["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        demo.close()
        pytest.skip(f"no loop device to be had: {made.stderr.strip()}")
    device = made.stdout.strip()
    name = device.removeprefix("/dev/")
    kernel = RealKernel()
    queue = f"/sys/block/{name}/queue"
    try:
        # A loop device outlives its file, and its queue keeps what was set.
        with restored(
            kernel, *(f"{queue}/{f}" for f in ("scheduler", "nr_requests", "read_ahead_kb"))
        ):
            yield Pair(demo.kernel, "nvme0n1", kernel, name)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
        demo.close()


def test_read_ahead_is_rounded_alike(pair: Pair) -> None:
    script = ("4096", "130", "3", "0", "4294967295", "4294967296", "much")
    outcomes = [
        [outcome(kernel, f"/sys/block/{disk}/queue/read_ahead_kb", text) for text in script]
        for kernel, disk in pair.both()
    ]
    assert outcomes[0] == outcomes[1]
    assert "128" in outcomes[0]


def test_a_scheduler_brings_its_requests_alike(pair: Pair) -> None:
    outcomes = []
    for kernel, disk in pair.both():
        queue = f"/sys/block/{disk}/queue"
        depth = value(kernel, f"{queue}/nr_requests")
        seen = []
        for word in ("mq-deadline", "mq-deadline", "wrong", "none"):
            seen.append(outcome(kernel, f"{queue}/scheduler", word))
            requests = value(kernel, f"{queue}/nr_requests")
            seen.append("depth" if requests == depth else requests)
        outcomes.append(seen)
    assert outcomes[0] == outcomes[1]


def test_requests_have_the_same_bounds(pair: Pair) -> None:
    outcomes = []
    for kernel, disk in pair.both():
        queue = f"/sys/block/{disk}/queue"
        depth = int(value(kernel, f"{queue}/nr_requests"))
        seen = [outcome(kernel, f"{queue}/nr_requests", text) for text in ("1", "64", "many")]
        seen.append(outcome(kernel, f"{queue}/nr_requests", str(depth + 1)))
        kernel.write(f"{queue}/scheduler", "mq-deadline")
        seen += [outcome(kernel, f"{queue}/nr_requests", text) for text in ("1", "2048", "2049")]
        kernel.write(f"{queue}/scheduler", "none")
        outcomes.append(seen)
    assert outcomes[0] == outcomes[1]


def test_a_scheduler_brings_its_options_alike(pair: Pair) -> None:
    outcomes = []
    for kernel, disk in pair.both():
        queue = f"/sys/block/{disk}/queue"
        kernel.write(f"{queue}/scheduler", "mq-deadline")
        options = kernel.entries(f"{queue}/iosched")
        seen = [f"{name}={value(kernel, f'{queue}/iosched/{name}')}" for name in options]
        seen += [outcome(kernel, f"{queue}/iosched/{name}", "4") for name in options[:2]]
        seen.append(outcome(kernel, f"{queue}/nr_requests", "64"))
        seen.append(value(kernel, f"{queue}/iosched/async_depth"))
        kernel.write(f"{queue}/scheduler", "none")
        with contextlib.suppress(OSError):  # an empty directory, or none
            seen += kernel.entries(f"{queue}/iosched")
        outcomes.append(seen)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("limit", ["dirty", "dirty_background"])
def test_written_data_is_limited_alike(pair: Pair, limit: str) -> None:
    ratio, size = f"{VM}/{limit}_ratio", f"{VM}/{limit}_bytes"
    script = [
        (size, "1073741824"), (ratio, "15"), (ratio, "101"), (ratio, "0"), (size, "0"),
        (size, "8191"), (size, "8192"), (size, "many"), (ratio, "20"),
    ]  # fmt: skip
    outcomes = []
    for kernel, _ in pair.both():
        before = value(kernel, ratio)
        assert before != "0", "this test needs a machine with a share"
        seen = []
        try:
            for path, text in script:
                seen += [outcome(kernel, path, text), value(kernel, ratio), value(kernel, size)]
        finally:
            kernel.write(ratio, before)
        outcomes.append(seen)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("file", ["enabled", "defrag"])
def test_thp_words_alike(pair: Pair, file: str) -> None:
    words = [*parse_listed(pair.demo.read(f"{THP}/{file}"))[1], "sometimes", "Always"]
    outcomes = []
    for kernel, _ in pair.both():
        with restored(kernel, f"{THP}/{file}"):
            outcomes.append([outcome(kernel, f"{THP}/{file}", word) for word in words])
    assert outcomes[0] == outcomes[1]


def test_thp_moves_what_is_kept_free_alike(pair: Pair) -> None:
    free = f"{VM}/min_free_kbytes"
    outcomes = []
    for kernel, _ in pair.both():
        found = value(kernel, free)
        with restored(kernel, f"{THP}/enabled"):
            kept = []
            for word in ("always", "never", "madvise"):
                kernel.write(f"{THP}/enabled", word)
                kept.append(int(value(kernel, free)))
            outcomes.append((kept[1] < kept[0], kept[2] == kept[0]))
        assert value(kernel, free) == found
    assert outcomes[0] == outcomes[1]


def test_overcommit_is_one_limit_in_two_units_alike(pair: Pair) -> None:
    ratio, kbytes = f"{VM}/overcommit_ratio", f"{VM}/overcommit_kbytes"
    script = ((ratio, "90"), (kbytes, "100000000"), (ratio, "40"), (ratio, "much"))
    outcomes = []
    for kernel, _ in pair.both():
        # The one that is not 0 is the setting; writing it makes the other 0 again.
        setting = kbytes if value(kernel, ratio) == "0" else ratio
        with restored(kernel, f"{VM}/overcommit_memory", setting):
            seen: list[object] = []
            for path, text in script:
                seen.append(outcome(kernel, path, text))
                seen.append((value(kernel, ratio), value(kernel, kbytes)))
                seen.append(_limit_per_mille(kernel))
            seen += [outcome(kernel, f"{VM}/overcommit_memory", text) for text in ("1", "3")]
            outcomes.append(seen)
    assert outcomes[0] == outcomes[1]


def _limit_per_mille(kernel: KernelIO) -> int | str:
    """CommitLimit as a share of memory; where it is a number of its own, that number."""
    text = kernel.read("/proc/meminfo")
    names = ("MemTotal", "SwapTotal", "Hugetlb", "CommitLimit")
    total, swap, huge, limit = (
        int(found[1]) if (found := re.search(rf"^{name}: +(\d+)", text, re.M)) else 0
        for name in names
    )
    if value(kernel, f"{VM}/overcommit_ratio") == "0":
        return f"{limit - swap} kB"
    return round((limit - swap) / (total - huge) * 1000)


def test_a_small_pool_has_the_same_names_alike(pair: Pair) -> None:
    outcomes = []
    for kernel, _ in pair.both():
        before = int(value(kernel, f"{VM}/nr_hugepages"))
        with restored(kernel, f"{VM}/nr_hugepages"):
            seen: list[object] = []
            for path, more in ((f"{VM}/nr_hugepages", 3), (f"{POOL}/nr_hugepages", 5)):
                kernel.write(path, str(before + more))
                seen.append(_names_of_the_pool(kernel, before))
            seen.append(outcome(kernel, f"{POOL}/nr_hugepages", "many"))
            outcomes.append(seen)
    assert outcomes[0] == outcomes[1]


def _names_of_the_pool(kernel: KernelIO, before: int) -> list[int]:
    """How much the pool has grown, under each of its names and as the sum of its nodes."""
    tail = "hugepages/hugepages-2048kB/nr_hugepages"
    root = "/sys/devices/system/node"
    nodes = [name for name in kernel.entries(root) if re.fullmatch(r"node\d+", name)]
    meminfo = re.search(r"^HugePages_Total: +(\d+)", kernel.read("/proc/meminfo"), re.M)
    assert meminfo
    numbers = [
        int(value(kernel, f"{VM}/nr_hugepages")),
        int(value(kernel, f"{POOL}/nr_hugepages")),
        sum(int(value(kernel, f"{root}/{node}/{tail}")) for node in nodes),
        int(meminfo[1]),
    ]
    return [number - before for number in numbers]


@pytest.mark.parametrize(
    ("path", "script"),
    [
        (f"{VM}/page-cluster", ("0", "31", "32", "many")),
        (f"{VM}/compaction_proactiveness", ("0", "100", "101")),
        (f"{VM}/watermark_scale_factor", ("0", "1", "3000", "3001")),
        (f"{VM}/watermark_boost_factor", ("0", "15001", "2147483648")),
        (f"{VM}/vfs_cache_pressure", ("0", "50", "2147483648")),
        (f"{VM}/dirty_expire_centisecs", ("100", "2147483648")),
        (f"{VM}/oom_kill_allocating_task", ("1", "7")),
        (f"{VM}/hugetlb_optimize_vmemmap", ("8", "1", "0")),
        (f"{VM}/hugetlb_shm_group", ("27", "many")),
        (f"{VM}/zone_reclaim_mode", ("8", "7")),
        (f"{VM}/nr_overcommit_hugepages", ("9", "0", "many")),
        (f"{POOL}/nr_overcommit_hugepages", ("9", "0", "many")),
        ("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_overcommit_hugepages", ("1", "0")),
        ("/proc/sys/kernel/numa_balancing_promote_rate_limit_MBps", ("0", "2147483648", "9")),
        (f"{THP}/shmem_enabled", ("advise", "always", "madvise", "inherit", "deny")),
        (f"{THP}/hugepages-64kB/enabled", ("madvise", "inherit", "advise", "always")),
        (f"{THP}/use_zero_page", ("0", "2", "1")),
        (f"{THP}/khugepaged/defrag", ("0", "2")),
        (f"{THP}/khugepaged/pages_to_scan", ("0", "1", "4294967296")),
        (f"{THP}/khugepaged/alloc_sleep_millisecs", ("0", "4294967296")),
        (f"{THP}/khugepaged/max_ptes_none", ("0", "511", "512")),
        (f"{THP}/khugepaged/max_ptes_swap", ("511", "512")),
        (f"{THP}/khugepaged/max_ptes_shared", ("511", "512")),
        ("/sys/kernel/mm/ksm/run", ("1", "2", "3", "0")),
        ("/sys/kernel/mm/numa/demotion_enabled", ("1", "0", "true", "2")),
        ("/sys/module/zswap/parameters/enabled", ("1", "0", "Y", "2")),
        ("/sys/module/zswap/parameters/compressor", ("lzo-rle", "nonesuch", "lzo")),
        ("/sys/module/zswap/parameters/max_pool_percent", ("300", "many", "20")),
        (
            "/sys/devices/system/cpu/cpu1/power/pm_qos_resume_latency_us",
            ("n/a", "70", "2147483648", "N/A", "0"),
        ),
        ("/sys/block/{disk}/queue/nomerges", ("1", "2", "3", "0", "many")),
        ("/sys/block/{disk}/queue/rq_affinity", ("2", "0", "3", "1")),
        ("/sys/block/{disk}/queue/iostats", ("0", "2", "1")),
    ],
)
def test_a_file_takes_and_refuses_alike(pair: Pair, path: str, script: tuple[str, ...]) -> None:
    outcomes = []
    for kernel, disk in pair.both():
        file = path.replace("{disk}", disk)
        if not kernelfs.has_file(kernel, file):
            pytest.skip(f"this kernel has no {file}")
        with restored(kernel, file):
            outcomes.append([outcome(kernel, file, text) for text in script])
    assert outcomes[0] == outcomes[1]


def test_a_size_of_pages_moves_what_is_kept_free_alike(pair: Pair) -> None:
    free, size, shared = (
        f"{VM}/min_free_kbytes", f"{THP}/hugepages-2048kB/enabled", f"{THP}/shmem_enabled"
    )  # fmt: skip
    outcomes = []
    for kernel, _ in pair.both():
        found = value(kernel, free)
        with restored(kernel, f"{THP}/enabled", size, shared):
            kept = []
            for path, word in (
                (f"{THP}/enabled", "never"), (size, "always"), (size, "inherit"),
                (shared, "advise"), (shared, "never"), (f"{THP}/hugepages-64kB/enabled", "never"),
            ):  # fmt: skip
                kernel.write(path, word)
                kept.append(value(kernel, free) == found)
            outcomes.append(kept)
        assert value(kernel, free) == found
    assert outcomes[0] == outcomes[1] == [False, True, False, True, False, False]
