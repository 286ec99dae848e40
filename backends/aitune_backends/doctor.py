"""What this machine cannot do, what is wrong with it, why, and what would change that."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from aitune_backends.findings.finding import HEADINGS, SEVERITIES, Finding, Severity, in_order
from aitune_backends.findings.kernel import NO_CPUFREQ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.machine import Machine
    from aitune_backends.readings import LoadSeen

__all__ = ["HEADINGS", "NO_CPUFREQ", "SEVERITIES", "Finding", "Severity", "findings"]


def findings(machine: Machine, loads: Sequence[LoadSeen] = ()) -> tuple[Finding, ...]:
    """Everything to be said of a machine, what asks for the operator first.

    Args:
        machine: The machine; nothing about it raises.
        loads: The loads a sampler has seen: their processes are model servers, whatever their
            names. Others are found by their command lines.
    """
    # Here and not above: `status` says a sentence of ours and needs none of this.
    from aitune_backends.findings import (
        cgroups,
        command_line,
        conflicts,
        gpu_driver,
        kernel,
        limits,
        links,
        orphans,
        ours,
        since_boot,
        wasted,
    )
    from aitune_backends.findings.pci import read_devices
    from aitune_backends.findings.servers import find_servers, read_commands

    host = machine.host
    commands = read_commands(host)
    servers = find_servers(host, commands, loads)
    devices = read_devices(host)
    return in_order(
        chain(
            kernel.findings(host),
            ours.findings(machine, commands),
            conflicts.findings(host, devices),
            limits.findings(host, servers),
            cgroups.findings(host, servers),
            command_line.findings(host, devices),
            links.findings(host, devices),
            gpu_driver.findings(host, devices),
            since_boot.findings(host),
            wasted.findings(host, devices),
            orphans.findings(host),
        )
    )
