"""Small machines written by hand: the files of one, as a Host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.host import Host

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aitune_backends.host import Origin

MEMINFO = """\
MemTotal:       {total} kB
MemFree:        {available} kB
MemAvailable:   {available} kB
SwapTotal:      {swap} kB
SwapFree:       {swap} kB
Committed_AS:   1048576 kB
HugePages_Total:       0
Hugepagesize:       {page} kB
Hugetlb:               0 kB
"""


def meminfo(
    *,
    total: int = 64 << 20,
    available: int = 32 << 20,
    swap: int = 0,
    page: int = 2048,
) -> dict[str, str]:
    """/proc/meminfo, sizes in KiB."""
    text = MEMINFO.format(total=total, available=available, swap=swap, page=page)
    return {"/proc/meminfo": text}


def sysctls(**values: str) -> dict[str, str]:
    """Global settings: the kernel's defaults, and what a test gives by the name's last part."""
    defaults = {
        "/proc/sys/vm/overcommit_memory": "0",
        "/proc/sys/vm/overcommit_ratio": "50",
        "/proc/sys/vm/overcommit_kbytes": "0",
        "/proc/sys/vm/swappiness": "60",
        "/proc/sys/vm/dirty_ratio": "20",
        "/proc/sys/vm/dirty_bytes": "0",
        "/proc/sys/vm/dirty_background_ratio": "10",
        "/proc/sys/vm/dirty_background_bytes": "0",
        "/proc/sys/vm/nr_hugepages": "0",
        "/proc/sys/kernel/numa_balancing": "1",
        "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "/sys/kernel/mm/transparent_hugepage/defrag": (
            "always defer defer+madvise [madvise] never"
        ),
    }
    by_name = {path.rpartition("/")[2]: path for path in defaults}
    return {**defaults, **{by_name[name]: value for name, value in values.items()}}


def pool(size_kib: int, *per_node: tuple[int, int], reserved: int = 0) -> dict[str, str]:
    """A pool: total and free pages on each node."""
    name = f"hugepages-{size_kib}kB"
    files = {}
    places = [
        ("/sys/kernel/mm/hugepages", sum(t for t, _ in per_node), sum(f for _, f in per_node))
    ]
    places += [
        (f"/sys/devices/system/node/node{node}/hugepages", total, free)
        for node, (total, free) in enumerate(per_node)
    ]
    for directory, total, free in places:
        files[f"{directory}/{name}/nr_hugepages"] = str(total)
        files[f"{directory}/{name}/free_hugepages"] = str(free)
        files[f"{directory}/{name}/surplus_hugepages"] = "0"
    files[f"/sys/kernel/mm/hugepages/{name}/resv_hugepages"] = str(reserved)
    return files


def policies(*governors: str, listed: str = "performance powersave") -> dict[str, str]:
    """One policy for each governor given, four cores each."""
    files = {}
    for number, governor in enumerate(governors):
        directory = f"/sys/devices/system/cpu/cpufreq/policy{number}"
        files[f"{directory}/scaling_governor"] = governor
        files[f"{directory}/scaling_available_governors"] = listed
        first = number * 4
        files[f"{directory}/related_cpus"] = " ".join(str(first + cpu) for cpu in range(4))
    return files


def disk(
    name: str,
    scheduler: str | None = "[none] mq-deadline",
    *,
    read_ahead: int = 128,
    rotational: bool = False,
    slaves: tuple[str, ...] = (),
) -> dict[str, str]:
    """A block device; without a scheduler it passes requests on."""
    directory = f"/sys/block/{name}"
    files = {
        f"{directory}/size": "1000000",
        f"{directory}/queue/read_ahead_kb": str(read_ahead),
        f"{directory}/queue/nr_requests": "1023",
        f"{directory}/queue/rotational": str(int(rotational)),
    }
    if scheduler is not None:
        files[f"{directory}/queue/scheduler"] = scheduler
    for slave in slaves:
        files[f"{directory}/slaves/{slave}/dev"] = "259:0"
        files[f"/sys/block/{slave}/holders/{name}/dev"] = "9:0"
    return files


def host(root: Path, *parts: Mapping[str, str], origin: Origin = "demo") -> Host:
    """Write the files below `root` and open the machine they make."""
    for part in parts:
        for path, text in part.items():
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text if text.endswith("\n") else text + "\n")
    return Host(root, origin=origin)


def two_nodes(root: Path) -> Host:
    """A server: two nodes, four policies, an array of two NVMe disks, a third, a slow one."""
    return host(
        root,
        meminfo(),
        sysctls(),
        pool(2048, (0, 0), (0, 0)),
        pool(1048576, (0, 0), (0, 0)),
        policies("performance", "performance", "powersave", "powersave"),
        disk("nvme0n1"),
        disk("nvme1n1"),
        disk("nvme2n1"),
        disk("sda", "[mq-deadline] none", rotational=True, read_ahead=4096),
        disk("md0", None, read_ahead=4096, slaves=("nvme0n1", "nvme1n1")),
        disk("loop0", "[none] mq-deadline"),
    )
