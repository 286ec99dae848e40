"""The knobs of memory: huge pages, overcommit, reclaim, dirty data, swap, nodes.

Bounds are stricter than the kernel's where it takes what nobody can want; the reason stands there.
"""

from __future__ import annotations

from aitune_helper.knob import (
    BEST_EFFORT,
    LETTERS,
    NODE,
    SIZE,
    TRUE_FALSE,
    Knob,
    sysctl,
)

# Every huge page size a Linux architecture has, in KiB; a machine lists its own as directories.
HUGE_PAGE_SIZES_KIB = (64, 1024, 2048, 16384, 32768, 131072, 524288, 1048576, 2097152, 16777216)
# The pools that `vm.nr_hugepages` may be another name of.
POOLS: tuple[str, ...] = tuple(f"hugepages.{size}kB" for size in HUGE_PAGE_SIZES_KIB)

_PAGES_MAX = 2**40
_GIGANTIC_KIB = 2**20
_NO_GIGANTIC = (
    "pages of 1 GiB and more are never made on demand: the kernel takes no number of them"
)
_INT_MAX = 2**31 - 1
_UINT_MAX = 2**32 - 1
_POOL_DOUBT = "pages given up may not come back: memory fragments"
_PIN_DOUBT = "once written, the kernel keeps it as it is until the next boot"
_WEIGHTS_DOUBT = (
    "once one is written, the kernel leaves all weights as they are until the next boot"
)
_UNMERGED_DOUBT = "what 2 has unmerged is merged again only with time"
# What the kernel takes at least and at most: two pages (of 64 KiB, the largest there are), and
# 2^32 - 1 pages (of 4 KiB, the smallest).
_DIRTY_BYTES_MIN = 2 * 65536
_DIRTY_BYTES_MAX = (2**32 - 1) * 4096
# The kernel takes any age. Below a second all is written at once, and 0 stops the writing; an hour
# of data is enough to lose.
_CENTISECS_MIN, _CENTISECS_MAX = 100, 360_000
# The kernel takes any amount. Nobody needs 16 GiB to log in and end a program.
_RESERVE_KIB_MAX = 2**24
# Below it programs that run now may fail; it is what Linux starts with.
_MAPS_MIN = 65530
# With 0 nothing of it is ever given back, until memory is out (vm.rst); ten times as much as fair
# is "looked for" in vain from 1000 on.
_CACHE_PRESSURE_MAX = 1000
# "Lower than 1024KB … your system will become subtly broken" (vm.rst). Too much is asked of the
# machine itself: see `guards`.
_MIN_FREE_KIB = 1024
# Ten times the high watermark, where 15000 is one and a half.
_BOOST_MAX = 100_000
# 2^10 pages are 4 MiB for each page that is missed; the kernel takes 2^31.
_CLUSTER_MAX = 10
# One terabyte a second.
_RATE_MAX = 2**20
# A working set of the last minute; with more the machine kills before it swaps.
_TTL_MS_MAX = 60_000
# All but one of the pages that make a huge one, of 4 KiB each.
_PTES_MAX = 511

_MM = "/sys/kernel/mm/"
_THP = _MM + "transparent_hugepage/"
_KHUGEPAGED = _THP + "khugepaged/"
_ZSWAP = "/sys/module/zswap/parameters/"
_INTERLEAVE = _MM + "mempolicy/weighted_interleave/"
_MIN_FREE = ("vm.min_free_kbytes",)


def _pool(size_kib: int) -> Knob:
    tail = f"hugepages/hugepages-{size_kib}kB/nr_hugepages"
    return Knob(
        f"hugepages.{size_kib}kB",
        "/sys/devices/system/node/{instance}/" + tail,
        scope=NODE,
        low=0,
        high=_PAGES_MAX,
        unit="pages",
        quantity=True,
        total_path=f"{_MM}{tail}",
        undo=BEST_EFFORT,
        doubt=_POOL_DOUBT,
        persist="tmpfiles",
    )


def _surplus(size_kib: int) -> Knob:
    """How many pages a pool may grow by on demand; it has no share of nodes.

    Pages above the allocator's largest block, which is below 1 GiB everywhere, are refused: EINVAL.
    """
    return Knob(
        f"hugepages.{size_kib}kB.surplus",
        f"{_MM}hugepages/hugepages-{size_kib}kB/nr_overcommit_hugepages",
        low=0,
        high=_PAGES_MAX,
        unit="pages",
        fixed=_NO_GIGANTIC if size_kib >= _GIGANTIC_KIB else "",
        persist="tmpfiles",
    )


def _dirty(prefix: str) -> tuple[Knob, Knob]:
    """A limit for written data that is not on disk yet: as a share of memory, and as an amount."""
    ratio, size = f"vm.{prefix}_ratio", f"vm.{prefix}_bytes"
    return (
        sysctl(ratio, 0, 100, "%", coupled=(size,)),
        sysctl(size, _DIRTY_BYTES_MIN, _DIRTY_BYTES_MAX, "bytes", coupled=(ratio,)),
    )


def _number(knob: str, path: str, low: int, high: int, unit: str = "") -> Knob:
    """A whole number in a file of its own below /sys."""
    return Knob(knob, path, low=low, high=high, unit=unit, persist="tmpfiles")


def _khugepaged(name: str, low: int, high: int, unit: str = "") -> Knob:
    return _number(f"thp.khugepaged.{name}", _KHUGEPAGED + name, low, high, unit)


HUGE_PAGES = (
    # The pool of the default size under its sysctl name; the kernel spreads it over the nodes.
    sysctl(
        "vm.nr_hugepages", 0, _PAGES_MAX, "pages", means="{pool}", undo=BEST_EFFORT,
        doubt=_POOL_DOUBT,
    ),
    *map(_pool, HUGE_PAGE_SIZES_KIB),
    sysctl(
        "vm.nr_overcommit_hugepages", 0, _PAGES_MAX, "pages", means="{pool}.surplus"
    ),
    *map(_surplus, HUGE_PAGE_SIZES_KIB),
    sysctl("vm.hugetlb_optimize_vmemmap", 0, 1),
    sysctl("vm.hugetlb_shm_group", 0, _INT_MAX),
)  # fmt: skip

# With huge pages wanted anywhere the kernel keeps more memory free, and says so.
TRANSPARENT = (
    Knob(
        "thp.enabled",
        _THP + "enabled",
        choices=("always", "madvise", "never"),
        coupled=_MIN_FREE,
        persist="tmpfiles",
    ),
    Knob(
        "thp.defrag",
        _THP + "defrag",
        choices=("always", "defer", "defer+madvise", "madvise", "never"),
        persist="tmpfiles",
    ),
    Knob(
        "thp.shmem_enabled",
        _THP + "shmem_enabled",
        choices=("always", "within_size", "advise", "never", "deny", "force"),
        coupled=_MIN_FREE,
        persist="tmpfiles",
    ),
    Knob(
        "thp.size_enabled",
        _THP + "hugepages-{instance}/enabled",
        scope=SIZE,
        choices=("always", "inherit", "madvise", "never"),
        coupled=_MIN_FREE,
        persist="tmpfiles",
    ),
    _number("thp.shrink_underused", _THP + "shrink_underused", 0, 1),
    _number("thp.use_zero_page", _THP + "use_zero_page", 0, 1),
    _khugepaged("defrag", 0, 1),
    _khugepaged("pages_to_scan", 1, _UINT_MAX, "pages"),
    _khugepaged("scan_sleep_millisecs", 0, _UINT_MAX, "ms"),
    _khugepaged("alloc_sleep_millisecs", 0, _UINT_MAX, "ms"),
    _khugepaged("max_ptes_none", 0, _PTES_MAX, "pages"),
    _khugepaged("max_ptes_swap", 0, _PTES_MAX, "pages"),
    _khugepaged("max_ptes_shared", 0, _PTES_MAX, "pages"),
)

OVERCOMMIT = (
    sysctl("vm.overcommit_memory", 0, 2),
    sysctl("vm.overcommit_ratio", 1, 100, "%", coupled=("vm.overcommit_kbytes",)),
    sysctl("vm.overcommit_kbytes", 0, 2**53, "KiB", coupled=("vm.overcommit_ratio",)),
    sysctl("vm.admin_reserve_kbytes", 0, _RESERVE_KIB_MAX, "KiB"),
    sysctl("vm.user_reserve_kbytes", 0, _RESERVE_KIB_MAX, "KiB"),
    sysctl("vm.max_map_count", _MAPS_MIN, _INT_MAX, "maps"),
    sysctl("vm.panic_on_oom", 0, 2),
    sysctl("vm.oom_kill_allocating_task", 0, 1),
)

RECLAIM = (
    sysctl("vm.swappiness", 0, 200),
    sysctl("vm.vfs_cache_pressure", 1, _CACHE_PRESSURE_MAX, "%"),
    sysctl(
        "vm.min_free_kbytes", _MIN_FREE_KIB, 2**40, "KiB", undo=BEST_EFFORT, doubt=_PIN_DOUBT
    )._replace(turn=1, follows=True),
    sysctl("vm.watermark_scale_factor", 1, 3000, "1/10000"),
    sysctl("vm.watermark_boost_factor", 0, _BOOST_MAX, "1/10000"),
    # 8 and more are taken by the kernel but mean nothing: there are three bits.
    sysctl("vm.zone_reclaim_mode", 0, 7),
    *_dirty("dirty"),
    *_dirty("dirty_background"),
    sysctl("vm.dirty_expire_centisecs", _CENTISECS_MIN, _CENTISECS_MAX, "1/100 s"),
    sysctl("vm.dirty_writeback_centisecs", _CENTISECS_MIN, _CENTISECS_MAX, "1/100 s"),
    sysctl("vm.page-cluster", 0, _CLUSTER_MAX),
    sysctl("vm.compaction_proactiveness", 0, 100),
    # No file lists what it can be: the kernel looks for the module when it is written.
    Knob(
        "zswap.compressor",
        _ZSWAP + "compressor",
        choices=("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "deflate"),
        persist="tmpfiles",
    ),
    # Switched on for the first time, it may fall back to another compressor.
    Knob(
        "zswap.enabled",
        _ZSWAP + "enabled",
        low=0,
        high=1,
        reads=LETTERS,
        coupled=("zswap.compressor",),
        persist="tmpfiles",
    ),
    # The kernel takes any number.
    _number("zswap.max_pool_percent", _ZSWAP + "max_pool_percent", 1, 100, "%"),
    _number("ksm.run", _MM + "ksm/run", 0, 2)._replace(undo=BEST_EFFORT, doubt=_UNMERGED_DOUBT),
    _number("lru_gen.min_ttl_ms", _MM + "lru_gen/min_ttl_ms", 0, _TTL_MS_MAX, "ms"),
)

NODES = (
    # 4 is taken by the kernel but means nothing: the documentation ends at 3.
    sysctl("kernel.numa_balancing", 0, 3)._replace(capability="CAP_SYS_ADMIN"),
    sysctl("kernel.numa_balancing_promote_rate_limit_MBps", 0, _RATE_MAX, "MB/s"),
    _number("numa.demotion_enabled", _MM + "numa/demotion_enabled", 0, 1)._replace(
        reads=TRUE_FALSE
    ),
    # Setting one weight by hand stops the kernel from setting them all, since Linux 6.16.
    Knob(
        "numa.weighted_interleave",
        _INTERLEAVE + "{instance}",
        scope=NODE,
        low=1,
        high=255,
        undo=BEST_EFFORT,
        doubt=_WEIGHTS_DOUBT,
        persist="tmpfiles",
    ),
)

MEMORY = (*OVERCOMMIT, *HUGE_PAGES, *TRANSPARENT, *RECLAIM, *NODES)
