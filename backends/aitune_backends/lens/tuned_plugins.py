"""What the sections of a TuneD profile mean in knobs of ours: one function for each plug-in."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from aitune_backends.advice import is_made_up
from aitune_backends.changes import AT_LEAST, AT_MOST, brief_list
from aitune_backends.lens.knob_paths import sysctl_path
from aitune_backends.lens.tuned_cpu import gather_cpu
from aitune_backends.lens.tuned_lines import Line, Target, Unit
from aitune_backends.lens.variables import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitune_backends.lens.gathering import Gathered
    from aitune_backends.lens.variables import Variables

_THP = "/sys/kernel/mm/transparent_hugepage/"
_UNAME = ("ostype", "hostname", "osrelease", "version", "arch")
_LONGEST_RULE = 200


def gather_unit(
    unit: Unit, variables: Variables, gathered: Gathered, read: Callable[[str], str]
) -> None:
    """Put every line of a section where it belongs."""
    lines = tuple(unit.options.values())
    if not unit.enabled:
        for line in lines:
            gathered.follow(line.place, line.text, f"the section {unit.name} is switched off")
        return
    if _is_elsewhere(unit, read):
        for line in lines:
            gathered.follow(line.place, line.text, "for machines of another kind (uname_regex)")
        return
    reader = _PLUGINS.get(unit.type)
    target = Target(gathered, read, unit.devices)
    try:
        target = Target(gathered, read, variables.expand(unit.devices))
    except NotUnderstood as why:
        unit.conditions["devices"] = str(why)
    for line in lines:
        if unit.conditions:
            named = " and ".join(sorted(unit.conditions))
            target.leave(line, f"it counts only where {named} matches, which is not looked into")
        elif reader is None:
            target.leave(line, f"TuneD's plug-in {unit.type}: this tool has no knob for it")
        else:
            try:
                value = _unquoted(variables.expand(line.value))
                reader(replace(line, name=variables.expand(line.name), value=value), target)
            except NotUnderstood as why:
                target.leave(line, str(why))


def _is_elsewhere(unit: Unit, read: Callable[[str], str]) -> bool:
    """Whether the section is for another kind of machine; takes a condition out that is met.

    Only plain words are compared: a regular expression of somebody else's may run for ever.
    """
    wanted = unit.conditions.get("uname_regex", "")
    if re.fullmatch(r"\w+", wanted) is None:
        return False
    try:
        name = " ".join(read(f"/proc/sys/kernel/{part}").strip() for part in _UNAME)
    except OSError:
        return False
    if wanted not in name:
        return True
    del unit.conditions["uname_regex"]
    return False


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _bounded(value: str) -> tuple[str, str]:
    """A number that may be a bound, as in `readahead=>4096`: the number, and which bound."""
    found = re.fullmatch(r"([<>])\s*([0-9]+)", value)
    if found is None:
        return value, ""
    return found[2], AT_LEAST if found[1] == ">" else AT_MOST


def _sysctl(line: Line, target: Target) -> None:
    value, bound = _bounded(line.value)
    target.want_at(line, sysctl_path(line.name), value, bound)


def _sysfs(line: Line, target: Target) -> None:
    target.want_at(line, line.name, line.value)


def _vm(line: Line, target: Target) -> None:
    if line.name in ("transparent_hugepages", "transparent_hugepage"):
        target.want_at(line, _THP + "enabled", line.value)
    elif line.name == "transparent_hugepage.defrag":
        target.want_at(line, _THP + "defrag", line.value)
    elif re.fullmatch(r"dirty_(background_)?(bytes|ratio)", line.name):
        name, value = line.name, line.value
        if value.endswith("%"):  # a share of memory is the other half of the setting
            name, value = name.replace("bytes", "ratio"), value.rstrip("%").strip()
        target.want_at(line, f"/proc/sys/vm/{name}", value)
    else:
        target.leave(line, "an option of TuneD's plug-in vm that this tool has no knob for")


def _disk(line: Line, target: Target) -> None:
    if line.name not in ("elevator", "readahead"):
        target.leave(line, "an option of TuneD's plug-in disk that this tool has no knob for")
        return
    try:
        disks = _disks(target)
    except NotUnderstood as why:
        target.leave(line, str(why))
        return
    if line.name == "elevator":
        target.want(line, "block.scheduler", line.value, instances=disks)
        return
    value, _, unit = line.value.partition(" ")
    value, bound = _bounded(value)
    if unit.strip().startswith("s") and value.isdecimal() and len(value) < _LONGEST_RULE:
        value = str(int(value) // 2)  # sectors of 512 bytes
    target.want(line, "block.read_ahead_kb", value, bound=bound, instances=disks)


def _disks(target: Target) -> tuple[str, ...] | None:
    """The disks a section is for, None for all.

    Raises:
        NotUnderstood: It is for a pattern, and no disk that it would mean is known.
    """
    rules = [rule for rule in re.split(r"[\s,]+", target.devices) if rule]
    without = [rule[1:] for rule in rules if rule.startswith("!")]
    only = [rule for rule in rules if not rule.startswith("!")]
    if not without and only in ([], ["*"]):
        return None
    if any(len(rule) > _LONGEST_RULE for rule in rules):
        raise NotUnderstood("it is for disks of a name longer than any")
    if not without and not re.search(r"[*?\[]", target.devices):
        return tuple(only)
    disks = tuple(
        name
        for name in target.gathered.names("/sys/block")
        if not is_made_up(name)
        and any(fnmatch.fnmatchcase(name, rule) for rule in only or ["*"])
        and not any(fnmatch.fnmatchcase(name, rule) for rule in without)
    )
    if not disks:
        raise NotUnderstood(f"it is for disks called {brief_list(rules)}, and none is known here")
    return disks


def _bootloader(line: Line, target: Target) -> None:
    if not line.name.startswith("cmdline"):
        target.leave(line, "how TuneD edits the boot loader: this tool prints the words only")
        return
    operator, words = line.value[:1], line.value[1:].split()
    if operator == "-":
        target.gathered.take_out(line.place, line.text, words)
        return
    if operator == "\\" and line.value[1:2] not in ("\\", "+", "-"):
        operator = ""
    words = words if operator in ("+", "\\") else line.value.split()
    if words:
        target.gathered.boot(line.place, line.text, words)
    else:
        target.gathered.follow(line.place, line.text, "no word at all")


_PLUGINS: Mapping[str, Callable[[Line, Target], None]] = {
    "sysctl": _sysctl,
    "sysfs": _sysfs,
    "vm": _vm,
    "cpu": gather_cpu,
    "disk": _disk,
    "bootloader": _bootloader,
}
