"""The settings that this kernel has, and a value for each that it does not hold now."""

from __future__ import annotations

from pathlib import Path

from aitune_helper import kernelfs, plan
from aitune_helper.kernelfs import RealKernel
from aitune_helper.knobs import DISK, KNOBS, Knob

# What is not tried on this kernel, and why.
_NEVER = {
    "vm.min_free_kbytes": "written, it would be pinned until the next boot",
    "vm.panic_on_oom": "a test of this machine that runs out of memory would stop it",
    "vm.overcommit_memory": "strict accounting may fail whatever runs beside the test",
    "vm.nr_hugepages": "the pool is tried in test_pages_real",
}
_TRIED = {"cpu.idle_latency": "70", "zswap.compressor": "lzo-rle", "thp.shmem_enabled": "advise"}
_WEIGHTS = Path("/sys/kernel/mm/mempolicy/weighted_interleave")


def knobs_here() -> list[Knob]:
    """All that are offered and here, but those of disks, and pools."""
    kernel = RealKernel()
    return [
        knob
        for knob in KNOBS.values()
        if knob.offered and knob.scope != DISK and not knob.quantity
        and kernelfs.instances(kernel, knob)
    ]  # fmt: skip


def why_not(knob: Knob) -> str:
    """Why a setting is not tried here; "" for nearly all."""
    kernel = RealKernel()
    fixed = KNOBS.get(plan.meant(kernel, knob), knob).fixed
    if knob.id in _NEVER or fixed:
        return _NEVER.get(knob.id, fixed)
    nodes = kernel.read("/sys/devices/system/node/online").strip()
    if knob.id == "kernel.numa_balancing" and nodes.isdigit():
        return "this machine has one node"
    if knob.id == "zswap.compressor" and "lzo-rle" not in Path("/proc/crypto").read_text():
        return "this kernel has no second compressor"
    if knob.id == "numa.weighted_interleave" and _weights_are_automatic():
        return "set by hand, weights are no longer the kernel's until the next boot"
    return ""


def _weights_are_automatic() -> bool:
    # Linux 6.18 calls it so: `auto` is a macro there.
    files = (_WEIGHTS / name for name in ("auto", "__auto_type"))
    return any(file.exists() and file.read_text().strip() in ("true", "Y", "1") for file in files)


def another(knob: Knob, instance: str) -> str:
    """A value that the table lets through and that is not there now."""
    now = plan.reading(RealKernel(), knob, instance)
    if knob.id in _TRIED:
        assert now != _TRIED[knob.id], "meant for a machine as it comes up"
        return _TRIED[knob.id]
    if not knob.is_integer:
        return next(word for word in knob.choices if word != now)
    assert knob.high is not None
    assert knob.low is not None
    return str(max(int(now) + 1, knob.low) if int(now) < knob.high else int(now) - 1)
