"""CPUs and their frequency policies, tick by tick.

Every tick: how busy each CPU was, and the frequencies of the policies on screen. In turn, a few
each tick: the frequencies of the others, and governor and limits of all, which nobody changes
every second. A machine with 512 policies has 4608 such files.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aitune_backends.probes import cpufreq
from aitune_backends.probes.cpus import (
    STAT,
    CpuTimes,
    busy,
    parse_stat,
    read_nodes,
    read_online,
    read_present,
)
from aitune_backends.readings import Cpu, Policy
from aitune_backends.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Container

    from aitune_backends.host import Host
    from aitune_backends.kept import KeptFiles

# Frequencies read in one tick besides those on screen.
_FREQUENCIES = 128
# Old kernels sleep 10 to 20 ms while a frequency is read: then the rest waits for the next tick.
_PATIENCE_S = 0.005
# Policies whose settings are read in one tick at most; three files each.
_SETTINGS = 12
_SETTINGS_EVERY_S = 5.0


class CpuSampler:
    """The CPUs of one host."""

    def __init__(self, host: Host, files: KeptFiles) -> None:
        self._host = host
        self._files = files
        self._node_of: dict[int, int] = {}
        self._present: tuple[int, ...] = ()
        self._online: frozenset[int] = frozenset()
        self._times: CpuTimes | None = None
        self._cpus: dict[int, Cpu] = {}
        self._policies: dict[str, Policy] = {}
        self._frequencies = Turns[str]()
        self._settings = Turns[str]()

    def list_again(self) -> None:
        """See which CPUs, nodes and policies there are; what is new is read whole."""
        host = self._host
        self._node_of = {cpu: node for node, members in read_nodes(host).items() for cpu in members}
        self._present = read_present(host)
        self._online = read_online(host, self._present)
        names = cpufreq.policy_names(host)
        for gone in self._policies.keys() - set(names):
            self._files.drop_below(f"{cpufreq.DIRECTORY}/{gone}")
        self._policies = {name: self._policies.get(name) or self._whole(name) for name in names}
        self._frequencies.set(names)
        self._settings.set(names)

    def read_all_again(self) -> None:
        """Read every policy whole at once: after a change of ours, or when asked."""
        self.list_again()
        self._policies = {name: self._whole(name) for name in self._policies}

    def cpus(self) -> tuple[Cpu, ...]:
        """Every CPU present, with its share of busy time since the last call."""
        before, self._times = self._times, self._read_times()
        shares = busy(before, self._times) if before else {}
        known = self._cpus
        # Only what changed is made anew: on a quiet machine most of 512 records stay.
        for number in self._present or self._times.idle:
            share = shares.get(number)
            online = number in self._online if self._present else True
            cpu = known.get(number)
            if cpu is None or cpu.busy != share or cpu.online != online:
                known[number] = Cpu(number, self._node_of.get(number), online, share)
        return tuple(known.values())

    def policies(self, since_s: float, shown: Container[int] | None) -> tuple[Policy, ...]:
        """Every policy, its frequency and settings as fresh as this tick's share of work allows.

        Args:
            since_s: Seconds since the last call.
            shown: CPUs on screen; their policies' frequencies are read each tick.
        """
        names = self._frequencies.next(_FREQUENCIES)
        if shown is not None:
            names += [
                name
                for name, policy in self._policies.items()
                if any(cpu in shown for cpu in policy.cpus) and name not in names
            ]
        patience = time.perf_counter() + _PATIENCE_S
        for name in names:
            self._read_frequency(name)
            if time.perf_counter() > patience:
                break
        for name in self._settings.due(since_s, _SETTINGS_EVERY_S, _SETTINGS):
            self._read_settings(name)
        return tuple(self._policies.values())

    def _read_times(self) -> CpuTimes:
        try:
            return parse_stat(self._files.read(STAT))
        except OSError:
            return CpuTimes(0, {})

    def _whole(self, name: str) -> Policy:
        return cpufreq.read_policy(self._files.once, name)

    def _read_frequency(self, name: str) -> None:
        old = self._policies[name]
        path = f"{cpufreq.DIRECTORY}/{name}/scaling_cur_freq"
        try:
            khz = cpufreq.parse_khz(self._files.text(path))
        except OSError:
            khz = None
        if khz == old.current_khz:
            return
        if khz is None or old.error:
            self._policies[name] = self._whole(name)
        else:
            self._policies[name] = Policy(
                name, old.cpus, old.driver, old.governor, old.governors, khz,
                old.min_khz, old.max_khz, old.hardware_min_khz, old.hardware_max_khz,
            )  # fmt: skip

    def _read_settings(self, name: str) -> None:
        old = self._policies[name]
        directory = f"{cpufreq.DIRECTORY}/{name}"
        once = self._files.once
        try:
            governor = once(f"{directory}/scaling_governor").strip() or None
            low = cpufreq.parse_khz(once(f"{directory}/scaling_min_freq"))
            high = cpufreq.parse_khz(once(f"{directory}/scaling_max_freq"))
        except OSError:
            self._policies[name] = self._whole(name)
            return
        if governor not in (old.governor, *old.governors):
            self._policies[name] = self._whole(name)
        elif (governor, low, high) != (old.governor, old.min_khz, old.max_khz):
            self._policies[name] = replace(old, governor=governor, min_khz=low, max_khz=high)
