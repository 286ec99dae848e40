"""What the made-up machine does with a written value: a kernel seldom just stores it.

A list of words gets new brackets; a pool gets the pages that fit, spread over the nodes; read-ahead
is rounded to pages; one setting changes another; a wrong word is EINVAL. Each rule is the one of
Linux 6.8, checked against a running kernel where that has the same file.
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from aitune_backends.host import Host
from aitune_helper.knobs import parse_listed

from .devices import DISKS, MQ_DEADLINE
from .tree import CPU, MM, NODE, NODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .files import Files
    from .world import World

_VM = "/proc/sys/vm"
_THP = f"{MM}/transparent_hugepage"
_DEFAULT_POOL_KIB = 2048
_PAGE_KIB = 4
_UINT_MAX = 2**32 - 1
_DIRTY_BYTES_MOST = _UINT_MAX * 4096
_LEAST_READ_AHEAD_KIB = 128
_LEAST_REQUESTS = 4
_MOST_REQUESTS_SCHEDULED = 2048
_REQUESTS_SCHEDULED = 128
# What the kernel keeps free by itself, without and with transparent huge pages.
_MIN_FREE_KIB, _MIN_FREE_THP_KIB = 65536, 67584

# Sysctls that store what they are given, with the kernel's own bounds.
_BOUNDS = {
    f"{_VM}/overcommit_memory": (0, 2),
    f"{_VM}/swappiness": (0, 200),
    f"{_VM}/min_free_kbytes": (0, 2**31 - 1),
    f"{_VM}/zone_reclaim_mode": (0, 2**31 - 1),
    f"{_VM}/max_map_count": (0, 2**31 - 1),
    f"{_VM}/watermark_scale_factor": (1, 3000),
    f"{_VM}/compaction_proactiveness": (0, 100),
    f"{_VM}/nr_overcommit_hugepages": (0, 2**40),
    "/proc/sys/kernel/numa_balancing": (0, 4),
}


class DemoKernel:
    """The made-up machine as a kernel: `KernelIO` over its files."""

    def __init__(self, files: Files, world: World) -> None:
        self._files = files
        self._world = world
        self._host = Host(files.root, origin="demo")
        self._own_preference: dict[str, str] = {}

    def read(self, path: str) -> str:
        """The text of a file."""
        return self._host.read(path)

    def probe(self, path: str) -> None:
        """Every file of it can be written."""

    def entries(self, path: str) -> list[str]:
        """The sorted names in a directory."""
        return self._host.entries(path)

    def link(self, path: str) -> str:
        """The text of a link."""
        return self._host.link(path)

    def write(self, path: str, value: str) -> None:
        """Do with a value what Linux does with it.

        Raises:
            OSError: ENOENT, EACCES for a file that is only read, EINVAL for a value not taken.
        """
        self._host.read(path)
        with self._files.lock:
            for pattern, rule in _RULES:
                if found := re.fullmatch(pattern, path):
                    rule(self, path, value.strip(), *found.groups())
                    self._world.settle()
                    return
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)

    # -- one rule each --------------------------------------------------------------------------

    def _store(self, path: str, value: str) -> None:
        low, high = _BOUNDS[path]
        self._files.put(path, str(_number(path, value, low, high)))

    def _overcommit(self, path: str, value: str, which: str) -> None:
        """Ratio and kbytes are one limit in two units: writing one makes the other 0."""
        other = "kbytes" if which == "ratio" else "ratio"
        self._files.put(path, str(_number(path, value, 0, 2**53)))
        self._files.put(f"{_VM}/overcommit_{other}", "0")

    def _dirty(self, path: str, value: str, limit: str, which: str) -> None:
        """A share and an amount are one limit in two units; the amount is never set to nothing."""
        low, high = (0, 100) if which == "ratio" else (1, _DIRTY_BYTES_MOST)
        if (limit, which) == ("dirty", "bytes"):
            low = 2 * _PAGE_KIB * 1024
        self._files.put(path, str(_number(path, value, low, high)))
        other = "bytes" if which == "ratio" else "ratio"
        self._files.put(f"{_VM}/{limit}_{other}", "0")

    def _words(self, path: str, value: str) -> None:
        self._files.put(path, _bracketed(path, self._files.read(path), value))

    def _thp_enabled(self, path: str, value: str) -> None:
        """With huge pages wanted the kernel keeps more memory free, and says so."""
        self._words(path, value)
        free_kib = f"{_VM}/min_free_kbytes"
        if value == "never":
            self._files.put(free_kib, str(_MIN_FREE_KIB))
        else:
            self._files.put(free_kib, str(max(int(self._files.read(free_kib)), _MIN_FREE_THP_KIB)))

    def _governor(self, path: str, value: str, policy: str) -> None:
        """`performance` overrides the energy preference; the policy's own one comes back after."""
        here = f"{CPU}/cpufreq/{policy}"
        if value not in self._files.read(f"{here}/scaling_available_governors").split():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        preference = f"{here}/energy_performance_preference"
        if value == "performance" and self._files.read(path) != value:
            self._own_preference[policy] = self._files.read(preference)
            self._files.put(preference, "performance")
        elif value != "performance" and policy in self._own_preference:
            self._files.put(preference, self._own_preference.pop(policy))
        self._files.put(path, value)

    def _preference(self, path: str, value: str, policy: str) -> None:
        """Under the governor `performance` no other is taken."""
        here = f"{CPU}/cpufreq/{policy}"
        words = self._files.read(f"{here}/energy_performance_available_preferences").split()
        if value not in words:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        stiff = self._files.read(f"{here}/scaling_governor") == "performance"
        if stiff and value != "performance":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        self._files.put(path, "balance_performance" if value == "default" else value)

    def _scheduler(self, path: str, value: str, disk: str) -> None:
        """Another scheduler starts with its own number of requests and its own options."""
        text = self._files.read(path)
        changed = _bracketed(path, text, value)
        if parse_listed(text)[0] == value:
            return
        self._files.put(path, changed)
        depth = _depth(disk)
        requests = depth if value == "none" else 2 * min(depth, _REQUESTS_SCHEDULED)
        queue = f"/sys/block/{disk}/queue"
        self._files.put(f"{queue}/nr_requests", str(requests))
        for name, default in MQ_DEADLINE.items():
            if value == "mq-deadline":
                self._files.put(f"{queue}/iosched/{name}", str(default))
            else:
                self._files.remove(f"{queue}/iosched/{name}")

    def _option(self, path: str, value: str, _disk: str) -> None:
        self._files.put(path, str(_number(path, value, 0, 2**31 - 1)))

    def _requests(self, path: str, value: str, disk: str) -> None:
        scheduler = parse_listed(self._files.read(f"/sys/block/{disk}/queue/scheduler"))[0]
        most = _depth(disk) if scheduler == "none" else _MOST_REQUESTS_SCHEDULED
        requests = str(max(_LEAST_REQUESTS, _number(path, value, 0, most)))
        self._files.put(path, requests)
        if scheduler == "mq-deadline":
            self._files.put(f"/sys/block/{disk}/queue/iosched/async_depth", requests)

    def _max_sectors(self, path: str, value: str, disk: str) -> None:
        """At most what the hardware takes; little read-ahead is raised with it."""
        queue = f"/sys/block/{disk}/queue"
        most = int(self._files.read(f"{queue}/max_hw_sectors_kb"))
        self._files.put(path, str(_number(path, value, _PAGE_KIB, most)))
        ahead = max(int(self._files.read(f"{queue}/read_ahead_kb")), _LEAST_READ_AHEAD_KIB)
        self._files.put(f"{queue}/read_ahead_kb", str(ahead))

    def _read_ahead(self, path: str, value: str, _disk: str) -> None:
        kib = _number(path, value, 0, _UINT_MAX)
        self._files.put(path, str(kib // _PAGE_KIB * _PAGE_KIB))

    def _compact(self, _path: str, _value: str) -> None:
        self._world.compact()

    def _drop_cache(self, path: str, value: str) -> None:
        if _number(path, value, 1, 4) & 1:
            self._world.drop_cache()

    def _default_pool(self, path: str, value: str) -> None:
        self._pool(path, value, str(_DEFAULT_POOL_KIB))

    def _pool(self, path: str, value: str, size_kib: str) -> None:
        """A total grows and shrinks evenly over the nodes, as far as each can."""
        wanted, size = _number(path, value, 0, 2**40), int(size_kib)
        now = [self._pages(size, node) for node in NODES]
        more = wanted - sum(now)
        if more >= 0:
            parts = _spread(more, [self._world.fits(size, node) for node in NODES])
            now = [pages + part for pages, part in zip(now, parts, strict=True)]
        else:
            now = [pages - part for pages, part in zip(now, _spread(-more, now), strict=True)]
        self._write_pool(size, now)

    def _node_pool(self, path: str, value: str, node: str, size_kib: str) -> None:
        wanted, size = _number(path, value, 0, 2**40), int(size_kib)
        now = [self._pages(size, each) for each in NODES]
        at = int(node)
        now[at] = min(wanted, now[at] + self._world.fits(size, at))
        self._write_pool(size, now)

    def _pages(self, size_kib: int, node: int) -> int:
        pool = f"{NODE}/node{node}/hugepages/hugepages-{size_kib}kB"
        return int(self._files.read(f"{pool}/nr_hugepages"))

    def _write_pool(self, size_kib: int, pages: Sequence[int]) -> None:
        """Nothing on this machine maps huge pages: all of them are free."""
        pool = f"hugepages/hugepages-{size_kib}kB"
        for node, count in zip(NODES, pages, strict=True):
            self._files.put_all(
                f"{NODE}/node{node}/{pool}", {"nr_hugepages": count, "free_hugepages": count}
            )
        total = sum(pages)
        self._files.put_all(
            f"{MM}/{pool}",
            {"nr_hugepages": total, "nr_hugepages_mempolicy": total, "free_hugepages": total},
        )
        if size_kib == _DEFAULT_POOL_KIB:
            self._files.put_all(_VM, {"nr_hugepages": total, "nr_hugepages_mempolicy": total})


_RULES: tuple[tuple[str, Callable[..., None]], ...] = (
    *((re.escape(path), DemoKernel._store) for path in _BOUNDS),
    (rf"{_VM}/overcommit_(ratio|kbytes)", DemoKernel._overcommit),
    (rf"{_VM}/(dirty|dirty_background)_(ratio|bytes)", DemoKernel._dirty),
    (rf"{_VM}/nr_hugepages", DemoKernel._default_pool),
    (rf"{_VM}/compact_memory", DemoKernel._compact),
    (rf"{_VM}/drop_caches", DemoKernel._drop_cache),
    (rf"{MM}/hugepages/hugepages-(\d+)kB/nr_hugepages", DemoKernel._pool),
    (rf"{NODE}/node(\d+)/hugepages/hugepages-(\d+)kB/nr_hugepages", DemoKernel._node_pool),
    (rf"{_THP}/enabled", DemoKernel._thp_enabled),
    (rf"{_THP}/defrag", DemoKernel._words),
    (rf"{CPU}/cpufreq/(policy\d+)/scaling_governor", DemoKernel._governor),
    (rf"{CPU}/cpufreq/(policy\d+)/energy_performance_preference", DemoKernel._preference),
    (r"/sys/block/(\w+)/queue/scheduler", DemoKernel._scheduler),
    (r"/sys/block/(\w+)/queue/max_sectors_kb", DemoKernel._max_sectors),
    (r"/sys/block/(\w+)/queue/iosched/\w+", DemoKernel._option),
    (r"/sys/block/(\w+)/queue/nr_requests", DemoKernel._requests),
    (r"/sys/block/(\w+)/queue/read_ahead_kb", DemoKernel._read_ahead),
)


def _number(path: str, value: str, low: int, high: int) -> int:
    """A whole number within the kernel's bounds, or EINVAL."""
    if not re.fullmatch(r"[0-9]{1,19}", value) or not low <= int(value) <= high:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return int(value)


def _bracketed(path: str, text: str, word: str) -> str:
    """The listed words with the brackets around another one, or EINVAL."""
    words = parse_listed(text)[1]
    if word not in words:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return " ".join(f"[{each}]" if each == word else each for each in words)


def _spread(count: int, room: Sequence[int]) -> list[int]:
    """Share `count` pages among nodes, evenly, as far as each has room."""
    parts = [0] * len(room)
    while count and parts != list(room):
        able = [node for node, most in enumerate(room) if parts[node] < most]
        each = max(1, count // len(able))
        for node in able:
            more = min(each, room[node] - parts[node], count)
            parts[node] += more
            count -= more
    return parts


def _depth(disk: str) -> int:
    return next(each.depth for each in DISKS if each.name == disk)
