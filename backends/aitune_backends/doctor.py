"""What this machine cannot do, why, and what would change that."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aitune_backends.probes.block import disk_names
from aitune_backends.probes.cpufreq import policy_names
from aitune_backends.public_state import seconds_left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.changes import Wanted
    from aitune_backends.host import Host
    from aitune_backends.machine import Machine

NO_CPUFREQ = (
    "This kernel offers no CPU frequency control. Usual in a virtual machine: set it on the host."
)
_LOCKDOWN = "/sys/kernel/security/lockdown"
_HIDEPID = r"^proc /proc proc \S*\bhidepid=(?:1|2|4|noaccess|invisible|ptraceable)\b"
Severity = Literal["problem", "limit", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a machine.

    Attributes:
        title: A few words for a list.
        sentence: What is true now, and what it means.
        hint: What to do about it, or "".
        severity: `problem` asks for the operator; `limit` is something this machine cannot do;
            `info` is good to know.
        fix: Changes that would mend it, to be planned as they are; () where no setting would.
    """

    title: str
    sentence: str
    hint: str = ""
    severity: Severity = "limit"
    fix: tuple[Wanted, ...] = ()


def findings(machine: Machine) -> tuple[Finding, ...]:
    """Everything to be said of a machine, what asks for the operator first."""
    host = machine.host
    found = [*_of_kernel(host), *_of_settings(host)]
    if host.is_this_machine:
        found += [*_of_trial(machine), *_of_container(machine), *_of_helper(), *_of_rights(host)]
    elif machine.why_not_writable:
        found.append(Finding("Looking only", machine.why_not_writable, severity="info"))
    order = ("problem", "limit", "info")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _of_kernel(host: Host) -> Iterator[Finding]:
    captured = host.origin == "capture"
    if not policy_names(host):
        yield Finding("No CPU frequency control", _absent(captured, "cpufreq", NO_CPUFREQ))
    if not host.names("/sys/kernel/mm/hugepages"):
        sentence = "This kernel has no huge pages: the processor or the kernel lacks them."
        yield Finding("No huge pages", _absent(captured, "/sys/kernel/mm/hugepages", sentence))
    if not host.exists("/sys/kernel/mm/transparent_hugepage/enabled"):
        sentence = "This kernel was built without transparent huge pages."
        yield Finding("No transparent huge pages", _absent(captured, "THP", sentence))
    if not host.names("/proc/pressure"):
        sentence = "This kernel does not measure pressure: stalls are not shown."
        hint = "" if captured else "psi=1 on the kernel's command line switches it on, if built in."
        yield Finding("No pressure", _absent(captured, "/proc/pressure", sentence), hint)
    if not disk_names(host):
        sentence = "No block device is to be seen: usual in a container."
        yield Finding("No disks", _absent(captured, "disk", sentence))


def _absent(captured: bool, what: str, sentence: str) -> str:
    """Of a capture it cannot be said what its machine lacked."""
    return f"{what} is not in this capture." if captured else sentence


def _of_settings(host: Host) -> Iterator[Finding]:
    if host.first_line("/proc/sys/kernel/modules_disabled") == "1":
        yield Finding(
            "Modules are locked",
            "No kernel module can be loaded until the next boot: schedulers and governors that "
            "are modules cannot be chosen.",
        )
    lockdown = re.search(r"\[(integrity|confidentiality)\]", _text(host, _LOCKDOWN))
    if lockdown:
        yield Finding("Kernel lockdown", f"The kernel is locked down: {lockdown[1]}.")
    if re.search(_HIDEPID, _text(host, "/proc/mounts"), re.MULTILINE):
        yield Finding(
            "Processes are hidden",
            "/proc is mounted with hidepid: loads of other users are seen by root alone.",
        )


def _of_trial(machine: Machine) -> Iterator[Finding]:
    state = machine.link.state() if machine.link is not None else None
    if state is None or state.pending is None:
        return
    trial = state.pending
    left = seconds_left(trial)
    if left is not None and left < 0:
        yield Finding(
            "A trial is overdue",
            f"Trial {trial.number} of {trial.owner_name} should have been put back "
            f"{-left:.0f} s ago: its timer and its helper are gone.",
            f"`aitune-tui revert {trial.id}` puts it back.",
            "problem",
        )


def _of_container(machine: Machine) -> Iterator[Finding]:
    kind = machine.identity.container
    for tree in ("/proc/sys", "/sys"):
        try:
            read_only = bool(os.statvfs(tree).f_flag & os.ST_RDONLY)
        except OSError:
            continue
        if read_only and kind:
            yield Finding(
                f"{tree} is read-only",
                f"{tree} is mounted read-only. You are in a container: run aitune-tui on the host "
                "to change settings.",
                severity="problem",
            )
        elif read_only:
            yield Finding(
                f"{tree} is read-only",
                f"{tree} is mounted read-only: nothing below it can be changed.",
                f"`mount -o remount,rw {tree}` as root, if that is yours to decide.",
                "problem",
            )
    if kind:
        yield Finding(
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
            "Helper",
            f"The root helper: {helper.sentence}",
            "`aitune-tui helper install` installs it; looking needs none.",
            "info" if helper.path is None else "problem",
        )


def _of_rights(host: Host) -> Iterator[Finding]:
    if not host.exists("/run/udev/control"):
        yield Finding(
            "No udevd",
            "No udevd runs: disks are seen through the kernel's own messages, and udev rules "
            "have no effect.",
            severity="info",
        )
    if os.geteuid() != 0:
        yield Finding(
            "Other users' processes",
            "Model loads of other users' processes are seen by root alone.",
            severity="info",
        )


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except OSError:
        return ""
