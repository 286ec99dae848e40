"""The closed table of what may be written: every knob, where it lives, and which values it takes.

A knob is data. Nothing outside this table can be named by a client, and a value passes only if the
grammar here takes it: stricter than the kernel, which reads `010` as 8 and `nonesuch` as `none`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import NamedTuple

GLOBAL = "global"
NODE = "node"
POLICY = "policy"
DISK = "disk"

# What can be promised of going back.
EXACT = "exact"
BEST_EFFORT = "best effort"
NONE = "none"

# Every huge page size a Linux architecture has, in KiB; a machine lists its own as directories.
HUGE_PAGE_SIZES_KIB = (64, 1024, 2048, 16384, 32768, 131072, 524288, 1048576, 2097152, 16777216)

# Schedulers and governors that come as modules: valid though the file does not list them yet.
SCHEDULER_MODULES = ("none", "mq-deadline", "kyber", "bfq")
GOVERNOR_MODULES = (
    "performance", "powersave", "ondemand", "conservative", "schedutil",
)  # fmt: skip

# The options of each scheduler, below queue/iosched, in an order in which they can be put back: of
# bfq's, strict guarantees move the idle time. Its slice_idle is slice_idle_us in coarser words.
SCHEDULER_OPTIONS = (
    # mq-deadline
    "read_expire", "write_expire", "writes_starved", "front_merges", "fifo_batch",
    "prio_aging_expire", "async_depth",
    # kyber
    "read_lat_nsec", "write_lat_nsec",
    # bfq
    "low_latency", "strict_guarantees", "fifo_expire_sync", "fifo_expire_async", "back_seek_max",
    "back_seek_penalty", "max_budget", "timeout_sync", "slice_idle_us",
)  # fmt: skip

_INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
_WORD = re.compile(r"[a-z][a-z0-9_+-]{0,31}")
_INSTANCE = {
    NODE: re.compile(r"node(?:0|[1-9][0-9]{0,3})"),
    POLICY: re.compile(r"policy(?:0|[1-9][0-9]{0,4})"),
    DISK: re.compile(r"[a-z][a-z0-9!_-]{0,31}"),
}


class Knob(NamedTuple):
    """One tunable of the kernel.

    Attributes:
        id: The name by which everybody calls it; a sysctl knob carries its sysctl name.
        path: The file, with `{instance}` where the instance goes.
        scope: What an instance is: `global` (none), `node`, `policy` or `disk`.
        low, high: Bounds of an integer, inclusive; None for a choice.
        choices: The words a choice takes, or () where the file itself lists them.
        modules: Words that are valid although the file may not list them until a module is loaded.
        listed_in: The file that lists the words, where it is not the knob's own.
        most_in: The file that says the most that this instance takes, or "".
        unit: The unit of the value, or "".
        quantity: A pool of something. It has a total besides its per-node instances, and a value
            given without an instance means the total and never fans out.
        total_path: The file of the total, for a quantity.
        coupled: Knobs of the same instance that the kernel changes along with this one. They are
            snapshotted with it and put back after it, wherever they then differ. Two knobs that
            name each other are two ways to say one thing: setting either sets the other to 0.
        turn: When it is written, on the way there and on the way back: lower ones first, since a
            write may reset what has a later turn.
        undo: `exact`; `best effort` where the kernel may not give back what it took; `none`.
        doubt: Why the undo is not exact, in words.
        persist: Which mechanism can set it at boot: `sysctl`, `udev`, `tmpfiles`.
        rounds: Whether the kernel takes a value and keeps one near it, which is as wanted.
        capability: The Linux capability its write needs even of root, or "".
        offered: False for a knob that is only there to be put back with another.
    """

    id: str
    path: str
    scope: str = GLOBAL
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    listed_in: str = ""
    most_in: str = ""
    unit: str = ""
    quantity: bool = False
    total_path: str = ""
    coupled: tuple[str, ...] = ()
    turn: int = 0
    undo: str = EXACT
    doubt: str = ""
    persist: str = "sysctl"
    rounds: bool = False
    capability: str = ""
    offered: bool = True

    @property
    def is_integer(self) -> bool:
        """Whether the value is a whole number rather than a word."""
        return self.high is not None

    def file(self, instance: str = "") -> str:
        """The file of one instance; of the total for a quantity without an instance."""
        if self.quantity and not instance:
            return self.total_path
        return self.path.replace("{instance}", instance)


_PAGES_MAX = 2**40
_POOL_DOUBT = "pages given up may not come back: memory fragments"
# What the kernel takes at least and at most: two pages (of 64 KiB, the largest there are), and
# 2^32 - 1 pages (of 4 KiB, the smallest).
_DIRTY_BYTES_MIN = 2 * 65536
_DIRTY_BYTES_MAX = (2**32 - 1) * 4096
_POLICY = "/sys/devices/system/cpu/cpufreq/{instance}/"
_QUEUE = "/sys/block/{instance}/queue/"
_OPTION = "block.iosched."
_THP = "/sys/kernel/mm/transparent_hugepage/"


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
        total_path=f"/sys/kernel/mm/{tail}",
        undo=BEST_EFFORT,
        doubt=_POOL_DOUBT,
        persist="tmpfiles",
    )


def _dirty(prefix: str) -> tuple[Knob, Knob]:
    """A limit for written data that is not on disk yet: as a share of memory, and as an amount."""
    ratio, size = f"vm.{prefix}_ratio", f"vm.{prefix}_bytes"
    return (
        Knob(ratio, _sysctl(ratio), low=0, high=100, unit="%", coupled=(size,)),
        Knob(
            size,
            _sysctl(size),
            low=_DIRTY_BYTES_MIN,
            high=_DIRTY_BYTES_MAX,
            unit="bytes",
            coupled=(ratio,),
        ),
    )


def _sysctl(name: str) -> str:
    return "/proc/sys/" + name.replace(".", "/")


def _option(name: str) -> Knob:
    """An option of a scheduler: it comes and goes with it, so it is only ever put back."""
    return Knob(
        _OPTION + name,
        f"{_QUEUE}iosched/{name}",
        scope=DISK,
        low=0,
        high=2**63 - 1,
        turn=4,
        persist="udev",
        offered=False,
    )


KNOBS: dict[str, Knob] = {
    knob.id: knob
    for knob in (
        Knob("vm.overcommit_memory", "/proc/sys/vm/overcommit_memory", low=0, high=2),
        Knob(
            "vm.overcommit_ratio",
            "/proc/sys/vm/overcommit_ratio",
            low=1,
            high=100,
            unit="%",
            coupled=("vm.overcommit_kbytes",),
        ),
        Knob(
            "vm.overcommit_kbytes",
            "/proc/sys/vm/overcommit_kbytes",
            low=0,
            high=2**53,
            unit="KiB",
            coupled=("vm.overcommit_ratio",),
        ),
        # The pool of the default size under its sysctl name; the kernel spreads it over the nodes.
        Knob(
            "vm.nr_hugepages",
            "/proc/sys/vm/nr_hugepages",
            low=0,
            high=_PAGES_MAX,
            unit="pages",
            undo=BEST_EFFORT,
            doubt=_POOL_DOUBT,
        ),
        *(_pool(size) for size in HUGE_PAGE_SIZES_KIB),
        Knob("vm.swappiness", "/proc/sys/vm/swappiness", low=0, high=200),
        *_dirty("dirty"),
        *_dirty("dirty_background"),
        Knob(
            "vm.min_free_kbytes",
            "/proc/sys/vm/min_free_kbytes",
            low=0,
            high=2**40,
            unit="KiB",
            turn=1,
            undo=BEST_EFFORT,
            doubt="once written, the kernel keeps it as it is until the next boot",
            offered=False,
        ),
        Knob(
            "thp.enabled",
            _THP + "enabled",
            choices=("always", "madvise", "never"),
            coupled=("vm.min_free_kbytes",),
            persist="tmpfiles",
        ),
        Knob(
            "thp.defrag",
            _THP + "defrag",
            choices=("always", "defer", "defer+madvise", "madvise", "never"),
            persist="tmpfiles",
        ),
        # 4 is taken by the kernel but means nothing: the documentation ends at 3.
        Knob(
            "kernel.numa_balancing",
            "/proc/sys/kernel/numa_balancing",
            low=0,
            high=3,
            capability="CAP_SYS_ADMIN",
        ),
        Knob(
            "cpu.governor",
            _POLICY + "scaling_governor",
            scope=POLICY,
            modules=GOVERNOR_MODULES,
            listed_in=_POLICY + "scaling_available_governors",
            coupled=("cpu.epp",),
            turn=2,
            persist="tmpfiles",
        ),
        # Under the governor performance nothing but performance is taken: EBUSY.
        Knob(
            "cpu.epp",
            _POLICY + "energy_performance_preference",
            scope=POLICY,
            choices=("performance", "balance_performance", "balance_power", "power"),
            listed_in=_POLICY + "energy_performance_available_preferences",
            turn=3,
            persist="tmpfiles",
        ),
        Knob(
            "block.scheduler",
            _QUEUE + "scheduler",
            scope=DISK,
            modules=SCHEDULER_MODULES,
            coupled=(
                "block.nr_requests",
                *(_OPTION + name for name in SCHEDULER_OPTIONS),
                "block.read_ahead_kb",
            ),
            turn=2,
            persist="udev",
        ),
        Knob(
            "block.nr_requests",
            _QUEUE + "nr_requests",
            scope=DISK,
            low=4,
            high=65536,
            unit="requests",
            coupled=(_OPTION + "async_depth",),
            turn=3,
            persist="udev",
            rounds=True,
        ),
        *map(_option, SCHEDULER_OPTIONS),
        # The kernel raises reading ahead to twice this, and never lowers it again.
        Knob(
            "block.max_sectors_kb",
            _QUEUE + "max_sectors_kb",
            scope=DISK,
            low=4,
            high=2**31 - 1,
            most_in=_QUEUE + "max_hw_sectors_kb",
            unit="KiB",
            coupled=("block.read_ahead_kb",),
            turn=5,
            persist="udev",
            rounds=True,
        ),
        Knob(
            "block.read_ahead_kb",
            _QUEUE + "read_ahead_kb",
            scope=DISK,
            low=0,
            high=2**32 - 1,
            unit="KiB",
            turn=6,
            persist="udev",
            rounds=True,
        ),
    )
}

# The pools that `vm.nr_hugepages` may be another name of.
POOLS: tuple[str, ...] = tuple(f"hugepages.{size}kB" for size in HUGE_PAGE_SIZES_KIB)


def instance_is_well_formed(knob: Knob, instance: str) -> bool:
    """Whether `instance` could name one of the knob's instances: grammar only, not existence."""
    if not instance:
        return knob.scope == GLOBAL or knob.quantity
    grammar = _INSTANCE.get(knob.scope)
    return grammar is not None and grammar.fullmatch(instance) is not None


def other_half(knob: Knob) -> Knob | None:
    """The knob that says the same in other words, `vm.dirty_ratio` of `vm.dirty_bytes`, or None.

    Of two halves one counts and the other is 0.
    """
    return next((KNOBS[name] for name in knob.coupled if knob.id in KNOBS[name].coupled), None)


def writes(knob: Knob, value: str) -> tuple[tuple[Knob, str], ...]:
    """What is written where `knob` is to hold `value`: nearly always that.

    Where both halves are to be 0, the kernel may not take that of one (`vm.dirty_bytes`), and of
    the other only as a change from something else. Where the other half is not to be 0, it is
    written first, which is enough.
    """
    half = other_half(knob)
    if half is None or value != "0" or not knob.low:
        return ((knob, value),)
    return ((half, "1"), (half, value))


def parse_listed(text: str) -> tuple[str, tuple[str, ...]]:
    """Read a file that lists its choices, as `always [madvise] never`.

    Returns:
        The word in brackets and all words in the file's order. The kernel puts no brackets where
        nothing can be chosen (a bio-based disk's bare `none`); then there are no words to choose.
    """
    words = text.split()
    chosen = [word[1:-1] for word in words if word.startswith("[") and word.endswith("]")]
    if len(chosen) != 1:
        return (words[0] if len(words) == 1 else ""), ()
    return chosen[0], tuple(word.strip("[]") for word in words)


def canonical(knob: Knob, text: str) -> str:
    """The value as everybody writes it: the chosen word of a list, a number without blanks."""
    text = text.strip()
    return parse_listed(text)[0] if "[" in text else text


def refusal(knob: Knob, value: str, listed: tuple[str, ...] = ()) -> str | None:
    """Say why `value` cannot be written to `knob`, or None if it can.

    Args:
        knob: What is to be written.
        value: The wanted value as the client gave it.
        listed: The words the kernel lists now, for a choice without words of its own.
    """
    if knob.high is not None and knob.low is not None:
        if _INTEGER.fullmatch(value) is None:
            return f"{knob.id} takes a whole number from {knob.low} to {knob.high}"
        if not knob.low <= int(value) <= knob.high:
            return f"{knob.id} takes {knob.low} to {knob.high}"
        return None
    if knob.choices:
        possible = tuple(word for word in knob.choices if not listed or word in listed)
    else:
        possible = listed + tuple(word for word in knob.modules if listed and word not in listed)
    if _WORD.fullmatch(value) is None or value not in possible:
        return f"{knob.id} takes one of: {', '.join(possible) or 'nothing here'}"
    return None


def table_hash() -> str:
    """A digest of the table, by which an app sees that its helper knows other knobs than it."""
    text = json.dumps([list(knob) for knob in KNOBS.values()], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
