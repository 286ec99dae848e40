"""A kernel made of a dictionary, with the side effects that restoring has to cope with."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VM = "/proc/sys/vm/"
NODE = "/sys/devices/system/node/"
POOL = "hugepages/hugepages-2048kB/nr_hugepages"
TOTAL = f"/sys/kernel/mm/{POOL}"
QUEUE = "/sys/block/{}/queue/"
THP = "/sys/kernel/mm/transparent_hugepage/"
POLICY = "/sys/devices/system/cpu/cpufreq/policy0/"
EPP = POLICY + "energy_performance_preference"
PSTATE = "/sys/devices/system/cpu/intel_pstate/"
HALVES = (
    ("overcommit_ratio", "overcommit_kbytes"),
    ("dirty_ratio", "dirty_bytes"),
    ("dirty_background_ratio", "dirty_background_bytes"),
)
OPTIONS: dict[str, dict[str, str]] = {
    "none": {},
    "mq-deadline": {"read_expire": "500", "fifo_batch": "16", "async_depth": "256"},
    "kyber": {"read_lat_nsec": "2000000", "async_depth": "192"},
}

FILES = {
    "/proc/meminfo": (
        "MemTotal:       67108864 kB\nMemAvailable:   41943040 kB\nSwapTotal: 0 kB\n"
        "Committed_AS:    1048576 kB\nHugetlb: 0 kB\nHugepagesize:       2048 kB"
    ),
    VM + "overcommit_memory": "0",
    VM + "overcommit_ratio": "50",
    VM + "overcommit_kbytes": "0",
    VM + "nr_hugepages": "10",
    VM + "swappiness": "60",
    VM + "min_free_kbytes": "67584",
    TOTAL: "10",
    NODE + "node0/" + POOL: "7",
    NODE + "node1/" + POOL: "3",
    THP + "enabled": "always [madvise] never",
    THP + "defrag": "always defer defer+madvise [madvise] never",
    **{
        f"/sys/block/{disk}/{name}": text
        for disk, number in (("sda", "7"), ("sdb", "8"))
        for name, text in (
            ("diskseq", number),
            ("queue/scheduler", "[none] mq-deadline kyber"),
            ("queue/nr_requests", "128"),
            ("queue/read_ahead_kb", "512"),
        )
    },
}

# A machine that has every coupling there is.
COUPLED = {
    **FILES,
    VM + "dirty_ratio": "20",
    VM + "dirty_bytes": "0",
    VM + "dirty_background_ratio": "0",
    VM + "dirty_background_bytes": "268435456",
    POLICY + "scaling_governor": "powersave",
    POLICY + "scaling_available_governors": "performance powersave",
    EPP: "balance_performance",
    POLICY + "energy_performance_available_preferences": "performance balance_performance power",
    QUEUE.format("sda") + "max_sectors_kb": "128",
    QUEUE.format("sda") + "max_hw_sectors_kb": "32767",
    QUEUE.format("sda") + "scheduler": "none [mq-deadline] kyber",
    QUEUE.format("sda") + "nr_requests": "64",
    QUEUE.format("sda") + "iosched/read_expire": "300",
    QUEUE.format("sda") + "iosched/fifo_batch": "8",
    QUEUE.format("sda") + "iosched/async_depth": "48",
}

# A machine whose processors have limits.
LIMITED = {
    **FILES,
    POLICY + "cpuinfo_min_freq": "800000",
    POLICY + "cpuinfo_max_freq": "3000000",
    POLICY + "scaling_min_freq": "800000",
    POLICY + "scaling_max_freq": "1800000",
    PSTATE + "min_perf_pct": "30",
    PSTATE + "max_perf_pct": "60",
}


class FakeKernel:
    """Files in memory behind `KernelIO`.

    Attributes:
        files: Every file by its path, without line end.
        writes: Every write that was taken, in order.
        before_write: Called with the number of the coming write, from 1; may raise OSError.
        after_write: Likewise, called when the write has been done.
        count: How many writes were tried.
        pages: How many pages each node can have.
        read_only: Files that cannot be opened for writing.
        depth_lags: Whether a disk's async_depth comes of the requests that it held before.
    """

    def __init__(self, files: Mapping[str, str] = FILES) -> None:
        self.files = dict(files)
        self.writes: list[tuple[str, str]] = []
        self.before_write: Callable[[int], None] = lambda number: None
        self.after_write: Callable[[int], None] = lambda number: None
        self.pages = 1 << 20
        self.count = 0
        self.read_only: set[str] = set()
        self.depth_lags = False
        self.has_options = any("/iosched/" in path for path in files)

    def read(self, path: str) -> str:
        if path not in self.files:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.files[path] + "\n"

    def write(self, path: str, value: str) -> None:
        self.count += 1
        self.before_write(self.count)
        now = self.read(path).strip()
        if "[" in now:
            words = now.replace("[", "").replace("]", "").split()
            if value not in words:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
            value = " ".join(f"[{word}]" if word == value else word for word in words)
        if path.endswith("_bytes") and int(value) < 8192:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        if path == EPP and self.files[POLICY + "scaling_governor"] == "performance" != value:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        value = self._cut(path, value)
        self.writes.append((path, value))
        self.files[path] = value
        self._side_effects(path, value, now)
        self.after_write(self.count)

    def probe(self, path: str) -> None:
        if path in self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def entries(self, path: str) -> list[str]:
        found = {
            name[len(path) + 1 :].split("/")[0]
            for name in self.files
            if name.startswith(path + "/")
        }
        if not found:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return sorted(found)

    def link(self, path: str) -> str:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)

    def state(self) -> dict[str, str]:
        return dict(self.files)

    def _cut(self, path: str, value: str) -> str:
        """Of a least and a most whichever is written across the other is cut."""
        folder, _, name = path.rpartition("/")
        for which, other, cut in (("min_", "max_", min), ("max_", "min_", max)):
            limit = self.files.get(f"{folder}/{name.replace(which, other)}", "")
            if name.startswith((which, f"scaling_{which}")) and limit.isdigit():
                return str(cut(int(value), int(limit)))
        return value

    def _side_effects(self, path: str, value: str, before: str) -> None:
        for pair in HALVES:
            for half, other in (pair, pair[::-1]):
                if path == VM + half and VM + other in self.files:
                    self.files[VM + other] = "0"
        if path == THP + "enabled":
            self.files[VM + "min_free_kbytes"] = "5546" if "[never]" in value else "67584"
        if path == POLICY + "scaling_governor" and value == "performance":
            self.files[EPP] = "performance"
        if path.endswith("queue/scheduler"):
            depth = "128" if "[none]" in value else "256"
            self.files[path.replace("scheduler", "nr_requests")] = depth
            if self.has_options:
                self._set_options(path.replace("scheduler", "iosched/"), value)
        if path.endswith("queue/nr_requests"):
            depth = path.replace("nr_requests", "iosched/async_depth")
            if depth in self.files:
                self.files[depth] = str(int(before if self.depth_lags else value) * 3 // 4)
        if path.endswith("queue/max_sectors_kb"):
            ahead = path.replace("max_sectors_kb", "read_ahead_kb")
            self.files[ahead] = str(max(int(self.files[ahead]), 2 * int(value)))
        if path.endswith("queue/read_ahead_kb"):
            self.files[path] = str(int(value) // 4 * 4)
        if path in (TOTAL, VM + "nr_hugepages"):
            share = int(value) // 2
            self._set_nodes(int(value) - share, share)
        if path.startswith(NODE):
            self._set_nodes(*(int(self.files[f"{NODE}node{n}/{POOL}"]) for n in (0, 1)))

    def _set_options(self, folder: str, schedulers: str) -> None:
        """Another scheduler comes with its own options, all as it likes them."""
        for path in [path for path in self.files if path.startswith(folder)]:
            del self.files[path]
        name = next(word[1:-1] for word in schedulers.split() if word.startswith("["))
        self.files.update({folder + option: text for option, text in OPTIONS[name].items()})

    def _set_nodes(self, *wanted: int) -> None:
        got = [min(pages, self.pages) for pages in wanted]
        for number, pages in enumerate(got):
            self.files[f"{NODE}node{number}/{POOL}"] = str(pages)
        self.files[TOTAL] = self.files[VM + "nr_hugepages"] = str(sum(got))
