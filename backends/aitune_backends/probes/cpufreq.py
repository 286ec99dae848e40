"""CPU frequency policies: the unit in which governors and limits are set."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from aitune_backends.probes.numbers import first_line, natural, parse_cpu_list
from aitune_backends.readings import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.host import Host

DIRECTORY = "/sys/devices/system/cpu/cpufreq"
OFFLINE = "its CPUs are offline"


def policy_names(host: Host) -> tuple[str, ...]:
    """The policies the kernel lists, by number; () on a machine without frequency control."""
    names = [name for name in host.names(DIRECTORY) if re.fullmatch(r"policy[0-9]{1,5}", name)]
    return tuple(sorted(names, key=natural))


def read_policy(read: Callable[[str], str], name: str) -> Policy:
    """Everything about one policy.

    Args:
        read: Reads a file; raises OSError where there is none. A policy whose CPUs are offline
            answers every read with EBUSY: its values are None then, and `error` says why.
        name: `policy3`.
    """
    directory = f"{DIRECTORY}/{name}"
    error = ""

    def text(file: str) -> str:
        nonlocal error
        try:
            return first_line(read(f"{directory}/{file}"))
        except OSError as fault:
            if fault.errno == errno.EBUSY:
                error = OFFLINE
            elif fault.errno not in (errno.ENOENT, errno.EACCES):
                error = error or f"{file}: {fault.strerror or fault}"
        return ""

    related = text("related_cpus") or text("affected_cpus")
    return Policy(
        name=name,
        cpus=parse_cpu_list(related) or (int(name[len("policy") :]),),
        driver=text("scaling_driver"),
        governor=text("scaling_governor") or None,
        governors=tuple(text("scaling_available_governors").split()),
        current_khz=parse_khz(text("scaling_cur_freq")),
        min_khz=parse_khz(text("scaling_min_freq")),
        max_khz=parse_khz(text("scaling_max_freq")),
        hardware_min_khz=parse_khz(text("cpuinfo_min_freq")),
        hardware_max_khz=parse_khz(text("cpuinfo_max_freq")),
        preference=text("energy_performance_preference") or None,
        preferences=tuple(text("energy_performance_available_preferences").split()),
        error=error,
    )


def parse_khz(text: str | bytes) -> int | None:
    """A frequency in kHz; None for `<unknown>`, `<unsupported>`, 0 and anything else."""
    try:
        khz = int(text)
    except ValueError:
        return None
    return khz if khz > 0 else None
