"""How the made-up machine moves: the files that change by themselves.

`advance` tells the story a little further and rewrites what /proc and /sys count. Settings are
read from their own files, which are their only home: a huge page pool takes free memory, and a
governor decides how fast its cores run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .devices import ARRAY, NVME, SDA, SECTOR
from .process import Vllm
from .story import Scene, noise, scene
from .tree import CORES, CPU, MAX_KHZ, MEMORY_KIB, MIN_KHZ, MM, NODE, NODES, POOL_SIZES_KIB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .files import Files

_GIB_KIB = 1024 * 1024
_PAGE_KIB = 4
_HZ = 100
_RESERVE_KIB = round(13.2 * _GIB_KIB)  # what MemAvailable leaves out: watermarks and mapped files
_LEAST_FREE_KIB = 2 * _GIB_KIB
_BUFFERS_KIB = 412_340
_RECLAIMABLE_KIB = 2_214_908
_SHMEM_KIB = 1_688_212
_CACHE_LEAST_KIB = _BUFFERS_KIB + _RECLAIMABLE_KIB + _GIB_KIB
_KERNEL_KIB = 6_311_552
_COMMITTED_KIB = round(198.4 * _GIB_KIB)

# The share of free memory that lies in whole 2 MiB blocks, per node: the rest is fragmented.
_BLOCK_SHARE = (98_211.5 / (402.2 * 512), 102_930.5 / (402.2 * 512))
# Whole GiB are rarer still once a machine has run for a while.
_GIGANTIC_FITS = (3, 2)
_GIGANTIC_FITS_COMPACTED = (61, 58)

_READ_SHARES = (1.53, 1.52, 1.53, 1.52)
_READING_CORES = 8
_FREQUENCY_STEP_KHZ = 20_000
_STEADY_S = 5


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where the memory is, in KiB: the four parts make up the whole."""

    used: int
    cache: int
    huge: int
    free: int

    @property
    def available(self) -> int:
        """What programs can still get without swapping."""
        return max(0, self.free + self.cache - _RESERVE_KIB)


SEED = 1010  # of all seeds the one whose mean frequencies at time 0 are 3.46 and 1.21 GHz


class World:
    """The made-up machine in time. Safe to use from several threads."""

    def __init__(self, files: Files, *, seed: int = SEED, at: float = 0.0) -> None:
        """Start the story `at` seconds and write what it says.

        Args:
            files: The machine's files.
            seed: Decides the wobble of the frequencies.
            at: Seconds; 0 is 61 % through the load.
        """
        self._files = files
        self._seed = seed
        self._now = at
        self._gigantic_fits = _GIGANTIC_FITS
        self._dropped_kib = 0
        self._vllm = Vllm(files)
        self.settle()

    @property
    def now(self) -> float:
        """Seconds in the story."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._files.lock:
            before = self._now
            self._now += seconds
            self._write(cpu for cpu in range(CORES) if _beat(cpu, before) != _beat(cpu, self._now))

    def settle(self) -> None:
        """Write what the present instant and the present settings make the machine say."""
        with self._files.lock:
            self._write(range(CORES))

    def _write(self, cores: Iterable[int]) -> None:
        """Write everything that moves; of the frequencies those of `cores` alone."""
        now = scene(self._now)
        self._write_memory(now)
        self._write_activity(now)
        self._write_frequencies(cores)
        self._write_disks(now)
        self._vllm.write(now)

    def compact(self) -> None:
        """Move pages together: there are more whole GiB then."""
        with self._files.lock:
            self._gigantic_fits = _GIGANTIC_FITS_COMPACTED
            self.settle()

    def drop_cache(self) -> None:
        """Forget the page cache; what is read later fills it again."""
        with self._files.lock:
            self._dropped_kib = scene(self._now).cache_kib
            self.settle()

    def fits(self, size_kib: int, node: int) -> int:
        """How many more huge pages of a size could be made on a node now."""
        with self._files.lock:
            now = scene(self._now)
            free = MEMORY_KIB - now.used_kib - self._cache_kib(now)
            blocks = int(free / 2048 * _BLOCK_SHARE[node]) * 2048 - self._pools_kib(node)
            fits = max(0, blocks // size_kib)
            if size_kib < _GIB_KIB:
                return fits
            return min(fits, max(0, self._gigantic_fits[node] - self._pages(size_kib, node)))

    def _cache_kib(self, now: Scene) -> int:
        """The page cache; buffers and what else counts as such stay when it is dropped."""
        return max(_CACHE_LEAST_KIB, now.cache_kib - self._dropped_kib)

    def _pages(self, size_kib: int, node: int) -> int:
        return int(
            self._files.read(f"{NODE}/node{node}/hugepages/hugepages-{size_kib}kB/nr_hugepages")
        )

    def _pools_kib(self, node: int) -> int:
        return sum(size * self._pages(size, node) for size in POOL_SIZES_KIB)

    def _accounts(self, now: Scene) -> Accounts:
        huge = sum(self._pools_kib(node) for node in NODES)
        room = MEMORY_KIB - now.used_kib - huge - _LEAST_FREE_KIB
        cache = max(0, min(self._cache_kib(now), room))
        return Accounts(now.used_kib, cache, huge, MEMORY_KIB - now.used_kib - cache - huge)

    def _write_memory(self, now: Scene) -> None:
        accounts = self._accounts(now)
        self._files.put("/proc/meminfo", self._meminfo(accounts))
        for node in NODES:
            self._write_node(node, accounts)
        faults = now.read_bytes // (_PAGE_KIB * 1024)
        counts = {
            "nr_free_pages": accounts.free // _PAGE_KIB,
            "nr_file_pages": accounts.cache // _PAGE_KIB,
            "nr_anon_pages": (accounts.used - _KERNEL_KIB - _SHMEM_KIB) // _PAGE_KIB,
            "pgpgin": now.read_bytes // 1024 + 91_204_118,
            "pgpgout": 30_418_220,
            "pswpin": 0,
            "pswpout": 0,
            "pgfault": 812_330_412 + faults,
            "pgmajfault": 48_211 + faults // 32,
            "allocstall_normal": 48_211 + int(now.reading_s * 3),
            "pgscan_kswapd": 0,
            "pgscan_direct": 0,
            "numa_pages_migrated": 18_402 + int(now.reading_s * 55),
            "numa_hint_faults": 120_994 + int(now.reading_s * 410),
            "compact_stall": 12,
            "compact_fail": 3,
            "thp_fault_alloc": 48_220 + int(now.reading_s * 2),
            "thp_collapse_alloc": 310,
            "oom_kill": 0,
        }
        self._files.put("/proc/vmstat", "\n".join(f"{name} {n}" for name, n in counts.items()))

    def _meminfo(self, accounts: Accounts) -> str:
        read = self._files.read
        pool = f"{MM}/hugepages/hugepages-2048kB"
        anonymous = accounts.used - _KERNEL_KIB - _SHMEM_KIB
        cached = accounts.cache - _BUFFERS_KIB - _RECLAIMABLE_KIB + _SHMEM_KIB
        ratio, kbytes = (int(read(f"/proc/sys/vm/overcommit_{n}")) for n in ("ratio", "kbytes"))
        sizes = {
            "MemTotal": MEMORY_KIB,
            "MemFree": accounts.free,
            "MemAvailable": accounts.available,
            "Buffers": _BUFFERS_KIB,
            "Cached": cached,
            "SwapCached": 0,
            "Active": anonymous // 3,
            "Inactive": anonymous - anonymous // 3 + cached - _SHMEM_KIB,
            "SwapTotal": 0,
            "SwapFree": 0,
            "Dirty": 1_284,
            "Writeback": 0,
            "AnonPages": anonymous,
            "Mapped": 3_922_104,
            "Shmem": _SHMEM_KIB,
            "KReclaimable": _RECLAIMABLE_KIB,
            "Slab": _RECLAIMABLE_KIB + 3_402_116,
            "SReclaimable": _RECLAIMABLE_KIB,
            "SUnreclaim": 3_402_116,
            "KernelStack": 52_112,
            "PageTables": 611_204,
            "CommitLimit": kbytes or (MEMORY_KIB - accounts.huge) * ratio // 100,
            "Committed_AS": _COMMITTED_KIB,
            "VmallocTotal": 34_359_738_367,
            "VmallocUsed": 1_204_332,
            "Percpu": 98_304,
            "AnonHugePages": 61_440_000,
            "ShmemHugePages": 0,
            "FileHugePages": 0,
        }
        counts = {
            "HugePages_Total": read(f"{pool}/nr_hugepages"),
            "HugePages_Free": read(f"{pool}/free_hugepages"),
            "HugePages_Rsvd": read(f"{pool}/resv_hugepages"),
            "HugePages_Surp": read(f"{pool}/surplus_hugepages"),
        }
        return "\n".join(
            [f"{name + ':':<15}{size:>14} kB" for name, size in sizes.items()]
            + [f"{name + ':':<15}{count:>11}" for name, count in counts.items()]
            + [f"{'Hugepagesize:':<15}{2048:>11} kB", f"{'Hugetlb:':<15}{accounts.huge:>14} kB"]
        )

    def _write_node(self, node: int, accounts: Accounts) -> None:
        share, nodes = _BLOCK_SHARE[node], len(NODES)
        pool = f"{NODE}/node{node}/hugepages/hugepages-2048kB"
        pools_kib = self._pools_kib(node)
        free = (accounts.free + accounts.huge) * share / sum(_BLOCK_SHARE) - pools_kib
        values = {
            "MemTotal": f"{MEMORY_KIB // nodes:>14} kB",
            "MemFree": f"{max(0, round(free)):>14} kB",
            "MemUsed": f"{max(0, MEMORY_KIB // nodes - round(free)):>14} kB",
            "FilePages": f"{accounts.cache // nodes:>14} kB",
            "AnonPages": f"{(accounts.used - _KERNEL_KIB - _SHMEM_KIB) // nodes:>14} kB",
            "HugePages_Total": f"{self._files.read(f'{pool}/nr_hugepages'):>6}",
            "HugePages_Free": f"{self._files.read(f'{pool}/free_hugepages'):>6}",
            "HugePages_Surp": f"{0:>6}",
        }
        self._files.put(
            f"{NODE}/node{node}/meminfo",
            "\n".join(f"Node {node} {name + ':':<15}{value}" for name, value in values.items()),
        )
        self._files.put(
            f"{NODE}/node{node}/numastat",
            f"numa_hit {94_118_204 + node}\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 4211\n"
            f"local_node {94_001_118 + node}\nother_node 117086",
        )

    def _write_activity(self, now: Scene) -> None:
        self._files.put("/proc/stat", self._stat(now))
        self._files.put("/proc/uptime", f"{now.uptime:.2f} {now.uptime * CORES * 0.97:.2f}")
        load = "9.12 8.40 4.31 9/1904" if now.reading else "1.10 3.02 3.90 2/1904"
        self._files.put("/proc/loadavg", f"{load} 48950")
        self._files.put("/proc/buddyinfo", "\n".join(self._buddy(node) for node in NODES))
        memory = round(now.reading_s * 0.004e6) + 4_118_220
        blocked = round(now.reading_s * 0.18e6) + 91_204_001
        for name, share, total in (
            ("memory", now.pressure, memory),
            ("io", now.io_pressure, blocked),
            ("cpu", now.pressure / 2, memory // 2),
        ):
            full = 0.0 if name == "cpu" else share / 2
            self._files.put(
                f"/proc/pressure/{name}",
                f"{_stall('some', share, total)}\n{_stall('full', full, total // 2)}",
            )

    def _stat(self, now: Scene) -> str:
        cores = [_jiffies(now, cpu) for cpu in range(CORES)]
        whole = [sum(column) for column in zip(*cores, strict=True)]
        lines = [f"cpu  {_spaced(whole)}"]
        lines += [f"cpu{cpu} {_spaced(times)}" for cpu, times in enumerate(cores)]
        lines += [
            "intr 0",
            f"ctxt {int(now.uptime * 48_000)}",
            "btime 1730272800",
            "processes 48950",
            f"procs_running {9 if now.reading else 2}",
            f"procs_blocked {2 if now.reading else 0}",
        ]
        return "\n".join(lines)

    def _buddy(self, node: int) -> str:
        """Free blocks of a node by order; 2 MiB are order 9, the last column order 10."""
        whole, single = divmod(self.fits(2048, node) - 211 * (node == 0), 2)
        counts = [911, 820, 402, 318, 220, 140, 96, 51, 20, single + 211 * (node == 0), whole]
        return f"Node {node}, zone   Normal " + "".join(f"{count:>7}" for count in counts)

    def _write_frequencies(self, cores: Iterable[int]) -> None:
        for cpu in cores:
            policy = f"{CPU}/cpufreq/policy{cpu}"
            low, high, governor = (
                self._files.read(f"{policy}/scaling_{name}")
                for name in ("min_freq", "max_freq", "governor")
            )
            wanted = self._frequency(cpu, governor)
            held = max(int(low), min(int(high), wanted))
            self._files.put(f"{policy}/scaling_cur_freq", str(held))

    def _frequency(self, cpu: int, governor: str) -> int:
        chance = noise(self._seed, cpu, _beat(cpu, self._now))
        middle, reach = (3_460_000, 180_000) if governor == "performance" else (1_210_000, 400_000)
        khz = middle + round((2 * chance - 1) * reach)
        return max(MIN_KHZ, min(MAX_KHZ, khz // _FREQUENCY_STEP_KHZ * _FREQUENCY_STEP_KHZ))

    def _write_disks(self, now: Scene) -> None:
        for disk, share in zip(NVME, _READ_SHARES, strict=True):
            sectors = int(now.read_bytes * share / sum(_READ_SHARES)) // SECTOR
            self._write_disk(disk.name, sectors + 1_204_118, in_flight=int(now.reading))
        self._write_disk(SDA.name, 3_802_214, in_flight=0)
        self._write_disk(ARRAY, 81_920, in_flight=0)

    def _write_disk(self, name: str, sectors: int, *, in_flight: int) -> None:
        reads = sectors // 256
        fields = (
            reads, 0, sectors, reads // 12, 48_220, 1_204, 1_918_404, 9_120, in_flight,
            reads // 14, reads // 12 + 9_120, 0, 0, 0, 0, 812, 44,
        )  # fmt: skip
        here = f"/sys/block/{name}"
        self._files.put(f"{here}/stat", " ".join(f"{field:>8}" for field in fields))
        self._files.put(f"{here}/inflight", f"{in_flight:>8} {0:>8}")


def _beat(cpu: int, now: float) -> int:
    """A core changes its frequency every few seconds only, and not all cores at once."""
    return int(now + cpu) // _STEADY_S


def _stall(kind: str, share: float, total: int) -> str:
    return (
        f"{kind} avg10={share:.2f} avg60={share * 0.8:.2f} avg300={share * 0.4:.2f} total={total}"
    )


def _jiffies(now: Scene, cpu: int) -> tuple[int, ...]:
    """What one core did since boot: user nice system idle iowait irq softirq steal guest x2."""
    busy = now.uptime * (0.01 + 0.02 * noise(cpu))
    waiting = 0.0
    if cpu < _READING_CORES:
        busy += now.reading_s * (0.55 + 0.2 * noise(cpu, 1))
        waiting = now.reading_s * 0.18
    user, system = int(busy * 0.3 * _HZ), int(busy * 0.7 * _HZ)
    idle = int(now.uptime * _HZ) - user - system - int(waiting * _HZ)
    return user, 0, system, idle, int(waiting * _HZ), 0, 0, 0, 0, 0


def _spaced(numbers: list[int] | tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))
