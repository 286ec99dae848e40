"""Every setting of a machine at one moment: read, judged, and with what sets it at boot.

A pool of huge pages is shown once, under the name of its size: its total first, then its share on
each node. `vm.nr_hugepages` is another name of the default size's pool and has a row of its own
only where there are no pools at all, to say so.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

from aitune_backends.absence import why_absent, why_offline
from aitune_backends.advice import judge
from aitune_backends.catalogue import DEFAULT_GOAL, ENTRIES
from aitune_backends.identity import read_container
from aitune_backends.inert import no_scheduler
from aitune_backends.owners import UNKNOWN, Owners
from aitune_backends.possible import impossible
from aitune_backends.probes.block import disk_names, read_disk
from aitune_backends.probes.cpufreq import DIRECTORY as CPUFREQ
from aitune_backends.probes.cpufreq import OFFLINE, policy_names, read_policy
from aitune_backends.probes.cpus import read_virtual
from aitune_backends.probes.hugepages import read_pools
from aitune_backends.probes.numbers import cpu_list, natural
from aitune_backends.setting_reader import SettingReader
from aitune_backends.situation import Subject, read_situation
from aitune_backends.targets import ABSENT, UNREAD, TargetStatus
from aitune_helper import plan
from aitune_helper.knobs import DISK, GLOBAL, KNOBS, POLICY, POOLS, Knob, instance_is_well_formed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aitune_backends.host import Host
    from aitune_backends.readings import Disk, Policy, Sample
    from aitune_backends.situation import Situation

DEFAULT_POOL = "vm.nr_hugepages"
_MISSING = (errno.ENOENT, errno.ENOTDIR)
_SURPLUS = ".surplus"

# What a sample holds of a policy and of a disk that orders requests.
_OF_POLICY: Mapping[str, Callable[[Policy], str | int | None]] = {
    "cpu.governor": lambda policy: policy.governor,
    "cpu.epp": lambda policy: policy.preference,
    "cpu.min_freq": lambda policy: policy.min_khz,
    "cpu.max_freq": lambda policy: policy.max_khz,
}
_OF_DISK: Mapping[str, Callable[[Disk], str | int | None]] = {
    "block.scheduler": lambda disk: disk.scheduler,
    "block.nr_requests": lambda disk: disk.nr_requests,
    "block.max_sectors_kb": lambda disk: disk.max_sectors_kib,
    "block.read_ahead_kb": lambda disk: disk.read_ahead_kib,
}


def survey(
    host: Host,
    sample: Sample | None = None,
    goal: str = DEFAULT_GOAL,
    owners: Owners | None = None,
    reader: SettingReader | None = None,
) -> tuple[TargetStatus, ...]:
    """Read and judge every offered knob and every instance of it.

    Args:
        host: The machine. Only what the sample does not hold is read from it.
        sample: A tick's readings, from which pools, policies and disks are taken.
        goal: What the machine is for, one of `catalogue.GOALS`.
        owners: What sets settings, where that was looked up.
        reader: Reads settings, and remembers those that come by the hundred; for who surveys the
            same machine again and again.

    Returns:
        The targets in the catalogue's order; a knob this machine lacks has one `absent` target.
    """
    reader = reader or SettingReader(host)
    reader.begin()
    return tuple(_Survey(host, sample, goal, owners or UNKNOWN, reader).targets())


def default_pool(host: Host) -> str:
    """The id of the pool that `vm.nr_hugepages` is another name of, "" where there is none."""
    try:
        pool = plan.memory(host).default_pool
    except OSError:
        return ""
    return pool if pool in KNOBS else ""


class _Survey:
    """One pass over the machine; it lives as long as the pass."""

    def __init__(
        self, host: Host, sample: Sample | None, goal: str, owners: Owners, reader: SettingReader
    ) -> None:
        self._host = host
        self._owners = owners
        self._reader = reader
        self._pools = sample.pools if sample else read_pools(host)
        self._sizes = {f"hugepages.{pool.size_kib}kB" for pool in self._pools}
        self._policies = sample.policies if sample else _policies(host)
        self._disks = sample.disks if sample else _disks(host)
        nodes = {cpu.number: cpu.node for cpu in sample.cpus} if sample else {}
        self._notes = {policy.name: _cores(policy.cpus, nodes) for policy in self._policies}
        self._globals = {
            knob.id: reader.read(knob)
            for knob in map(KNOBS.__getitem__, ENTRIES)
            if knob.scope == GLOBAL and not self._is_elsewhere(knob)
        }
        self._here = {knob for knob, found in self._globals.items() if isinstance(found, str)}
        if any(policy.governor for policy in self._policies):
            self._here.add("cpu.governor")
        self._situation = self._look_around(goal)

    def _look_around(self, goal: str) -> Situation:
        settings = {knob: v for knob, v in self._globals.items() if isinstance(v, str)}
        surpluses = [v for knob, v in settings.items() if knob.endswith(_SURPLUS)]
        return replace(
            read_situation(self._host, settings),
            goal=goal,
            stacked={below: disk.name for disk in self._disks for below in disk.slaves},
            passing={disk.name: disk.slaves for disk in self._disks if _passes_on(disk)},
            schedulers={disk.name: disk.scheduler for disk in self._disks if disk.scheduler},
            governors={p.name: p.governor for p in self._policies if p.governor},
            drivers=frozenset(p.driver for p in self._policies if p.driver),
            pooled=any(pool.total for pool in self._pools) or any(v != "0" for v in surpluses),
            virtual=None if self._policies else read_virtual(self._host),
            container=read_container(self._host),
            captured=self._host.origin == "capture",
        )

    def _is_elsewhere(self, knob: Knob) -> bool:
        """Whether it is shown under another name, or belongs to a size that is not there."""
        if knob.means:
            return bool(self._pools)
        return knob.id.startswith("hugepages.") and knob.id.removesuffix(_SURPLUS) not in (
            self._sizes
        )

    def targets(self) -> Iterator[TargetStatus]:
        """Every target in the catalogue's order."""
        for knob in map(KNOBS.__getitem__, ENTRIES):
            if self._is_elsewhere(knob):
                continue
            if knob.id in POOLS:
                yield from self._pool(knob)
            elif knob.scope == POLICY:
                yield from self._of_policies(knob)
            elif knob.scope == DISK:
                yield from self._queues(knob)
            elif knob.scope == GLOBAL:
                yield self._found(knob, self._globals[knob.id])
            else:
                yield from self._instances(knob)

    def _found(
        self, knob: Knob, found: str | OSError, instance: str = "", note: str = ""
    ) -> TargetStatus:
        """A target whose file was read, or could not be."""
        if isinstance(found, str):
            subject = Subject(knob.id, instance, found)
            return self._judged(knob, subject, choices=knob.choices, note=note)
        if found.errno in _MISSING:
            return self._absent(knob, instance, note=note)
        return self._unread(knob, instance, (found.strerror or str(found)).lower(), note=note)

    def _pool(self, knob: Knob) -> Iterator[TargetStatus]:
        for pool in self._pools:
            if knob.id != f"hugepages.{pool.size_kib}kB":
                continue
            instance = "" if pool.node is None else f"node{pool.node}"
            yield self._judged(knob, Subject(knob.id, instance, str(pool.total), pool=pool))

    def _instances(self, knob: Knob) -> Iterator[TargetStatus]:
        """A setting of each node, CPU or size of a page; one row where there is none of them."""
        directory, prefix, suffix = knob.holder
        names = [
            name[len(prefix) : len(name) - len(suffix)]
            for name in self._host.names(directory)
            if name.startswith(prefix) and name.endswith(suffix)
        ]
        names = sorted((n for n in names if instance_is_well_formed(knob, n)), key=natural)
        shown = 0
        for place, name in enumerate(names):
            found = self._reader.read(knob, name, place, len(names))
            if isinstance(found, str) or found.errno not in _MISSING:
                shown += 1
                yield self._found(knob, found, name)
        if not shown:
            yield self._absent(knob)

    def _of_policies(self, knob: Knob) -> Iterator[TargetStatus]:
        """One of the settings of each policy; one row where no driver here knows it at all."""
        count = len(self._policies)
        found = [
            (policy, self._of_policy(knob, policy, place, count))
            for place, policy in enumerate(self._policies)
        ]
        if not any(isinstance(v, str) or p.error or v.errno not in _MISSING for p, v in found):
            yield self._absent(knob)
            return
        for policy, value in found:
            note = self._notes[policy.name]
            if isinstance(value, str):
                subject = Subject(knob.id, policy.name, value, policy=policy)
                choices = _choices(knob, policy)
                yield self._judged(knob, subject, choices=choices, note=note)
            elif policy.error == OFFLINE:
                reason = why_offline(f"cpu {cpu_list(policy.cpus)}")
                yield self._absent(knob, policy.name, reason=reason, note=note)
            elif policy.error:
                yield self._unread(knob, policy.name, policy.error, note=note)
            else:
                yield self._found(knob, value, policy.name, note)

    def _of_policy(self, knob: Knob, policy: Policy, place: int, count: int) -> str | OSError:
        known = _OF_POLICY.get(knob.id)
        if known is None and not policy.error:
            return self._reader.read(knob, policy.name, place, count)
        value = known(policy) if known else None
        return _not_there() if value is None else str(value)

    def _queues(self, knob: Knob) -> Iterator[TargetStatus]:
        if not self._disks:
            yield self._absent(knob)
        for place, disk in enumerate(self._disks):
            value = self._of_disk(knob, disk, place)
            if isinstance(value, str):
                subject = Subject(knob.id, disk.name, value, disk=disk)
                choices = disk.schedulers if knob.id == "block.scheduler" else ()
                yield self._judged(knob, subject, choices=choices, note=disk.model)
            elif value.errno in _MISSING and _passes_on(disk):
                reason = no_scheduler(disk.name, disk.slaves)
                yield self._absent(knob, disk.name, reason=reason, note=disk.model)
            else:
                yield self._found(knob, value, disk.name, disk.model)

    def _of_disk(self, knob: Knob, disk: Disk, place: int) -> str | OSError:
        known = _OF_DISK.get(knob.id)
        value = known(disk) if known else None
        if value is not None:
            return str(value)
        if known is None or _passes_on(disk):  # of such a disk a sample holds no scheduler
            return self._reader.read(knob, disk.name, place, len(self._disks))
        return _not_there()

    def _judged(
        self, knob: Knob, subject: Subject, *, choices: tuple[str, ...] = (), note: str = ""
    ) -> TargetStatus:
        entry = ENTRIES[knob.id]
        judgement = judge(entry, subject, self._situation)
        owners, instance = self._owners, subject.instance
        owner = owners.of(knob.id, instance)
        return TargetStatus(
            knob=knob.id,
            instance=instance,
            path=knob.file(instance),
            value=subject.value,
            unit=knob.unit,
            choices=choices,
            advised=judgement.advised,
            state=judgement.state,
            reason=judgement.reason,
            owner=str(owner) if owner else None,
            survives=owners.survives(knob.id, subject.value, instance) if owner else None,
            at_boot=owners.at_boot(knob.id, subject.value, instance) if owner else "",
            evidence=entry.stars,
            note=note,
            impossible=impossible(knob, subject, choices, self._situation),
            overwritten_by=owners.overwritten_by(knob.id, instance),
        )

    def _absent(
        self, knob: Knob, instance: str = "", *, reason: str = "", note: str = ""
    ) -> TargetStatus:
        reason = reason or why_absent(ENTRIES[knob.id], self._situation, self._here)
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


def _not_there() -> OSError:
    """What a file that is not there answers, for what a sample lacks."""
    return OSError(errno.ENOENT, "no such file")


def _choices(knob: Knob, policy: Policy) -> tuple[str, ...]:
    """The words that one setting of a policy can be set to."""
    if knob.id == "cpu.governor":
        return policy.governors
    if knob.id == "cpu.epp":
        return tuple(word for word in policy.preferences if word in knob.choices)
    return ()


def _passes_on(disk: Disk) -> bool:
    """Whether a disk has a queue and orders nothing in it: an array, a mapping, a loop at times."""
    return disk.read_ahead_kib is not None and not disk.schedulers


def _cores(cpus: tuple[int, ...], nodes: Mapping[int, int | None]) -> str:
    """Which cores a policy covers, and where they are: `cpu 0-31, node0`."""
    homes = sorted({node for cpu in cpus if (node := nodes.get(cpu)) is not None})
    return ", ".join([f"cpu {cpu_list(cpus)}", *(f"node{node}" for node in homes)])


def _policies(host: Host) -> tuple[Policy, ...]:
    found = []
    for name in policy_names(host):
        with host.near(f"{CPUFREQ}/{name}") as read:
            found.append(read_policy(read, name))
    return tuple(found)


def _disks(host: Host) -> tuple[Disk, ...]:
    return tuple(read_disk(host, host.read, name) for name in disk_names(host))
