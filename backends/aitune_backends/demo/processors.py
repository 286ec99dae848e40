"""What a written value does to the made-up processors: intel_pstate in its active mode.

The kernel remembers each limit as it was asked for and shows it as far as it can be: cut to what
the processor can, and the least to the most (cpufreq's frequency QoS; intel_pstate.c).
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from .tree import BASE_KHZ, CORES, CPU, MAX_KHZ, MIN_KHZ, NO_TURBO_PCT

if TYPE_CHECKING:
    from .files import Files

_PSTATE = f"{CPU}/intel_pstate"
_S32_MAX = 2**31 - 1


class Processors:
    """Governors, preferences, limits and turbo, and how deep a core may sleep."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._own_preference: dict[str, str] = {}
        self._asked: dict[tuple[str, str], int] = {}

    def governor(self, path: str, value: str, policy: str) -> None:
        """`performance` overrides the energy preference; the policy's own one comes back after."""
        here = f"{CPU}/cpufreq/{policy}"
        if value not in self._files.read(f"{here}/scaling_available_governors").split():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        preference = f"{here}/energy_performance_preference"
        if value == "performance" and self._files.read(path) != value:
            self._own_preference[policy] = self._files.read(preference)
            self._files.put(preference, "performance")
        elif value != "performance" and policy in self._own_preference:
            self._files.put(preference, self._own_preference.pop(policy))
        self._files.put(path, value)

    def preference(self, path: str, value: str, policy: str) -> None:
        """Under the governor `performance` no other is taken."""
        here = f"{CPU}/cpufreq/{policy}"
        words = self._files.read(f"{here}/energy_performance_available_preferences").split()
        if value not in words:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        stiff = self._files.read(f"{here}/scaling_governor") == "performance"
        if stiff and value != "performance":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        self._files.put(path, "balance_performance" if value == "default" else value)

    def limit(self, path: str, value: str, policy: str, which: str) -> None:
        """Any number is taken, and shown as far as it can be."""
        self._asked[policy, which] = number(path, value, 0, _S32_MAX)
        self._show_limits(policy)

    def turbo(self, path: str, value: str) -> None:
        """Without turbo no policy reaches its highest frequencies; what was asked is remembered."""
        off = number(path, value, 0, _S32_MAX) != 0
        self._files.put(path, str(int(off)))
        least = int(self._files.read(f"{_PSTATE}/min_perf_pct"))
        if off and least > NO_TURBO_PCT:
            self._files.put(f"{_PSTATE}/min_perf_pct", str(NO_TURBO_PCT))
        for cpu in range(CORES):
            policy = f"policy{cpu}"
            most = BASE_KHZ if off else MAX_KHZ
            self._files.put(f"{CPU}/cpufreq/{policy}/cpuinfo_max_freq", str(most))
            self._show_limits(policy)

    def share(self, path: str, value: str, which: str) -> None:
        """A share is cut by the other one when it is written, and that is forgotten."""
        least, most = (int(self._files.read(f"{_PSTATE}/{name}_perf_pct")) for name in _SHARES)
        asked = number(path, value, 0, _S32_MAX)
        if which == "min":
            asked = min(max(asked, MIN_KHZ * 100 // MAX_KHZ), most)
        else:
            asked = min(max(asked, least), 100)
        self._files.put(path, str(asked))

    def latency(self, path: str, value: str, _cpu: str) -> None:
        """`n/a` lets the core not sleep; 0 is no limit."""
        self._files.put(path, value if value == "n/a" else str(number(path, value, 0, _S32_MAX)))

    def _show_limits(self, policy: str) -> None:
        here = f"{CPU}/cpufreq/{policy}"
        low, high = (int(self._files.read(f"{here}/cpuinfo_{name}_freq")) for name in _SHARES)
        most = min(max(self._asked.get((policy, "max"), MAX_KHZ), low), high)
        least = min(max(self._asked.get((policy, "min"), MIN_KHZ), low), most)
        self._files.put_all(here, {"scaling_min_freq": least, "scaling_max_freq": most})


_SHARES = ("min", "max")


def number(path: str, value: str, low: int, high: int) -> int:
    """A whole number within the kernel's bounds, or EINVAL."""
    if not re.fullmatch(r"[0-9]{1,19}", value) or not low <= int(value) <= high:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return int(value)
