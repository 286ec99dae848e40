"""What cannot be done on a machine because of its kernel, and what stands before its settings."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from aitune_backends.changes import shown
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import counted, text
from aitune_backends.probes.block import disk_names
from aitune_backends.probes.cpufreq import policy_names
from aitune_backends.probes.numbers import cpu_list, parse_cpu_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.host import Host

NO_CPUFREQ = (
    "This kernel offers no CPU frequency control. Usual in a virtual machine: set it on the host."
)
_NO_DRIVER = (
    "This kernel offers no CPU frequency control: no driver took the processor. The firmware may "
    "keep it to itself."
)
_NO_DRIVER_HINT = (
    "Look in the firmware's setup for the operating system's control of P-states. On an AMD server "
    "amd_pstate=active on the kernel's command line asks for its driver."
)
_LOCKDOWN = "/sys/kernel/security/lockdown"
_HIDEPID = r"^proc /proc proc \S*\bhidepid=(?:1|2|4|noaccess|invisible|ptraceable)\b"
_CPU = "/sys/devices/system/cpu"


def findings(host: Host) -> Iterator[Finding]:
    """What the kernel lacks, locks and hides."""
    yield from _missing(host)
    yield from _offline(host)
    yield from _locked(host)
    if host.is_this_machine:
        yield from _read_only()


def _missing(host: Host) -> Iterator[Finding]:
    captured = host.origin == "capture"
    if not policy_names(host):
        virtual = is_virtual(host)
        sentence = _absent(captured, "cpufreq", NO_CPUFREQ if virtual else _NO_DRIVER)
        hint = "" if captured or virtual else _NO_DRIVER_HINT
        yield Finding("no-cpufreq", "No CPU frequency control", sentence, hint)
    if not host.names("/sys/kernel/mm/hugepages"):
        sentence = "This kernel has no huge pages: the processor or the kernel lacks them."
        sentence = _absent(captured, "/sys/kernel/mm/hugepages", sentence)
        yield Finding("no-huge-pages", "No huge pages", sentence)
    if not host.exists("/sys/kernel/mm/transparent_hugepage/enabled"):
        sentence = "This kernel was built without transparent huge pages."
        yield Finding("no-thp", "No transparent huge pages", _absent(captured, "THP", sentence))
    if not host.names("/proc/pressure"):
        sentence = "This kernel does not measure pressure: stalls are not shown."
        hint = "" if captured else "psi=1 on the kernel's command line switches it on, if built in."
        sentence = _absent(captured, "/proc/pressure", sentence)
        yield Finding("no-pressure", "No pressure", sentence, hint, source=sources.PSI)
    if not disk_names(host):
        sentence = "No block device is to be seen: usual in a container."
        yield Finding("no-disks", "No disks", _absent(captured, "disk", sentence))


def _absent(captured: bool, what: str, sentence: str) -> str:
    """Of a capture it cannot be said what its machine lacked."""
    return f"{what} is not in this capture." if captured else sentence


def is_virtual(host: Host) -> bool:
    """Whether the processor says that a hypervisor runs it (x86), or the kernel names one."""
    if host.exists("/sys/hypervisor/type"):
        return True
    # The first processor's flags are enough, and the file of 512 of them is long.
    try:
        fd = host.open("/proc/cpuinfo")
    except (OSError, ValueError):
        return False
    try:
        return re.search(rb"^flags\s*:.*\bhypervisor\b", os.pread(fd, 1 << 14, 0), re.M) is not None
    except OSError:
        return False
    finally:
        os.close(fd)


def _offline(host: Host) -> Iterator[Finding]:
    present = set(parse_cpu_list(host.first_line(f"{_CPU}/present") or ""))
    online = set(parse_cpu_list(host.first_line(f"{_CPU}/online") or ""))
    gone = present - online
    if gone and online:
        yield Finding(
            "cpus-offline",
            f"{counted(len(gone), 'CPU')} offline",
            f"CPU {shown(cpu_list(gone))} is offline: nothing runs there, and its governor can "
            "neither be read nor set.",
            f"`echo 1 > {_CPU}/cpuN/online` as root brings one back.",
        )


def _locked(host: Host) -> Iterator[Finding]:
    if host.first_line("/proc/sys/kernel/modules_disabled") == "1":
        yield Finding(
            "modules-locked",
            "Modules are locked",
            "No kernel module can be loaded until the next boot: schedulers and governors that "
            "are modules cannot be chosen.",
            source=sources.SYSCTL_KERNEL,
        )
    lockdown = re.search(r"\[(integrity|confidentiality)\]", text(host, _LOCKDOWN))
    if lockdown:
        yield Finding(
            "lockdown",
            "Kernel lockdown",
            f"The kernel is locked down: {lockdown[1]}. Settings can be changed; unsigned modules "
            "cannot be loaded.",
        )
    if re.search(_HIDEPID, text(host, "/proc/mounts"), re.MULTILINE):
        yield Finding(
            "hidepid",
            "Processes are hidden",
            "/proc is mounted with hidepid: loads of other users are seen by root alone.",
        )
    if host.first_line("/sys/fs/selinux/enforce") == "1":
        yield Finding(
            "selinux",
            "SELinux enforces",
            "A write that root is refused with `permission denied` may be its doing.",
            "`ausearch -m AVC -ts recent` lists what it denied.",
            "info",
        )
    if host.is_this_machine:
        yield from _profile(host.first_line("/proc/self/attr/current") or "")


def _profile(profile: str) -> Iterator[Finding]:
    """AppArmor's profile of this process: `docker-default (enforce)`, `unconfined`."""
    found = re.fullmatch(r"(.{1,200}) \(enforce\)\0?", profile)
    if found:
        yield Finding(
            "apparmor",
            "Confined by AppArmor",
            f"This process runs under the profile {shown(found[1])}: it may be refused files that "
            "others can read.",
            "`journalctl -k -g apparmor=` lists what was denied.",
        )


def _read_only() -> Iterator[Finding]:
    for tree, name in (("/proc/sys", "sysctls-read-only"), ("/sys", "sys-read-only")):
        try:
            read_only = bool(os.statvfs(tree).f_flag & os.ST_RDONLY)
        except OSError:
            continue
        if read_only:
            yield Finding(
                name,
                f"{tree} is read-only",
                f"{tree} is mounted read-only: nothing below it can be changed from here.",
                "In a container run aitune-tui on the host; elsewhere "
                f"`mount -o remount,rw {tree}` as root, if that is yours to decide.",
                "problem",
            )
