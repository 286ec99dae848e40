"""What `status` prints for people: a few lines for each part of the machine, then every setting."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from aitune_backends.doctor import NO_CPUFREQ
from aitune_backends.foreign import clean
from aitune_backends.probes.numbers import cpu_list
from aitune_backends.public_state import seconds_left
from aitune_tui.cli.output import table
from aitune_tui.cli.status_settings import settings_overview, settings_table
from aitune_tui.words import UNKNOWN, disk_rate, gb, ghz, gib, size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.host import Host
    from aitune_backends.readings import (
        Disk,
        Identity,
        LoadSeen,
        Memory,
        Policy,
        Sample,
        Stall,
    )
    from aitune_backends.targets import TargetStatus
    from aitune_helper.messages import Trial


def status_text(
    host: Host,
    identity: Identity,
    sample: Sample,
    targets: Sequence[TargetStatus],
    trial: Trial | None,
    goal: str,
    *,
    whole: bool = False,
) -> str:
    """The machine in parts with an empty line between them; every setting if `whole`."""
    captured = host.origin == "capture"
    settings = settings_table(targets) if whole else settings_overview(targets)
    parts = [
        _head(host, identity, trial),
        _memory(sample.memory),
        _pressure(sample, captured=captured),
        _pools(sample),
        _cpus(sample, captured=captured),
        _disks(sample.disks, captured=captured),
        _loads(sample.loads),
        f"Settings, advice for {goal}\n{settings}",
    ]
    parts += [clean(f"{path}: {why}") for path, why in sample.errors.items()]
    return "\n\n".join(part for part in parts if part)


def _head(host: Host, identity: Identity, trial: Trial | None) -> str:
    facts = [
        f"Linux {identity.kernel}" if identity.kernel else "",
        f"{identity.cpus} CPUs" if identity.cpus else "",
        f"{len(identity.nodes)} nodes" if len(identity.nodes) > 1 else "",
        f"{gib(identity.memory)} GiB" if identity.memory else "",
        *(f"{len(list(same))} × {name}" for name, same in groupby(sorted(identity.gpus))),
        f"in a container ({identity.container})" if identity.container else "",
    ]
    lines = [" · ".join([identity.name or "unnamed", *filter(None, facts)])]
    if host.label:
        lines.append(f"From {host.label}.")
    if trial is not None:
        lines.append(_trial(trial))
    return "\n".join(map(clean, lines))


def _trial(trial: Trial) -> str:
    left = seconds_left(trial)
    who = f"Trial {trial.number} of {trial.owner_name} ({trial.title or trial.id})"
    if left is None:
        return f"{who} is being applied."
    if left < 0:
        return f"{who} is overdue by {-left:.0f} s: its timer is gone. `revert` puts it back."
    return f"{who} is open: put back in {left:.0f} s unless kept."


def _memory(memory: Memory | None) -> str:
    if memory is None:
        return "Memory\n  /proc/meminfo is absent."
    swap = memory.swap_total
    limit = "" if memory.commit_limit is None else f" of {gib(memory.commit_limit)}"
    return (
        "Memory, GiB\n"
        f"  total {gib(memory.total)}   available {gib(memory.available)}"
        f"   used {gib(memory.used)}   cache {gib(memory.cache)}"
        f"   huge pages {gib(memory.huge_pages)}   free {gib(memory.free)}\n"
        f"  anonymous {gib(memory.anonymous)}   shared {gib(memory.shared)}"
        f"   promised {gib(memory.committed)}{limit}"
        f"   swap {f'{gib(swap - memory.swap_free)} of {gib(swap)}' if swap else 'none'}"
    )


def _pressure(sample: Sample, *, captured: bool) -> str:
    pressure = sample.pressure
    lines = (
        ("memory", pressure.memory_some, pressure.memory_full),
        ("io", pressure.io_some, pressure.io_full),
        ("cpu", pressure.cpu_some, None),
    )
    shown = [_stalls(name, some, full) for name, some, full in lines if some is not None]
    if not shown:
        return f"Pressure\n  {'not in this capture' if captured else 'not measured by this kernel'}"
    return "Pressure, % of the last 10 s\n  " + "   ".join(shown)


def _stalls(name: str, some: Stall, full: Stall | None) -> str:
    everything = "" if full is None else f" (all of it {full.avg10:.1f})"
    return f"{name} {some.avg10:.1f}{everything}"


def _pools(sample: Sample) -> str:
    if not sample.pools:
        return "Huge pages\n  no pools"
    rows = [
        (
            size_text(pool.size_kib * 1024),
            "all" if pool.node is None else f"node{pool.node}",
            str(pool.total),
            str(pool.free),
            UNKNOWN if pool.reserved is None else str(pool.reserved),
            str(pool.surplus),
        )
        for pool in sample.pools
    ]
    headers = ("SIZE", "WHERE", "PAGES", "FREE", "RESERVED", "SURPLUS")
    return f"Huge pages\n{table(headers, rows)}"


def _cpus(sample: Sample, *, captured: bool) -> str:
    busy = [cpu.busy for cpu in sample.cpus if cpu.busy is not None]
    offline = [cpu.number for cpu in sample.cpus if not cpu.online]
    head = "CPU"
    if busy:
        head += f", {100 * sum(busy) / len(busy):.0f} % busy"
    if offline:
        head += f", offline: {cpu_list(offline)}"
    if not sample.policies:
        return f"{head}\n  " + ("cpufreq is not in this capture." if captured else NO_CPUFREQ)
    rows = [_policy_row(list(group)) for _, group in groupby(sample.policies, key=_policy_likeness)]
    headers = ("POLICY", "CPUS", "GOVERNOR", "NOW GHZ", "LIMITS GHZ", "HARDWARE GHZ", "DRIVER")
    return f"{head}\n{table(headers, rows)}"


def _policy_likeness(policy: Policy) -> tuple[object, ...]:
    return (
        policy.driver, policy.governor, policy.min_khz, policy.max_khz,
        policy.hardware_min_khz, policy.hardware_max_khz, policy.error,
    )  # fmt: skip


def _policy_row(policies: Sequence[Policy]) -> tuple[str, ...]:
    """Policies that are set alike; their frequencies differ, so their range is given."""
    first = policies[0]
    now = [policy.current_khz for policy in policies if policy.current_khz is not None]
    least, most = (ghz(min(now)), ghz(max(now))) if now else (UNKNOWN, UNKNOWN)
    return (
        f"policy{cpu_list(int(policy.name[len('policy') :]) for policy in policies)}",
        cpu_list(cpu for policy in policies for cpu in policy.cpus),
        first.error or first.governor or UNKNOWN,
        least if least == most else f"{least} – {most}",
        f"{ghz(first.min_khz, 1)} – {ghz(first.max_khz, 1)}",
        f"{ghz(first.hardware_min_khz, 1)} – {ghz(first.hardware_max_khz, 1)}",
        first.driver or UNKNOWN,
    )


def _disks(disks: Sequence[Disk], *, captured: bool) -> str:
    if not disks:
        return f"Disks\n  {'not in this capture' if captured else 'none to be seen'}"
    rows = [
        (
            disk.name,
            gb(disk.size),
            _scheduler(disk),
            UNKNOWN if disk.read_ahead_kib is None else str(disk.read_ahead_kib),
            UNKNOWN if disk.nr_requests is None else str(disk.nr_requests),
            UNKNOWN if disk.in_flight is None else str(disk.in_flight),
            disk_rate(disk.read_rate),
            disk_rate(disk.write_rate),
            disk.model,
        )
        for disk in disks
    ]
    headers = (
        "DISK", "SIZE GB", "SCHEDULER", "READ-AHEAD KiB", "REQUESTS", "IN FLIGHT",
        "READ GB/s", "WRITE GB/s", "MODEL",
    )  # fmt: skip
    return f"Disks\n{table(headers, rows)}"


def _scheduler(disk: Disk) -> str:
    if disk.scheduler is not None:
        others = [word for word in disk.schedulers if word != disk.scheduler]
        return f"[{disk.scheduler}] {' '.join(others)}".strip()
    return f"none: on {', '.join(disk.slaves)}" if disk.slaves else UNKNOWN


def _loads(loads: Sequence[LoadSeen]) -> str:
    lines = [
        f"  {load.command} {load.pid}: {load.model}, {gb(load.done)} of {gb(load.total)} GB read, "
        f"{load.files_open} of {load.files} files open"
        for load in loads
    ]
    return "\n".join(["Model loads", *map(clean, lines)]) if lines else ""
