"""What the made-up machine does with a written value: a kernel seldom just stores it.

A list of words gets new brackets; a pool gets the pages that fit, spread over the nodes; read-ahead
is rounded to pages; one setting changes another; a wrong word is EINVAL. Each rule is the one of
Linux 6.8, checked against a running kernel where that has the same file.
"""

from __future__ import annotations

import errno
import os
import re
from functools import partial
from typing import TYPE_CHECKING

from aitune_backends.host import Host
from aitune_helper.knobs import parse_listed

from .bounds import BOUNDS
from .devices import DISKS, OPTIONS, WBT_US
from .processors import Processors, number
from .tree import CPU, MM, NODE, NODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .files import Files
    from .world import World

_VM = "/proc/sys/vm"
_THP = f"{MM}/transparent_hugepage"
_ZSWAP = "/sys/module/zswap/parameters"
_DEFAULT_POOL_KIB = 2048
_PAGE_KIB = 4
_INT_MAX, _UINT_MAX = 2**31 - 1, 2**32 - 1
_DIRTY_BYTES_MOST = _UINT_MAX * 4096
_LEAST_READ_AHEAD_KIB = 128
_LEAST_REQUESTS = 4
_MOST_REQUESTS_SCHEDULED = 2048
_REQUESTS_SCHEDULED = 128
_MOST_AFFINITY = 2
_GIGANTIC_KIB = 1048576
_COMPRESSORS = ("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "deflate")
# What the kernel keeps free by itself, without and with transparent huge pages.
_MIN_FREE_KIB, _MIN_FREE_THP_KIB = 65536, 67584


class DemoKernel:
    """The made-up machine as a kernel: `KernelIO` over its files."""

    def __init__(self, files: Files, world: World) -> None:
        self._files = files
        self._world = world
        self._host = Host(files.root, origin="demo")
        self._free_by_hand = 0
        self._throttled_by_hand: set[str] = set()
        processors = Processors(files)
        self._rules = (
            *((pattern, getattr(processors, name)) for pattern, name in _OF_PROCESSORS),
            *((pattern, partial(rule, self)) for pattern, rule in _RULES),
        )

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
            for pattern, rule in self._rules:
                if found := re.fullmatch(pattern, path):
                    rule(path, value.strip(), *found.groups())
                    self._world.settle()
                    return
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)

    # -- one rule each --------------------------------------------------------------------------

    def _store(self, path: str, value: str) -> None:
        low, high = BOUNDS[path]
        self._files.put(path, str(number(path, value, low, high)))

    def _overcommit(self, path: str, value: str, which: str) -> None:
        """Ratio and kbytes are one limit in two units: writing one makes the other 0."""
        other = "kbytes" if which == "ratio" else "ratio"
        self._files.put(path, str(number(path, value, 0, 2**53)))
        self._files.put(f"{_VM}/overcommit_{other}", "0")

    def _dirty(self, path: str, value: str, limit: str, which: str) -> None:
        """A share and an amount are one limit in two units; the amount is never set to nothing."""
        low, high = (0, 100) if which == "ratio" else (1, _DIRTY_BYTES_MOST)
        if (limit, which) == ("dirty", "bytes"):
            low = 2 * _PAGE_KIB * 1024
        self._files.put(path, str(number(path, value, low, high)))
        other = "bytes" if which == "ratio" else "ratio"
        self._files.put(f"{_VM}/{limit}_{other}", "0")

    def _words(self, path: str, value: str) -> None:
        self._files.put(path, _bracketed(path, self._files.read(path), value))

    def _thp_wanted(self, path: str, value: str) -> None:
        """With huge pages wanted anywhere the kernel keeps more memory free, and says so."""
        self._words(path, value)
        here = f"{_VM}/min_free_kbytes"
        if self._wants_huge_pages():
            self._files.put(here, str(max(int(self._files.read(here)), _MIN_FREE_THP_KIB)))
        elif self._free_by_hand < _MIN_FREE_KIB:
            self._files.put(here, str(_MIN_FREE_KIB))

    def _wants_huge_pages(self) -> bool:
        """Whether anything may have pages of 2 MiB: `hugepage_pmd_enabled` of khugepaged.c."""
        everywhere, size, shared = (
            parse_listed(self._files.read(f"{_THP}/{name}"))[0]
            for name in ("enabled", "hugepages-2048kB/enabled", "shmem_enabled")
        )
        wanted = everywhere if size == "inherit" else size
        return wanted != "never" or shared not in ("never", "deny")

    def _min_free(self, path: str, value: str) -> None:
        """Set by hand it stays: the kernel only goes above it from then on."""
        self._free_by_hand = number(path, value, 0, _INT_MAX)
        self._files.put(path, str(self._free_by_hand))

    def _flag(self, path: str, value: str) -> None:
        self._files.put(path, str(int(number(path, value, 0, _UINT_MAX) != 0)))

    def _yes_no(self, path: str, value: str, *, words: tuple[str, str]) -> None:
        """What `kstrtobool` takes, as far as it is one of these."""
        yes, no = value in ("1", "Y", "y", "on", "true"), value in ("0", "N", "n", "off", "false")
        if not (yes or no):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        self._files.put(path, words[yes])

    def _compressor(self, path: str, value: str) -> None:
        """What no module brings is not found."""
        if value not in _COMPRESSORS:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._files.put(path, value)

    def _scheduler(self, path: str, value: str, disk: str) -> None:
        """Another scheduler starts with its own number of requests and its own options."""
        text = self._files.read(path)
        if value == "bfq" and value not in text.replace("[", " ").replace("]", " ").split():
            text += " bfq"  # its module is loaded
        changed = _bracketed(path, text, value)
        before = parse_listed(text)[0]
        if before == value:
            return
        self._files.put(path, changed)
        depth = _depth(disk)
        requests = depth if value == "none" else 2 * min(depth, _REQUESTS_SCHEDULED)
        queue = f"/sys/block/{disk}/queue"
        self._files.put(f"{queue}/nr_requests", str(requests))
        for name in OPTIONS.get(before, {}):
            self._files.remove(f"{queue}/iosched/{name}")
        self._files.put_all(f"{queue}/iosched", {**OPTIONS.get(value, {})})
        if "bfq" in (before, value) and disk not in self._throttled_by_hand:
            self._files.put(f"{queue}/wbt_lat_usec", "0" if value == "bfq" else str(WBT_US))

    def _throttle(self, path: str, value: str, disk: str) -> None:
        """-1 is the default; once written, no scheduler switches it any more."""
        latency = WBT_US if value == "-1" else number(path, value, 0, 2**63 - 1)
        self._throttled_by_hand.add(disk)
        self._files.put(path, str(latency))

    def _merges(self, path: str, value: str) -> None:
        """Two is none at all; anything else but 0 is 1."""
        asked = number(path, value, 0, _UINT_MAX)
        self._files.put(path, str(asked if asked in (0, 2) else 1))

    def _affinity(self, path: str, value: str) -> None:
        """What means nothing changes nothing."""
        asked = number(path, value, 0, _UINT_MAX)
        if asked <= _MOST_AFFINITY:
            self._files.put(path, str(asked))

    def _option(self, path: str, value: str, _disk: str) -> None:
        self._files.put(path, str(number(path, value, 0, 2**31 - 1)))

    def _requests(self, path: str, value: str, disk: str) -> None:
        scheduler = parse_listed(self._files.read(f"/sys/block/{disk}/queue/scheduler"))[0]
        most = _depth(disk) if scheduler == "none" else _MOST_REQUESTS_SCHEDULED
        requests = str(max(_LEAST_REQUESTS, number(path, value, 0, most)))
        self._files.put(path, requests)
        if scheduler == "mq-deadline":
            self._files.put(f"/sys/block/{disk}/queue/iosched/async_depth", requests)

    def _max_sectors(self, path: str, value: str, disk: str) -> None:
        """At most what the hardware takes; little read-ahead is raised with it."""
        queue = f"/sys/block/{disk}/queue"
        most = int(self._files.read(f"{queue}/max_hw_sectors_kb"))
        self._files.put(path, str(number(path, value, _PAGE_KIB, most)))
        ahead = max(int(self._files.read(f"{queue}/read_ahead_kb")), _LEAST_READ_AHEAD_KIB)
        self._files.put(f"{queue}/read_ahead_kb", str(ahead))

    def _read_ahead(self, path: str, value: str, _disk: str) -> None:
        kib = number(path, value, 0, _UINT_MAX)
        self._files.put(path, str(kib // _PAGE_KIB * _PAGE_KIB))

    def _compact(self, _path: str, _value: str) -> None:
        self._world.compact()

    def _drop_cache(self, path: str, value: str) -> None:
        if number(path, value, 1, 4) & 1:
            self._world.drop_cache()

    def _default_pool(self, path: str, value: str) -> None:
        self._pool(path, value, str(_DEFAULT_POOL_KIB))

    def _pool(self, path: str, value: str, size_kib: str) -> None:
        """A total grows and shrinks evenly over the nodes, as far as each can."""
        wanted, size = number(path, value, 0, 2**40), int(size_kib)
        now = [self._pages(size, node) for node in NODES]
        more = wanted - sum(now)
        if more >= 0:
            parts = _spread(more, [self._world.fits(size, node) for node in NODES])
            now = [pages + part for pages, part in zip(now, parts, strict=True)]
        else:
            now = [pages - part for pages, part in zip(now, _spread(-more, now), strict=True)]
        self._write_pool(size, now)

    def _node_pool(self, path: str, value: str, node: str, size_kib: str) -> None:
        wanted, size = number(path, value, 0, 2**40), int(size_kib)
        now = [self._pages(size, each) for each in NODES]
        at = int(node)
        now[at] = min(wanted, now[at] + self._world.fits(size, at))
        self._write_pool(size, now)

    def _default_surplus(self, path: str, value: str) -> None:
        self._surplus(path, value, str(_DEFAULT_POOL_KIB))

    def _surplus(self, path: str, value: str, size_kib: str) -> None:
        """Pages that the allocator has no blocks of are never made on demand."""
        if int(size_kib) >= _GIGANTIC_KIB:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        pages = str(number(path, value, 0, 2**40))
        self._files.put(f"{MM}/hugepages/hugepages-{size_kib}kB/nr_overcommit_hugepages", pages)
        if int(size_kib) == _DEFAULT_POOL_KIB:
            self._files.put(f"{_VM}/nr_overcommit_hugepages", pages)

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


_POLICY = rf"{CPU}/cpufreq/(policy\d+)"
_OF_PROCESSORS = (
    (rf"{_POLICY}/scaling_governor", "governor"),
    (rf"{_POLICY}/energy_performance_preference", "preference"),
    (rf"{_POLICY}/scaling_(min|max)_freq", "limit"),
    (rf"{CPU}/intel_pstate/no_turbo", "turbo"),
    (rf"{CPU}/intel_pstate/(min|max)_perf_pct", "share"),
    (rf"{CPU}/(cpu\d+)/power/pm_qos_resume_latency_us", "latency"),
)

_RULES: tuple[tuple[str, Callable[..., None]], ...] = (
    *((re.escape(path), DemoKernel._store) for path in BOUNDS),
    (rf"{_VM}/overcommit_(ratio|kbytes)", DemoKernel._overcommit),
    (rf"{_VM}/(dirty|dirty_background)_(ratio|bytes)", DemoKernel._dirty),
    (rf"{_VM}/nr_hugepages", DemoKernel._default_pool),
    (rf"{_VM}/compact_memory", DemoKernel._compact),
    (rf"{_VM}/drop_caches", DemoKernel._drop_cache),
    (rf"{MM}/hugepages/hugepages-(\d+)kB/nr_hugepages", DemoKernel._pool),
    (rf"{NODE}/node(\d+)/hugepages/hugepages-(\d+)kB/nr_hugepages", DemoKernel._node_pool),
    (rf"{_THP}/(?:enabled|shmem_enabled|hugepages-\d+kB/enabled)", DemoKernel._thp_wanted),
    (rf"{_THP}/defrag", DemoKernel._words),
    (rf"{_VM}/min_free_kbytes", DemoKernel._min_free),
    (rf"{_VM}/hugetlb_optimize_vmemmap", DemoKernel._flag),
    (rf"{_VM}/nr_overcommit_hugepages", DemoKernel._default_surplus),
    (rf"{MM}/hugepages/hugepages-(\d+)kB/nr_overcommit_hugepages", DemoKernel._surplus),
    (rf"{MM}/numa/demotion_enabled", partial(DemoKernel._yes_no, words=("false", "true"))),
    (rf"{_ZSWAP}/enabled", partial(DemoKernel._yes_no, words=("N", "Y"))),
    (rf"{_ZSWAP}/compressor", DemoKernel._compressor),
    (r"/sys/block/(\w+)/queue/scheduler", DemoKernel._scheduler),
    (r"/sys/block/(\w+)/queue/max_sectors_kb", DemoKernel._max_sectors),
    (r"/sys/block/(\w+)/queue/iosched/\w+", DemoKernel._option),
    (r"/sys/block/(\w+)/queue/nr_requests", DemoKernel._requests),
    (r"/sys/block/(\w+)/queue/read_ahead_kb", DemoKernel._read_ahead),
    (r"/sys/block/(\w+)/queue/wbt_lat_usec", DemoKernel._throttle),
    (r"/sys/block/\w+/queue/nomerges", DemoKernel._merges),
    (r"/sys/block/\w+/queue/rq_affinity", DemoKernel._affinity),
    (r"/sys/block/\w+/queue/iostats", DemoKernel._flag),
)


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
