"""The knobs of disks: the files of a queue, and the options that a scheduler brings."""

from __future__ import annotations

from aitune_helper.knob import BEST_EFFORT, DISK, Knob

# Schedulers that come as modules: valid though the file does not list them yet.
SCHEDULER_MODULES = ("none", "mq-deadline", "kyber", "bfq")

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

_QUEUE = "/sys/block/{instance}/queue/"
_OPTION = "block.iosched."
# The kernel takes centuries. Ten seconds of waiting throttle nothing any more.
_LATENCY_US_MAX = 10_000_000
_WBT_DOUBT = "once written, a scheduler no longer switches it on or off by itself"


def _option(name: str) -> Knob:
    """An option of a scheduler: it comes and goes with it, so it is only ever put back."""
    return Knob(
        _OPTION + name,
        f"{_QUEUE}iosched/{name}",
        scope=DISK,
        low=0,
        high=2**63 - 1,
        follows=True,
        turn=4,
        persist="udev",
        offered=False,
    )


def _flag(name: str, high: int) -> Knob:
    """A small number. The kernel takes more, and keeps another one than it was given."""
    return Knob(f"block.{name}", _QUEUE + name, scope=DISK, low=0, high=high, persist="udev")


BLOCK = (
    Knob(
        "block.scheduler",
        _QUEUE + "scheduler",
        scope=DISK,
        modules=SCHEDULER_MODULES,
        coupled=(
            "block.nr_requests",
            *(_OPTION + name for name in SCHEDULER_OPTIONS),
            "block.wbt_lat_usec",
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
    # bfq switches it off, and whoever follows bfq on again, unless it was ever set by hand.
    Knob(
        "block.wbt_lat_usec",
        _QUEUE + "wbt_lat_usec",
        scope=DISK,
        low=0,
        high=_LATENCY_US_MAX,
        unit="us",
        follows=True,
        turn=4,
        undo=BEST_EFFORT,
        doubt=_WBT_DOUBT,
        persist="udev",
    ),
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
    _flag("nomerges", 2),
    _flag("rq_affinity", 2),
    _flag("iostats", 1),
)
