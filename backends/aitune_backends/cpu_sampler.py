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
from aitune_backends.probes.numbers import first_line
from aitune_backends.readings import Cpu, Policy
from aitune_backends.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Container

    from aitune_backends.host import Host
    from aitune_backends.kept import KeptFiles

# Frequencies read in one tick besides those on screen.
_FREQUENCIES = 64
# Old kernels sleep 10 to 20 ms while a frequency is read: then the rest waits for the next tick.
_PATIENCE_S = 0.005
# Policies whose governor, and whose limits, are read in one tick at most.
_GOVERNORS, _LIMITS = 13, 2
_SETTINGS_EVERY_S = 5.0


class CpuSampler:
    """The CPUs of one host."""

    def __init__(self, host: Host, files: KeptFiles) -> None:
        self._host = host
        self._files = files
        self._listing: list[str] = []
        self._nodes: dict[int, tuple[int, ...]] = {}
        self._present: tuple[int, ...] = ()
        self._online: frozenset[int] = frozenset()
        self._times: CpuTimes | None = None
        self._cpus: tuple[Cpu, ...] = ()
        self._policies: dict[str, Policy] = {}
        self._frequencies = Turns[str]()
        self._governors = Turns[str]()
        self._limits = Turns[str]()

    def list_again(self) -> None:
        """See which CPUs, nodes and policies there are; what is new is read whole."""
        host = self._host
        nodes = read_nodes(host)
        present = read_present(host)
        online = read_online(host, present)
        if (nodes, present, online) != (self._nodes, self._present, self._online):
            self._nodes, self._present, self._online = nodes, present, online
            node_of = {cpu: node for node, cpus in nodes.items() for cpu in cpus}
            self._cpus = tuple(Cpu(cpu, node_of.get(cpu), cpu in online) for cpu in present)
        listing = host.names(cpufreq.DIRECTORY)
        if listing != self._listing:
            self._listing = listing
            self._take(cpufreq.policy_names(host))

    def _take(self, names: tuple[str, ...]) -> None:
        for gone in self._policies.keys() - set(names):
            self._files.drop_below(f"{cpufreq.DIRECTORY}/{gone}")
        self._policies = {name: self._policies.get(name) or self._whole(name) for name in names}
        for ring in (self._frequencies, self._governors, self._limits):
            ring.set(names)

    def read_all_again(self) -> None:
        """Read every policy whole at once: after a change of ours, or when asked."""
        old = self._policies
        self.list_again()
        # What is new was read just now.
        self._policies = {
            name: self._whole(name) if name in old else new for name, new in self._policies.items()
        }

    def cpus(self) -> tuple[Cpu, ...]:
        """Every CPU present, with its share of busy time since the last call."""
        before, self._times = self._times, self._read_times()
        shares = busy(before, self._times) if before else {}
        # Only what changed is made anew: on most machines most CPUs idle.
        self._cpus = tuple(
            [
                cpu if cpu.busy == share else Cpu(cpu.number, cpu.node, cpu.online, share)
                for cpu, share in zip(self._cpus, map(shares.get, self._present), strict=True)
            ]
        )
        return self._cpus

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
        for name in self._governors.due(since_s, _SETTINGS_EVERY_S, _GOVERNORS):
            self._read_governor(name)
            self._read_preference(name)
        for name in self._limits.due(since_s, _SETTINGS_EVERY_S, _LIMITS):
            self._read_limits(name)
        return tuple(self._policies.values())

    def _read_times(self) -> CpuTimes:
        try:
            return parse_stat(self._files.read(STAT))
        except OSError:
            return CpuTimes(0, (), ())

    def _whole(self, name: str) -> Policy:
        with self._host.near(f"{cpufreq.DIRECTORY}/{name}") as read:
            return cpufreq.read_policy(read, name)

    def _read_frequency(self, name: str) -> None:
        old = self._policies[name]
        path = f"{cpufreq.DIRECTORY}/{name}/scaling_cur_freq"
        try:
            khz = cpufreq.parse_khz(self._files.read(path))
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
                preference=old.preference, preferences=old.preferences,
            )  # fmt: skip

    def _read_governor(self, name: str) -> None:
        old = self._policies[name]
        try:
            path = f"{cpufreq.DIRECTORY}/{name}/scaling_governor"
            governor = first_line(self._files.seldom(path))
        except OSError:
            governor = ""
        if governor in old.governors:
            if governor != old.governor:
                self._policies[name] = replace(old, governor=governor)
        elif (governor or None) != old.governor:
            self._policies[name] = self._whole(name)

    def _read_preference(self, name: str) -> None:
        old = self._policies[name]
        if not old.preferences:
            return
        path = f"{cpufreq.DIRECTORY}/{name}/energy_performance_preference"
        try:
            preference = first_line(self._files.seldom(path)) or None
        except OSError:
            preference = None
        if preference != old.preference:
            self._policies[name] = replace(old, preference=preference)

    def _read_limits(self, name: str) -> None:
        old = self._policies[name]
        directory = f"{cpufreq.DIRECTORY}/{name}"
        try:
            low = cpufreq.parse_khz(self._files.seldom(f"{directory}/scaling_min_freq"))
            high = cpufreq.parse_khz(self._files.seldom(f"{directory}/scaling_max_freq"))
        except OSError:
            low = high = None
        if (low, high) != (old.min_khz, old.max_khz):
            self._policies[name] = replace(old, min_khz=low, max_khz=high)
