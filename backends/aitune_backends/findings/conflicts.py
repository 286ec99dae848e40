"""Services that set the same things, or that undo what an operator sets here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.changes import Wanted, brief_list, shown
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.managers import read_managers
from aitune_backends.probes.hugepages import read_pools

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_backends.findings.pci import Device
    from aitune_backends.host import Host
    from aitune_backends.managers import Manager

_REAPPLIED = ("/etc/sysctl", "/run/sysctl")
# Of several that set the same, the one that is worth keeping on a server comes first.
_BY_WORTH = ("tuned", "cpupower", "power-profiles-daemon", "tlp", "auto-cpufreq")


def findings(host: Host, devices: Sequence[Device]) -> Iterator[Finding]:
    """What the services of a machine do to each other, and to what is set here."""
    managers = read_managers(host)
    named = {manager.name: manager for manager in managers if manager.running or manager.enabled}
    yield from clashes(managers)
    yield from disagreements(managers)
    if "ksmtuned" in named and any(device.kind == "GPU" for device in devices):
        yield Finding(
            "ksmtuned",
            "ksmtuned on a machine with GPUs",
            "It looks for equal pages of virtual machines while memory is short: time taken from "
            "a load for nothing, and ksm.run does not stay as it is set.",
            "`systemctl disable --now ksmtuned ksm`, unless virtual machines run here.",
            "warning",
            source=sources.KSM,
        )
    if "numad" in named and host.first_line("/proc/sys/kernel/numa_balancing") == "1":
        yield Finding(
            "numad",
            "Memory is moved twice",
            "numad moves processes and their memory between nodes, and so does the kernel "
            "(kernel.numa_balancing is 1).",
            "Leave it to one of them; a server that is bound to its node needs neither.",
            "warning",
            (Wanted("kernel.numa_balancing", None, "0"),),
        )
    if "ondemand" in named:
        yield Finding(
            "ondemand",
            "The governor is set late at boot",
            "ondemand.service sets the governor of all processors a minute after boot, over what "
            "was set before.",
            "`systemctl disable ondemand`",
            "warning",
        )
    pools = [pool for pool in read_pools(host) if pool.node is None and pool.total]
    if "kubelet" in named and pools:
        yield Finding(
            "kubelet-huge-pages",
            "The kubelet and huge pages",
            "The kubelet counts huge pages when it starts: what was reserved or given back since "
            "is unknown to it.",
            "Restart it after changing a pool: `systemctl restart kubelet`.",
            "info",
            source=sources.KUBERNETES_111757,
        )
    yield from _reapplied(named.get("tuned"))
    yield from _others(managers)


def clashes(managers: Sequence[Manager]) -> Iterator[Finding]:
    """Services that say of each other that they do not go together."""
    here = {manager.name: manager for manager in managers}
    pairs = {
        tuple(sorted((manager.name, other), key=_worth))
        for manager in managers
        for other in manager.clashes
        if other in here
    }
    if not pairs:
        return
    names = sorted({name for pair in pairs for name in pair}, key=_worth)
    running = [pair for pair in pairs if all(here[name].running for name in pair)]
    when = "run at the same time" if running else "start at boot, or run,"
    last = f"{', '.join(names[:-1])} and {names[-1]}"
    yield Finding(
        "managers-clash",
        "Services set the same things",
        f"{last} {when} and do not go together: each sets governors and the like as it sees fit, "
        "so what holds depends on who came last.",
        f"Keep one: `systemctl disable --now {' '.join(names[1:])}` leaves it to {names[0]}.",
        "problem" if running else "warning",
    )


def _worth(name: str) -> tuple[int, str]:
    return (_BY_WORTH.index(name) if name in _BY_WORTH else len(_BY_WORTH), name)


def disagreements(managers: Sequence[Manager]) -> Iterator[Finding]:
    """Two that run, go together by their own words, and set one thing to different values."""
    said: dict[tuple[str, str], list[tuple[Manager, str]]] = {}
    for manager in managers:
        for setting in manager.sets:
            if manager.running and setting.value is not None:
                target = (setting.knob, setting.instance)
                said.setdefault(target, []).append((manager, setting.value))
    differing: list[str] = []
    for (knob, _), voices in said.items():
        first, value = voices[0]
        for other, theirs in voices[1:]:
            if theirs != value and other.name not in first.clashes:
                differing.append(
                    f"{knob} ({first.name}: {shown(value)}, {other.name}: {shown(theirs)})"
                )
                break
    if differing:
        yield Finding(
            "managers-differ",
            "Services do not agree",
            f"Two services set {brief_list(differing)}: what holds depends on who came last.",
            "Settle it in the files of one of them; `aitune-tui owners` names the lines.",
            "warning",
        )


def _reapplied(tuned: Manager | None) -> Iterator[Finding]:
    """What TuneD takes from sysctl.d, whatever its profile says."""
    if tuned is None or not tuned.running:
        return
    names = [s.knob for s in tuned.sets if s.place.startswith(_REAPPLIED)]
    if names:
        yield Finding(
            "tuned-reapplies",
            "sysctl.d stands over TuneD's profile",
            f"TuneD sets {brief_list(sorted(set(names)))} again from /etc/sysctl.d after its "
            "profile (reapply_sysctl): a value in the profile has no effect there.",
            "Change those in /etc/sysctl.d, where `aitune-tui status` names the line.",
            "info",
            source=sources.TUNED_MAIN,
        )


def _others(managers: Sequence[Manager]) -> Iterator[Finding]:
    """Who is here and sets things, in one line each."""
    running = [manager for manager in managers if manager.running]
    if running:
        yield Finding(
            "managers",
            f"Services that act on settings: {len(running)}",
            " ".join(
                f"{manager.name}{f' ({shown(manager.where)})' if manager.where else ''}: "
                f"{manager.sentence}"
                for manager in running
            ),
            "`aitune-tui owners` says what each of them sets.",
            "info",
        )
