"""The settings under which a load was timed: read just before it, kept with its result."""

from __future__ import annotations

import os
import socket
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.loads.records import Place
from aitune_backends.public_state import PublicFile
from aitune_helper.kernelfs import KernelIO, instances
from aitune_helper.knobs import DISK, GLOBAL, KNOBS, Knob
from aitune_helper.plan import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def this_place(kernel: KernelIO, files: Sequence[str]) -> Place:
    """Here and now, with every offered knob in force; of disks, those the files lie on."""
    return Place(
        at=time.time(),
        host=socket.gethostname(),
        machine=machine_hash(),
        boot=_line(Path("/proc/sys/kernel/random/boot_id")),
        kernel=os.uname().release,
        trial=_pending_trial(),
        settings=settings_in_force(kernel, files),
    )


def _pending_trial() -> str:
    public = PublicFile().read()
    return public.pending.id if public is not None and public.pending is not None else ""


def machine_hash(machine_id: Path = Path("/etc/machine-id")) -> str:
    """What tells this machine from another in a shared home, without giving its id away."""
    text = _line(machine_id)
    # machine-id(5) asks that the id itself stay on the machine: only a hash of ours leaves it.
    return sha256(f"aitune-tui {text}".encode()).hexdigest()[:16] if text else ""


def settings_in_force(kernel: KernelIO, files: Sequence[str]) -> Mapping[str, str]:
    """`knob` or `knob@instance` -> value, of every offered knob that can be read.

    Where all instances of a knob agree, one entry without an instance stands for them.
    """
    disks = disks_below(files)
    found: dict[str, str] = {}
    for knob in KNOBS.values():
        if knob.offered:
            found.update(_one_knob(kernel, knob, disks))
    return found


def _one_knob(kernel: KernelIO, knob: Knob, disks: frozenset[str]) -> dict[str, str]:
    if knob.scope == GLOBAL or knob.quantity:
        names: tuple[str, ...] = ("",)
    else:
        names = instances(kernel, knob)
        if knob.scope == DISK:
            names = tuple(name for name in names if name in disks)
    values: dict[str, str] = {}
    for name in names:
        try:
            values[name] = reading(kernel, knob, name)
        except (OSError, ValueError):
            continue  # absent here, or a CPU offline
    if len(values) > 1 and len(set(values.values())) == 1:
        return {knob.id: next(iter(values.values()))}
    return {f"{knob.id}@{name}" if name else knob.id: value for name, value in values.items()}


def disks_below(files: Sequence[str], sys_root: Path = Path("/sys")) -> frozenset[str]:
    """Names of the disks that the files lie on, with the members of an array."""
    found: set[str] = set()
    for device in {_device(file) for file in files}:
        if device is not None:
            _add_disk(sys_root / "dev/block" / f"{os.major(device)}:{os.minor(device)}", found)
    return frozenset(found)


def _add_disk(node: Path, found: set[str]) -> None:
    if not node.exists():
        return  # a file system without a block device of its own: nfs, overlay, btrfs
    disk = node.resolve()
    if (disk / "partition").exists():
        disk = disk.parent
    if disk.name in found:
        return
    found.add(disk.name)
    slaves = disk / "slaves"
    for slave in slaves.iterdir() if slaves.is_dir() else ():
        _add_disk(slave, found)


def _device(file: str) -> int | None:
    try:
        return Path(file).stat().st_dev
    except OSError:
        return None


def _line(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
