"""One tick of sampling a big machine, beside reading the same files naively, in the same run.

The machine is made up: every attribute is a symbolic link to a small real sysfs file, so that the
kernel does its part; /proc/stat is a plain file. Prints milliseconds of our own CPU time.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from aitune_backends.host import Host
from aitune_backends.sampler import Sampler

CPUS, DISKS, TICKS = 512, 64, 60
WARM_UP = 20
MUST_MS, GOAL_MS = 1.5, 1.0
_POLICY_FILES = (
    "scaling_cur_freq", "scaling_governor", "scaling_min_freq", "scaling_max_freq",
    "scaling_driver", "scaling_available_governors", "cpuinfo_min_freq", "cpuinfo_max_freq",
)  # fmt: skip
_QUEUE_FILES = ("scheduler", "read_ahead_kb", "nr_requests", "rotational")
# A small number of the kernel's own, by sysfs; and a disk's counters.
_NUMBER = Path("/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan")
_WORDS = Path("/sys/kernel/mm/transparent_hugepage/enabled")


class BigMachine:
    """A tree of 512 CPUs in two nodes and 64 disks; `tick` lets its counters move."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._random = random.Random(1)  # noqa: S311 - load that looks like load, not a secret
        self._times = [[self._random.randrange(10**7) for _ in range(10)] for _ in range(CPUS)]
        self._sectors = 0
        for cpu in range(CPUS):
            policy = root / f"sys/devices/system/cpu/cpufreq/policy{cpu}"
            policy.mkdir(parents=True)
            for name in _POLICY_FILES:
                (policy / name).symlink_to(_WORDS if "governor" in name else _NUMBER)
            (policy / "related_cpus").write_text(f"{cpu}\n")
        (root / "sys/devices/system/cpu/present").write_text(f"0-{CPUS - 1}\n")
        (root / "sys/devices/system/cpu/online").write_text(f"0-{CPUS - 1}\n")
        for node in range(2):
            here = root / f"sys/devices/system/node/node{node}"
            here.mkdir(parents=True)
            half = CPUS // 2
            (here / "cpulist").write_text(f"{node * half}-{(node + 1) * half - 1}\n")
        for disk in range(DISKS):
            queue = root / f"sys/block/nvme{disk}n1/queue"
            queue.mkdir(parents=True)
            for name in _QUEUE_FILES:
                (queue / name).symlink_to(_WORDS if name == "scheduler" else _NUMBER)
            (queue.parent / "size").write_text("7501476528\n")
        (root / "proc").mkdir()
        for name in ("meminfo", "pressure"):
            (root / "proc" / name).symlink_to(f"/proc/{name}")
        self.tick()

    def tick(self) -> None:
        """Let half of the CPUs and of the disks do something; the others idle."""
        lines = []
        for cpu, times in enumerate(self._times):
            busy = self._random.randrange(100) if cpu % 2 else 0
            times[0] += busy
            times[3] += 100 - busy
            lines.append(f"cpu{cpu} {' '.join(map(str, times))}")
        whole = " ".join(str(sum(column)) for column in zip(*self._times, strict=True))
        interrupts = "intr 123456789" + " 4711" * 4096
        (self.root / "proc/stat").write_text(
            "\n".join([f"cpu  {whole}", *lines, interrupts, "ctxt 1", "btime 1", ""])
        )
        self._sectors += 12345
        for disk in range(DISKS):
            read = self._sectors * (disk % 2)
            (self.root / f"sys/block/nvme{disk}n1/stat").write_text(
                f" 91 0 {read} 7 11 0 {read // 3} 2 1 8 9 0 0 0 0 0 0\n"
            )


class RealLinks(Host):
    """A host whose links may lead to the running kernel: for this measurement only."""

    def open(self, path: str) -> int:
        """Like Host, but through the kernel's own path walk."""
        return Host().open(f"{self.root}{path}")

    def exists(self, path: str) -> bool:
        """Like Host, but through the kernel's own path walk."""
        return Host().exists(f"{self.root}{path}")


def naive(root: Path) -> None:
    """Open, read and close every attribute, as a first attempt would."""
    for name in ("meminfo", "stat", "pressure/memory", "pressure/io", "pressure/cpu"):
        dict(line.partition(" ")[::2] for line in (root / "proc" / name).open())
    for policy in (root / "sys/devices/system/cpu/cpufreq").iterdir():
        for name in _POLICY_FILES:
            (policy / name).read_text().split()
    for disk in (root / "sys/block").iterdir():
        (disk / "stat").read_text().split()
        for name in _QUEUE_FILES:
            (disk / "queue" / name).read_text().split()


def main() -> None:
    """Measure and print one line."""
    with tempfile.TemporaryDirectory() as directory:
        machine = BigMachine(Path(directory))
        clock = iter(range(10**6))
        sampler = Sampler(RealLinks(machine.root, origin="capture"), clock=lambda: next(clock))
        first = sampler.sample().cost_s
        for _ in range(WARM_UP):
            machine.tick()
            sampler.sample()
        ours, naively = [], []
        for number in range(TICKS):
            machine.tick()
            ours.append(sampler.sample().cost_s)
            if number % 6 == 0:
                began = time.thread_time()
                naive(machine.root)
                naively.append(time.thread_time() - began)
        sampler.close()
    mean, worst = 1e3 * statistics.mean(ours), 1e3 * max(ours)
    sys.stdout.write(
        f"one tick of sampling, {CPUS} CPUs, {DISKS} disks, ms of our CPU:"
        f" median {1e3 * statistics.median(ours):.2f}, mean {mean:.2f}, worst {worst:.2f}"
        f" (must {MUST_MS}, goal {GOAL_MS}); the first {1e3 * first:.0f};"
        f" naive {1e3 * statistics.median(naively):.1f},"
        f" {statistics.median(naively) / statistics.median(ours):.0f} times as much\n"
    )


if __name__ == "__main__":
    main()
