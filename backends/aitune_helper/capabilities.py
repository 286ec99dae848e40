"""What root may do beyond its own files: nothing, but for the one write that needs a capability.

Root without capabilities still writes every knob whose file is root's. The few knobs that need a
capability all the same say so in the table; it stays permitted, and is raised around that write.
Numbers and layouts are those of capabilities(7) and linux/capability.h.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING

from aitune_helper import files, kernelfs, libc
from aitune_helper.kernelfs import RealKernel
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_helper.kernelfs import KernelIO

NUMBERS = {"CAP_SYS_ADMIN": 21}

_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522
_NODES_ONLINE = "/sys/devices/system/node/online"
_STATUS = "/proc/self/status"


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    """Half of the three sets: the second one holds capabilities from 32 on."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def needed(kernel: KernelIO) -> tuple[str, ...]:
    """The capabilities that knobs of this machine need.

    A machine of one node has nothing to balance between nodes, so it does without.
    """
    try:
        nodes = kernel.read(_NODES_ONLINE).strip()
    except OSError:
        return ()
    if nodes.isdigit():
        return ()
    found = {knob.capability for knob in KNOBS.values() if kernelfs.exists(kernel, knob)}
    return tuple(sorted(found - {""}))


def drop(keep: tuple[str, ...]) -> Layer:
    """Give up every capability for good; those of `keep` stay permitted, and none is in effect.

    Returns:
        Whether nothing else is left, as the kernel says.
    """
    last = int(files.read_file("/proc/sys/kernel/cap_last_cap") or b"63")
    for number in range(last + 1):
        # Without CAP_SETPCAP the bounding set stays; it counts at exec, of which there is none.
        with contextlib.suppress(OSError):
            if libc.prctl(_PR_CAPBSET_READ, number):
                libc.prctl(_PR_CAPBSET_DROP, number)
    with contextlib.suppress(OSError):
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    had = sets_of_self()["CapPrm"]
    permitted = _mask(keep) & had
    try:
        _set(permitted=permitted, effective=0)
    except OSError as error:
        return Layer("capabilities", held=False, note=error.strerror or "")
    return _report(keep, sets_of_self())


def _report(keep: tuple[str, ...], sets: dict[str, int]) -> Layer:
    """Say what is left."""
    notes = [f"{name} for one setting" for name in keep if _mask((name,)) & sets["CapPrm"]]
    notes += [f"no {name}: its setting cannot be written" for name in keep
              if not _mask((name,)) & sets["CapPrm"]]  # fmt: skip
    if sets["CapBnd"] & ~_mask(keep):
        notes.append("the bounding set could not be emptied")
    others = sets["CapPrm"] & ~_mask(keep) | sets["CapEff"] | sets["CapInh"] | sets["CapAmb"]
    return Layer("capabilities", not others, "; ".join(notes) or "none")


@contextlib.contextmanager
def raised(name: str) -> Iterator[None]:
    """Have one capability in effect, if it was kept; without it the kernel says EPERM."""
    permitted = sets_of_self()["CapPrm"]
    _set(permitted=permitted, effective=permitted & _mask((name,)))
    try:
        yield
    finally:
        _set(permitted=permitted, effective=0)


class CapableKernel(RealKernel):
    """The running kernel, with a knob's capability raised for the write of its file alone."""

    def __init__(self) -> None:
        super().__init__()
        self._needs = {knob.path: knob.capability for knob in KNOBS.values() if knob.capability}

    def write(self, path: str, value: str) -> None:
        """Write; see `RealKernel.write`."""
        with contextlib.ExitStack() as stack:
            if path in self._needs:
                stack.enter_context(raised(self._needs[path]))
            super().write(path, value)


def sets_of_self() -> dict[str, int]:
    """The five sets of this thread, as /proc has them: `CapPrm`, `CapEff`…, as masks."""
    text = (files.read_file(_STATUS) or b"").decode("ascii", "replace")
    pairs = (line.split(":") for line in text.splitlines() if line.startswith("Cap"))
    return {name: int(mask, 16) for name, mask in pairs}


def _mask(names: tuple[str, ...]) -> int:
    return sum(1 << NUMBERS[name] for name in names)


def _set(*, permitted: int, effective: int) -> None:
    """`capset(2)` for this thread; nothing is inheritable."""
    half = 0xFFFFFFFF
    data = (_Sets * 2)(
        _Sets(effective & half, permitted & half, 0), _Sets(effective >> 32, permitted >> 32, 0)
    )
    libc.call("capset", ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(data))
