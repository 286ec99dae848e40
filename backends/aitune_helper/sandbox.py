"""Confining this process for good, in the one order that works, and saying what was had of it.

Directories first, since Landlock's rules hold on to what is there; groups before the capability
that they need; Landlock and the capabilities before the filter that takes away the calls for them.
A kernel without one of these gives the others: what is missing is said, not fatal.
"""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from aitune_helper import capabilities, landlock, places, seccomp
from aitune_helper.messages import Layer

if TYPE_CHECKING:
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.places import Places


def enter(kernel: KernelIO, here: Places, program: str) -> tuple[Layer, ...]:
    """Confine this process, and whatever it forks from now on.

    After this it can import nothing but its own modules and run nothing at all. Entering twice
    does no harm: a guardian that is forked later does.

    Args:
        kernel: Says whether a knob of this machine needs a capability.
        here: Where our own files lie; prepared.
        program: The file we were started from.

    Returns:
        What holds, layer by layer.
    """
    places.prepare_dropins(here)
    _take_groups()
    limits = _limits()
    no_new_privs = seccomp.no_new_privs()
    files = landlock.restrict(landlock.ways(here, program))
    rights = capabilities.drop(capabilities.needed(kernel))
    return (rights, no_new_privs, files, seccomp.restrict(), limits)


def _take_groups() -> None:
    """Be in the group that reads the journal: a new file is given to it without CAP_CHOWN."""
    group = places.journal_group()
    wanted = [0] if group is None else [0, group]
    if sorted(os.getgroups()) != sorted(wanted):
        try:
            os.setgroups(wanted)
        except OSError:
            return  # the journal is then root's alone, as where there is no such group


def _limits() -> Layer:
    """What `surroundings.close_off` set: no core dumps, few descriptors, no large files."""
    cores, descriptors, bytes_ = (
        resource.getrlimit(limit)[1]
        for limit in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)
    )
    held = cores == 0 and 0 < descriptors <= 256 and 0 < bytes_ <= 64 * 2**20
    return Layer("limits", held, f"{descriptors} descriptors, files of {bytes_ >> 20} MiB")
