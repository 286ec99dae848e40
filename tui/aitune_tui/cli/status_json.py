"""The object of `status --json`; its schema is docs/json/status-1.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aitune_tui.cli.jsontext import trial_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.host import Host
    from aitune_backends.readings import Identity, Sample
    from aitune_backends.targets import TargetStatus
    from aitune_helper.messages import Trial

Json = dict[str, object]


def status_json(
    host: Host,
    identity: Identity,
    sample: Sample,
    targets: Sequence[TargetStatus],
    trial: Trial | None,
    goal: str,
) -> Json:
    """Everything `status` shows; sizes in bytes unless a name says otherwise, null = unknown."""
    return {
        "host": {
            "name": identity.name,
            "kernel": identity.kernel,
            "origin": host.origin,
            "label": host.label,
            "cpus": identity.cpus,
            "nodes": list(identity.nodes),
            "memory": identity.memory,
            "gpus": list(identity.gpus),
            "container": identity.container,
            "default_huge_page_kib": identity.default_huge_page_kib,
        },
        "goal": goal,
        "trial": None if trial is None else trial_json(trial),
        "memory": _memory(sample),
        "huge_pages": [
            {
                "size_kib": pool.size_kib,
                "node": pool.node,
                "total": pool.total,
                "free": pool.free,
                "reserved": pool.reserved,
                "surplus": pool.surplus,
            }
            for pool in sample.pools
        ],
        "pressure": asdict(sample.pressure),
        "policies": [_policy(sample, number) for number in range(len(sample.policies))],
        "disks": [_disk(sample, number) for number in range(len(sample.disks))],
        "loads": [asdict(load) for load in sample.loads],
        "unread": dict(sample.errors),
        "targets": [_target(target) for target in targets],
    }


def _memory(sample: Sample) -> Json | None:
    if sample.memory is None:
        return None
    return {**asdict(sample.memory), "used": sample.memory.used}


def _policy(sample: Sample, number: int) -> Json:
    policy = sample.policies[number]
    return {**asdict(policy), "cpus": list(policy.cpus), "governors": list(policy.governors)}


def _disk(sample: Sample, number: int) -> Json:
    disk = sample.disks[number]
    return {
        **asdict(disk),
        "schedulers": list(disk.schedulers),
        "slaves": list(disk.slaves),
        "read_rate": None if disk.read_rate is None else round(disk.read_rate),
        "write_rate": None if disk.write_rate is None else round(disk.write_rate),
    }


def _target(target: TargetStatus) -> Json:
    return {
        "knob": target.knob,
        "instance": target.instance,
        "path": target.path,
        "value": target.value,
        "unit": target.unit,
        "choices": list(target.choices),
        "advised": target.advised,
        "state": target.state,
        "reason": target.reason,
        "owner": target.owner,
        "survives": target.survives,
        "at_boot": target.at_boot,
        "evidence": target.evidence,
        "impossible": [asdict(value) for value in target.impossible],
        "overwritten_by": list(target.overwritten_by),
    }
