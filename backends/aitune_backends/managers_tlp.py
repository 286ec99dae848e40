"""TLP: what its files set while a machine is on mains power, as servers are.

Read in TLP 1.5's `tlp-readconfs` and `func.d`: built-in defaults, then `/etc/tlp.d` by name, then
`/etc/tlp.conf`; a later line holds, `+=` adds words. A value that is empty or 0 sets nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.manager_kind import Facts, Kind, Setting
from aitune_backends.settings_text import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aitune_backends.host import Host

_DEFAULTS = "/usr/share/tlp/defaults.conf"
_DIRECTORY = "/etc/tlp.d"
_OWN = "/etc/tlp.conf"
_LINE = re.compile(
    r"([A-Z_]+[0-9]*)(\+?=)(?:([-0-9a-zA-Z _.:]*)|\"([-0-9a-zA-Z _.:]*)\")\s*(?:#.*)?"
)
_EPP = ("performance", "balance_performance", "balance_power", "power")
_PLAIN = (
    ("CPU_SCALING_GOVERNOR", "cpu.governor"),
    ("CPU_SCALING_MIN_FREQ", "cpu.min_freq"),
    ("CPU_SCALING_MAX_FREQ", "cpu.max_freq"),
    ("CPU_ENERGY_PERF_POLICY", "cpu.epp"),
    ("CPU_MIN_PERF", "cpu.min_perf_pct"),
    ("CPU_MAX_PERF", "cpu.max_perf_pct"),
)
_WITH_ZERO = ("cpu.min_perf_pct",)
_KEEP = ("keep", "_")


class _Line(NamedTuple):
    name: str
    adds: bool
    said: Said


def parse_tlp(text: str, file: str) -> Iterator[tuple[str, bool, Said]]:
    """The settings of one file: name, whether it adds to what was said before, value and place."""
    for number, line in enumerate(text.splitlines(), start=1):
        found = _LINE.fullmatch(line.rstrip())
        if found is not None:
            value = (found[3] or found[4] or "").strip()
            yield _Line(found[1], found[2] == "+=", Said(value, f"{file}:{number}"))


def merge(lines: Iterable[tuple[str, bool, Said]]) -> Mapping[str, Said]:
    """What stands of all lines, in the order in which TLP reads them."""
    stands: dict[str, Said] = {}
    for name, adds, said in lines:
        before = stands.get(name)
        value = f"{before.value} {said.value}" if adds and before else said.value
        stands[name] = Said(value, said.place)
    return stands


def _read(host: Host) -> Facts:
    files = [f"{_DIRECTORY}/{name}" for name in host.names(_DIRECTORY) if name.endswith(".conf")]
    lines: list[tuple[str, bool, Said]] = []
    for file in (_DEFAULTS, *files, _OWN):
        try:
            lines += parse_tlp(host.read(file), file)
        except (OSError, ValueError):
            continue
    said = merge(lines)
    if said.get("TLP_ENABLE", Said("1", "")).value != "1":
        return Facts((), "TLP_ENABLE is not 1")
    return Facts(tuple(settings(said)), _OWN)


def settings(said: Mapping[str, Said]) -> Iterator[Setting]:
    """What TLP sets on mains power.

    Args:
        said: The values that stand, by name, as `merge` gives them.
    """
    for name, knob in _PLAIN:
        found = said.get(f"{name}_ON_AC")
        if found is None or not found.value or (found.value == "0" and knob not in _WITH_ZERO):
            continue
        known = knob != "cpu.epp" or found.value in _EPP  # `default` is the processor's own
        yield Setting(knob, "", found.value if known else None, found.place)
    boost = said.get("CPU_BOOST_ON_AC", Said("", ""))
    if boost.value in ("0", "1"):
        yield Setting("cpu.boost", "", boost.value, boost.place)
        yield Setting("cpu.no_turbo", "", "1" if boost.value == "0" else "0", boost.place)
    lost = said.get("MAX_LOST_WORK_SECS_ON_AC", Said("", ""))
    if re.fullmatch(r"[1-9][0-9]{0,6}", lost.value):
        for knob in ("vm.dirty_writeback_centisecs", "vm.dirty_expire_centisecs"):
            yield Setting(knob, "", str(int(lost.value) * 100), lost.place)
    scheduler = said.get("DISK_IOSCHED", Said("", ""))
    disks = said.get("DISK_DEVICES", Said("", "")).value.split()
    for disk, word in zip(disks, scheduler.value.split(), strict=False):
        if word not in _KEEP:
            yield Setting("block.scheduler", disk, word, scheduler.place)


KINDS = (
    Kind(
        "tlp",
        "It sets its values when it starts, after sleep, and when mains power comes or goes.",
        _read,
        against=("tuned", "power-profiles-daemon", "auto-cpufreq"),
    ),
)
