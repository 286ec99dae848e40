"""The guardian as a service of systemd: outside of any session, brought back when it is killed.

What the unit forbids is what the guardian forbids itself (`sandbox`), once more, by somebody else,
from its first instruction on. Properties are those that systemd 247 knows: an unknown one would
fail the whole unit.
"""

from __future__ import annotations

import os
from typing import NamedTuple

SYSTEMD_RUN = "/usr/bin/systemd-run"

PROPERTIES: dict[str, str] = {
    # To be there when it is needed.
    "OOMScoreAdjust": "-900",
    "LimitMEMLOCK": "infinity",
    "Restart": "on-failure",
    "RestartSec": "100ms",
    "StartLimitIntervalSec": "0",
    "TimeoutStopSec": "2",
    # To be able to do nothing else. Never ProtectKernelTunables: they are what it is for. Nor
    # ProtectProc: it would hide the helper that sits on the lock.
    "NoNewPrivileges": "yes",
    "AmbientCapabilities": "",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot "
    "@swap",
    "SystemCallErrorNumber": "EPERM",
    "RestrictAddressFamilies": "AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "KeyringMode": "private",
    "UMask": "0077",
    "PrivateNetwork": "yes",
    "IPAddressDeny": "any",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectSystem": "strict",
    "ReadWritePaths": "-/run/aitune -/run/aitune-bin -/var/lib/aitune -/etc/sysctl.d "
    "-/etc/udev/rules.d -/etc/tmpfiles.d -/etc/modules-load.d",
    "ProtectHome": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
}


class Service(NamedTuple):
    """How the guardian is run.

    Attributes:
        command: Program and arguments.
        capabilities: Those that a knob of this machine needs.
        group: The group that reads the journal, or None.
    """

    command: tuple[str, ...]
    capabilities: tuple[str, ...] = ()
    group: int | None = None

    def ask(self, unit: str) -> int:
        """Ask systemd, without waiting, to start it under the name `unit`.

        Returns:
            The process that asks, which fails where systemd does not take it; 0 for none.
        """
        properties = {**PROPERTIES, "CapabilityBoundingSet": " ".join(self.capabilities)}
        if self.group is not None:
            properties["SupplementaryGroups"] = str(self.group)
        arguments = [
            SYSTEMD_RUN,
            "--quiet",
            "--collect",
            "--no-block",
            f"--unit={unit}",
            "--slice=system.slice",
            "--description=aitune: puts a trial back at its deadline",
            *(f"--property={name}={value}" for name, value in properties.items()),
            *self.command,
        ]
        null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        try:
            return os.posix_spawn(SYSTEMD_RUN, arguments, {}, file_actions=null)
        except OSError:
            return 0
