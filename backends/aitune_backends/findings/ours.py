"""What stands between this program and the machine: its helper, its trial, its rights."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from aitune_backends.findings import leftovers, sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import counted, size, text
from aitune_backends.public_state import seconds_left

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitune_backends.host import Host
    from aitune_backends.machine import Machine

_HELPER = re.compile(r"\0[^\0]*/(?:aitune-helper\.pyz|aitune-bin/[0-9a-f]{64}[^\0/]*)\0")


def findings(machine: Machine, commands: Mapping[int, str]) -> Iterator[Finding]:
    """Why something of ours does not work here, what it costs, and what was left behind.

    Args:
        machine: The machine.
        commands: The arguments of its processes, separated by NUL.
    """
    host = machine.host
    yield from leftovers.findings(host)
    if host.is_this_machine:
        yield from _of_trial(machine)
        yield from _of_container(machine)
        yield from _of_helper()
        yield from _of_rights(host)
        yield from helpers_cost(host, commands)
    elif machine.why_not_writable:
        yield Finding("looking-only", "Looking only", machine.why_not_writable, severity="info")


def _of_trial(machine: Machine) -> Iterator[Finding]:
    state = machine.link.state() if machine.link is not None else None
    if state is None or state.pending is None:
        return
    trial = state.pending
    left = seconds_left(trial)
    if left is not None and left < 0:
        yield Finding(
            "trial-overdue",
            "A trial is overdue",
            f"Trial {trial.number} of {trial.owner_name} should have been put back "
            f"{-left:.0f} s ago: its timer and its helper are gone.",
            f"`aitune-tui revert {trial.id}` puts it back.",
            "problem",
        )


def _of_container(machine: Machine) -> Iterator[Finding]:
    kind = machine.identity.container
    if kind:
        yield Finding(
            "container",
            "In a container",
            f"This is a container ({kind}): its settings are those of the host, and if it stops, "
            "nothing is put back.",
            "Run aitune-tui on the host; here writing needs --force.",
            "problem",
        )


def _of_helper() -> Iterator[Finding]:
    from aitune_backends.installer import status  # packs the helper's sources to compare

    helper = status()
    if os.geteuid() == 0 and helper.path is None:
        return  # root starts its own copy
    if helper.path is None or helper.problem or not helper.is_current:
        yield Finding(
            "helper",
            "Helper",
            f"The root helper: {helper.sentence}",
            "`aitune-tui helper install` installs it; looking needs none.",
            "info" if helper.path is None else "problem",
        )


def _of_rights(host: Host) -> Iterator[Finding]:
    if not host.exists("/run/udev/control"):
        yield Finding(
            "no-udevd",
            "No udevd",
            "No udevd runs: disks are seen through the kernel's own messages, and udev rules "
            "have no effect.",
            severity="info",
        )
    if os.geteuid() == 0:
        return
    yield Finding(
        "others-hidden",
        "Other users' processes",
        "Model loads of other users' processes are seen by root alone.",
        severity="info",
    )
    if re.search(r"^NoNewPrivs:\s*1$", text(host, "/proc/self/status"), re.MULTILINE):
        yield Finding(
            "no-new-privs",
            "sudo cannot help here",
            "This session may not gain rights (no_new_privs): sudo fails, so nothing can be "
            "changed from it.",
            "Start from another session; a container needs --security-opt no-new-privileges=false.",
            source=sources.NO_NEW_PRIVS,
        )


def helpers_cost(host: Host, commands: Mapping[int, str]) -> Iterator[Finding]:
    """What the root helpers that run now take of the memory."""
    pids = [pid for pid, arguments in commands.items() if _HELPER.search(f"\0{arguments}\0")]
    taken = 0
    for pid in pids:
        found = re.search(r"^VmRSS:\s*([0-9]{1,12}) kB$", text(host, f"/proc/{pid}/status"), re.M)
        taken += int(found[1]) << 10 if found else 0
    if taken:
        yield Finding(
            "helper-memory",
            "The root helper runs",
            f"{counted(len(pids), 'process', 'processes')} of it, guardians included, take "
            f"{size(taken)} of memory. They end by themselves after ten minutes without work.",
            severity="info",
        )
