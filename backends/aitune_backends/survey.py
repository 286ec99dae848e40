"""Every setting of a machine at one moment: read, judged, and with what sets it at boot.

A pool of huge pages is shown once, under the name of its size: its total first, then its share on
each node. `vm.nr_hugepages` is another name of the default size's pool and has a row of its own
only where there are no pools at all, to say so.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from aitune_backends.advice import Situation, Subject, judge, no_scheduler
from aitune_backends.catalogue import DEFAULT_GOAL, ENTRIES
from aitune_backends.owners import UNKNOWN, Owners
from aitune_backends.probes.block import disk_names, read_disk
from aitune_backends.probes.cpufreq import policy_names, read_policy
from aitune_backends.probes.hugepages import read_pools
from aitune_backends.probes.meminfo import memory, parse_meminfo
from aitune_backends.probes.numbers import cpu_list
from aitune_backends.targets import ABSENT, UNREAD, TargetStatus
from aitune_helper import kernelfs, plan
from aitune_helper.knobs import DISK, GLOBAL, KNOBS, POLICY, POOLS, Knob

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitune_backends.host import Host
    from aitune_backends.readings import Disk, Memory, Policy, Sample

DEFAULT_POOL = "vm.nr_hugepages"
SURPLUS = ".surplus"
_NODES = "/sys/devices/system/node"
_MISSING = (errno.ENOENT, errno.ENOTDIR)


def survey(
    host: Host,
    sample: Sample | None = None,
    goal: str = DEFAULT_GOAL,
    owners: Owners | None = None,
) -> tuple[TargetStatus, ...]:
    """Read and judge every offered knob and every instance of it.

    Args:
        host: The machine. Only global settings are read from it when there is a sample.
        sample: A tick's readings, from which pools, policies and disks are taken.
        goal: What the machine is for, one of `catalogue.GOALS`.
        owners: What sets settings at boot, where that was looked up.

    Returns:
        The targets in the catalogue's order; a knob this machine lacks has one `absent` target.
    """
    return tuple(_Survey(host, sample, goal, owners or UNKNOWN).targets())


def default_pool(host: Host) -> str:
    """The id of the pool that `vm.nr_hugepages` is another name of, "" where there is none."""
    try:
        pool = plan.memory(host).default_pool
    except OSError:
        return ""
    return pool if pool in KNOBS else ""


class _Survey:
    """One pass over the machine; it lives as long as the pass."""

    def __init__(self, host: Host, sample: Sample | None, goal: str, owners: Owners) -> None:
        self._host = host
        self._owners = owners
        self._pools = sample.pools if sample else read_pools(host)
        self._policies = sample.policies if sample else _policies(host)
        self._disks = sample.disks if sample else _disks(host)
        self._cpus = sample.cpus if sample else ()
        self._sizes = {f"hugepages.{pool.size_kib}kB" for pool in self._pools}
        self._globals = {
            knob.id: _read(host, knob)
            for knob in KNOBS.values()
            if knob.offered and knob.scope == GLOBAL
        }
        now = sample.memory if sample else _memory(host)
        overcommit = self._globals["vm.overcommit_memory"]
        self._situation = Situation(
            goal=goal,
            overcommit=overcommit if isinstance(overcommit, str) else None,
            swap=now.swap_total if now else None,
            nodes=_count_nodes(host),
            stacked={below: disk.name for disk in self._disks for below in disk.slaves},
        )

    def targets(self) -> Iterator[TargetStatus]:
        """Every target in the catalogue's order."""
        for knob in map(KNOBS.__getitem__, ENTRIES):
            if knob.means:  # shown under the name of the pool that it is
                if not self._pools:
                    yield self._absent(knob)
            elif knob.id in POOLS:
                yield from self._pool(knob)
            elif knob.id.startswith("hugepages."):
                if knob.id.removesuffix(SURPLUS) in self._sizes:
                    yield self._global(knob)
            elif knob.scope == POLICY:
                yield from self._of_policies(knob)
            elif knob.scope == DISK:
                yield from self._queues(knob)
            elif knob.scope == GLOBAL:
                yield self._global(knob)
            else:
                yield from self._instances(knob)

    def _global(self, knob: Knob) -> TargetStatus:
        found = self._globals[knob.id]
        if isinstance(found, str):
            return self._judged(knob, Subject(knob.id, "", found), choices=knob.choices)
        if found.errno in _MISSING:
            return self._absent(knob)
        return self._unread(knob, "", f"{(found.strerror or str(found)).lower()}")

    def _instances(self, knob: Knob) -> Iterator[TargetStatus]:
        """A setting of each node, CPU or size of a page; one row where there is none of them."""
        names = kernelfs.instances(self._host, knob)
        if not names:
            yield self._absent(knob)
        for name in names:
            yield self._read_now(knob, name)

    def _read_now(self, knob: Knob, instance: str, note: str = "") -> TargetStatus:
        found = _read(self._host, knob, instance)
        if isinstance(found, str):
            return self._judged(
                knob, Subject(knob.id, instance, found), choices=knob.choices, note=note
            )
        if found.errno in _MISSING:
            return self._absent(knob, instance, note=note)
        return self._unread(knob, instance, f"{(found.strerror or str(found)).lower()}", note=note)

    def _pool(self, knob: Knob) -> Iterator[TargetStatus]:
        for pool in self._pools:
            if knob.id != f"hugepages.{pool.size_kib}kB":
                continue
            instance = "" if pool.node is None else f"node{pool.node}"
            yield self._judged(knob, Subject(knob.id, instance, str(pool.total), pool=pool))

    def _of_policies(self, knob: Knob) -> Iterator[TargetStatus]:
        """One of the settings of each policy; one row where no driver here knows it at all."""
        found = [(policy, *_policy_value(self._host, knob, policy)) for policy in self._policies]
        if not any(value is not None or policy.error for policy, value, _ in found):
            yield self._absent(knob)
            return
        nodes = {cpu.number: cpu.node for cpu in self._cpus}
        for policy, value, choices in found:
            note = _cores(policy.cpus, nodes)
            if value is not None:
                subject = Subject(knob.id, policy.name, value)
                yield self._judged(knob, subject, choices=choices, note=note)
            elif policy.error:
                yield self._unread(knob, policy.name, policy.error, note=note)
            else:
                yield self._absent(knob, policy.name, note=note)

    def _queues(self, knob: Knob) -> Iterator[TargetStatus]:
        if not self._disks:
            yield self._absent(knob)
        for disk in self._disks:
            value = _queue_value(self._host, knob, disk)
            if value is not None:
                subject = Subject(knob.id, disk.name, value, disk=disk)
                choices = disk.schedulers if knob.id == "block.scheduler" else ()
                yield self._judged(knob, subject, choices=choices, note=disk.model)
            else:
                yield self._absent(knob, disk.name, reason=_why_no_queue(disk), note=disk.model)

    def _judged(
        self, knob: Knob, subject: Subject, *, choices: tuple[str, ...] = (), note: str = ""
    ) -> TargetStatus:
        entry = ENTRIES[knob.id]
        judgement = judge(entry, subject, self._situation)
        owner = self._owners.of(knob.id, subject.instance)
        return TargetStatus(
            knob=knob.id,
            instance=subject.instance,
            path=knob.file(subject.instance),
            value=subject.value,
            unit=knob.unit,
            choices=choices,
            advised=judgement.advised,
            state=judgement.state,
            reason=judgement.reason,
            owner=str(owner) if owner else None,
            survives=self._owners.survives(knob.id, subject.value, subject.instance),
            at_boot=self._owners.at_boot(knob.id, subject.value, subject.instance),
            evidence=entry.stars,
            note=note,
            overwritten_by=self._owners.overwritten_by(knob.id, subject.instance),
        )

    def _absent(
        self, knob: Knob, instance: str = "", *, reason: str = "", note: str = ""
    ) -> TargetStatus:
        if not reason:
            captured = self._host.origin == "capture"
            reason = "Not in this capture." if captured else ENTRIES[knob.id].absent
        return self._without_value(knob, instance, "", ABSENT, reason, note)

    def _unread(self, knob: Knob, instance: str, why: str, *, note: str = "") -> TargetStatus:
        path = knob.file(instance)
        return self._without_value(
            knob, instance, path, UNREAD, f"Reading {path} failed: {why}.", note
        )

    def _without_value(
        self, knob: Knob, instance: str, path: str, state: str, reason: str, note: str
    ) -> TargetStatus:
        return TargetStatus(
            knob=knob.id,
            instance=instance,
            path=path,
            value=None,
            unit=knob.unit,
            choices=(),
            advised=None,
            state=state,
            reason=reason,
            owner=None,
            survives=None,
            evidence=ENTRIES[knob.id].stars,
            note=note,
        )


def _read(host: Host, knob: Knob, instance: str = "") -> str | OSError:
    """The value of a target, or why it cannot be read."""
    try:
        return plan.reading(host, knob, instance)
    except OSError as error:
        return error


def _policy_value(host: Host, knob: Knob, policy: Policy) -> tuple[str | None, tuple[str, ...]]:
    """One setting of a policy, None where it has none, and the words it can be set to."""
    if knob.id == "cpu.governor":
        return policy.governor, policy.governors
    if knob.id == "cpu.epp":
        return policy.preference, tuple(w for w in policy.preferences if w in knob.choices)
    if knob.id in ("cpu.min_freq", "cpu.max_freq"):
        khz = policy.min_khz if knob.id == "cpu.min_freq" else policy.max_khz
        return None if khz is None else str(khz), ()
    found = None if policy.error else _read(host, knob, policy.name)
    return found if isinstance(found, str) else None, ()


def _queue_value(host: Host, knob: Knob, disk: Disk) -> str | None:
    """One value of a disk's queue; None where it has none, or none that means anything."""
    if knob.id == "block.read_ahead_kb":
        return None if disk.read_ahead_kib is None else str(disk.read_ahead_kib)
    if knob.id == "block.iostats":
        found = _read(host, knob, disk.name)
        return found if isinstance(found, str) else None
    if not disk.schedulers:  # it passes requests on: what its queue says is not looked at
        return None
    if knob.id == "block.scheduler":
        return disk.scheduler
    if knob.id in ("block.nr_requests", "block.max_sectors_kb"):
        value = disk.nr_requests if knob.id == "block.nr_requests" else disk.max_sectors_kib
        return None if value is None else str(value)
    found = _read(host, knob, disk.name)
    return found if isinstance(found, str) else None


def _why_no_queue(disk: Disk) -> str:
    """Why a disk lacks a value of its queue; "" where it shows no queue at all."""
    shown = disk.read_ahead_kib is not None and not disk.schedulers
    return no_scheduler(disk.name, disk.slaves) if shown else ""


def _cores(cpus: tuple[int, ...], nodes: Mapping[int, int | None]) -> str:
    """Which cores a policy covers, and where they are: `cpu 0-31, node0`."""
    homes = sorted({node for cpu in cpus if (node := nodes.get(cpu)) is not None})
    return ", ".join([f"cpu {cpu_list(cpus)}", *(f"node{node}" for node in homes)])


def _count_nodes(host: Host) -> int | None:
    """NUMA nodes; None on a kernel or in a capture without any."""
    return sum(1 for name in host.names(_NODES) if re.fullmatch(r"node[0-9]+", name)) or None


def _memory(host: Host) -> Memory | None:
    try:
        return memory(parse_meminfo(host.read("/proc/meminfo")))
    except OSError:
        return None


def _policies(host: Host) -> tuple[Policy, ...]:
    return tuple(read_policy(host.read, name) for name in policy_names(host))


def _disks(host: Host) -> tuple[Disk, ...]:
    return tuple(read_disk(host, host.read, name) for name in disk_names(host))
