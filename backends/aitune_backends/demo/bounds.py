"""Files of the made-up machine that store a number as it is given, within the kernel's own bounds.

They are those of Linux 6.8: wider than what the helper lets through.
"""

from __future__ import annotations

from .tree import MM

_INT_MAX, _UINT_MAX, _LONG_MAX = 2**31 - 1, 2**32 - 1, 2**63 - 1
_PTES_MAX = 511

_VM = {
    "overcommit_memory": (0, 2),
    "admin_reserve_kbytes": (0, _LONG_MAX),
    "user_reserve_kbytes": (0, _LONG_MAX),
    "max_map_count": (0, _INT_MAX),
    "panic_on_oom": (0, 2),
    "oom_kill_allocating_task": (0, _INT_MAX),
    "hugetlb_shm_group": (0, _INT_MAX),
    "swappiness": (0, 200),
    "vfs_cache_pressure": (0, _INT_MAX),
    "watermark_scale_factor": (1, 3000),
    "watermark_boost_factor": (0, _INT_MAX),
    "zone_reclaim_mode": (0, _INT_MAX),
    "dirty_expire_centisecs": (0, _INT_MAX),
    "dirty_writeback_centisecs": (0, _INT_MAX),
    "page-cluster": (0, 31),
    "compaction_proactiveness": (0, 100),
}
_MEMORY = {
    "transparent_hugepage/use_zero_page": (0, 1),
    "transparent_hugepage/khugepaged/defrag": (0, 1),
    "transparent_hugepage/khugepaged/pages_to_scan": (1, _UINT_MAX),
    "transparent_hugepage/khugepaged/scan_sleep_millisecs": (0, _UINT_MAX),
    "transparent_hugepage/khugepaged/alloc_sleep_millisecs": (0, _UINT_MAX),
    "transparent_hugepage/khugepaged/max_ptes_none": (0, _PTES_MAX),
    "transparent_hugepage/khugepaged/max_ptes_swap": (0, _PTES_MAX),
    "transparent_hugepage/khugepaged/max_ptes_shared": (0, _PTES_MAX),
    "ksm/run": (0, 2),
    "lru_gen/min_ttl_ms": (0, _UINT_MAX),
}

# By path: the least and the most.
BOUNDS: dict[str, tuple[int, int]] = {
    **{f"/proc/sys/vm/{name}": bounds for name, bounds in _VM.items()},
    **{f"{MM}/{name}": bounds for name, bounds in _MEMORY.items()},
    "/proc/sys/kernel/numa_balancing": (0, 4),
    "/proc/sys/kernel/numa_balancing_promote_rate_limit_MBps": (0, _INT_MAX),
    "/sys/module/zswap/parameters/max_pool_percent": (0, _UINT_MAX),
}
