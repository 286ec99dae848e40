"""What is read from a machine: frozen records with units in their names or docstrings.

Sizes are bytes unless a name says otherwise; None means the machine does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Memory:
    """`/proc/meminfo`, in bytes.

    `used` is neither free nor cache nor huge pages: total - free - cache - huge_pages, where cache
    is Buffers + Cached + SReclaimable - Shmem, so that the four segments make up the total.
    """

    total: int
    free: int
    available: int | None
    cache: int
    anonymous: int
    shared: int
    huge_pages: int
    swap_total: int
    swap_free: int
    committed: int
    commit_limit: int | None
    dirty: int = 0

    @property
    def used(self) -> int:
        """Bytes that are neither free, nor cache, nor reserved as huge pages."""
        return max(0, self.total - self.free - self.cache - self.huge_pages)


@dataclass(frozen=True, slots=True)
class HugePool:
    """One pool of huge pages: `size_kib` large, of the machine (`node` None) or of one node.

    Counts are pages. `reserved` is kept for the machine alone (None on a node).
    """

    size_kib: int
    node: int | None
    total: int
    free: int
    reserved: int | None
    surplus: int

    @property
    def bytes(self) -> int:
        """Memory the pool holds."""
        return self.total * self.size_kib * 1024


@dataclass(frozen=True, slots=True)
class Stall:
    """One line of a pressure file: shares of time in per cent, and microseconds since boot."""

    avg10: float
    avg60: float
    avg300: float
    total_us: int


@dataclass(frozen=True, slots=True)
class Pressure:
    """`/proc/pressure/{memory,io,cpu}`; a line the kernel does not print is None."""

    memory_some: Stall | None = None
    memory_full: Stall | None = None
    io_some: Stall | None = None
    io_full: Stall | None = None
    cpu_some: Stall | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One cpufreq policy: the unit in which governors and limits are set. Frequencies in kHz.

    `preference` is the processor's own between speed and saving (EPP), None where the driver
    leaves it none.

    `current_khz` is what the kernel last measured or asked for; None when the policy's CPUs are
    offline, and `error` then says so.
    """

    name: str
    cpus: tuple[int, ...]
    driver: str
    governor: str | None
    governors: tuple[str, ...]
    current_khz: int | None
    min_khz: int | None
    max_khz: int | None
    hardware_min_khz: int | None
    hardware_max_khz: int | None
    error: str = ""
    preference: str | None = None
    preferences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cpu:
    """One logical CPU: where it sits, and how busy it was since the last sample (0..1 or None)."""

    number: int
    node: int | None
    online: bool
    busy: float | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """One block device. Rates are bytes per second since the last sample, None at first.

    `scheduler` is None and `schedulers` empty where the device has none: it passes requests on
    to `slaves` (dm, md) or the kernel offers no choice.
    """

    name: str
    size: int
    model: str
    rotational: bool | None
    node: int | None
    scheduler: str | None
    schedulers: tuple[str, ...]
    read_ahead_kib: int | None
    nr_requests: int | None
    in_flight: int | None
    read_rate: float | None
    write_rate: float | None
    slaves: tuple[str, ...] = ()
    diskseq: str = ""
    max_sectors_kib: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a machine is: read once."""

    name: str
    kernel: str
    cpus: int
    nodes: tuple[int, ...]
    memory: int
    gpus: tuple[str, ...]
    container: str
    default_huge_page_kib: int | None

    """`container` is its kind (`docker`, `podman`, `lxc` …) or "" on a real machine."""


@dataclass(frozen=True, slots=True)
class LoadSeen:
    """A process that holds model files open or mapped, as far as we may see it.

    `done` is the bytes it has read so far, `total` the size of the files it has open or that lie
    beside them as shards of one model; `rate` bytes per second over the last ten seconds.
    """

    pid: int
    command: str
    model: str
    files: int
    files_open: int
    done: int
    total: int
    rate: float | None
    eta_s: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One tick's readings of one machine.

    Attributes:
        at: Monotonic seconds of the tick; ages are counted from it.
        wall: Seconds since the epoch, for display.
        cost_s: CPU seconds the tick took us.
    """

    at: float
    wall: float
    memory: Memory | None
    pressure: Pressure
    pools: tuple[HugePool, ...]
    cpus: tuple[Cpu, ...]
    policies: tuple[Policy, ...]
    disks: tuple[Disk, ...]
    loads: tuple[LoadSeen, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    cost_s: float = 0.0
