"""The sections of a chain of TuneD profiles as one, by the rules of TuneD's merger.

A later file's line stands in the place of an earlier one's of the same section and name; a section
may replace the earlier one, or drop lines of it. Variables are merged in the same way, and each is
expanded where it stands.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from aitune_backends.lens import LensError
from aitune_backends.lens.sections import parse_sections
from aitune_backends.lens.tuned_lines import Unit
from aitune_backends.lens.variables import NotUnderstood, Variables

if TYPE_CHECKING:
    from aitune_backends.lens.gathering import Gathered
    from aitune_backends.lens.tuned_chain import Chain
    from aitune_backends.lens.tuned_lines import Line

_TRUE = ("True", "true", "1")
# What a section says of itself rather than of the machine.
_UNIT_OPTIONS = (
    "type", "enabled", "replace", "drop", "devices", "devices_udev_regex", "cpuinfo_regex",
    "uname_regex", "script_pre", "script_post", "priority",
)  # fmt: skip


def merged_variables(chain: Chain, gathered: Gathered) -> Variables:
    """The variables of all files: a later file's value in the place of an earlier one's."""
    lines: dict[str, Line] = {}
    for file in chain.loaded:
        for name, line in file.sections.pop("variables", {}).items():
            _replace(lines, name, line, gathered)
    variables = Variables()
    for name, line in lines.items():
        try:
            if name == "include":
                _variables_file(chain, line, variables, gathered)
                continue
            variables.define(name, line.value)
        except NotUnderstood as why:
            gathered.leave(line.place, line.text, str(why))
        else:
            gathered.follow(line.place, line.text, "a variable")
    return variables


def _variables_file(chain: Chain, line: Line, variables: Variables, gathered: Gathered) -> None:
    """Variables from a file of their own, which has no sections."""
    path = posixpath.normpath(line.value)
    try:
        text = chain.text(path)
    except (OSError, ValueError) as error:
        if isinstance(error, LensError):
            raise
        why = (getattr(error, "strerror", "") or str(error)).lower()
        gathered.leave(line.place, line.text, f"it cannot be read: {why}")
        return
    gathered.follow(line.place, line.text, "a file of variables")
    found = parse_sections(text, "variables")
    for number, said in found.unread:
        gathered.leave(f"{path}:{number}", said, "no variable is set here")
    for each in found.assignments:
        try:
            variables.define(each.name, each.value)
        except NotUnderstood as why:
            gathered.leave(f"{path}:{each.line}", f"{each.name}={each.value}", str(why))
        else:
            gathered.follow(f"{path}:{each.line}", f"{each.name}={each.value}", "a variable")


def merged_units(chain: Chain, gathered: Gathered) -> list[Unit]:
    """The sections of all files as TuneD merges them: a later one adds to it, or replaces it."""
    units: dict[str, Unit] = {}
    for file in chain.loaded:
        for name, lines in file.sections.items():
            of_unit = {key: line for key, line in lines.items() if key in _UNIT_OPTIONS}
            options = {key: line for key, line in lines.items() if key not in _UNIT_OPTIONS}
            for line in of_unit.values():
                gathered.follow(line.place, line.text, "what a section says of itself")
            _add(units, name, of_unit, options, gathered)
    return list(units.values())


def _add(
    units: dict[str, Unit],
    name: str,
    of_unit: dict[str, Line],
    options: dict[str, Line],
    gathered: Gathered,
) -> None:
    def said(key: str, otherwise: str = "") -> str:
        return of_unit[key].value if key in of_unit else otherwise

    unit = units.get(name)
    if unit is None or said("replace") in _TRUE:
        for line in unit.options.values() if unit else ():
            gathered.follow(line.place, line.text, f"the section {name} is replaced later")
        unit = units[name] = Unit(name)
    else:
        for dropped in re.split(r"[,;]", said("drop")):
            line_dropped = unit.options.pop(dropped.strip(), None)
            if line_dropped is not None:
                why = f"{of_unit['drop'].place} drops it"
                gathered.follow(line_dropped.place, line_dropped.text, why)
    unit.type = said("type", name)
    unit.enabled = said("enabled", "true") in _TRUE
    unit.devices = said("devices", "*")
    for key in ("devices_udev_regex", "cpuinfo_regex", "uname_regex"):
        if key in of_unit:
            unit.conditions[key] = of_unit[key].value
    for key, line in options.items():
        _replace(unit.options, key, line, gathered)


def _replace(lines: dict[str, Line], name: str, line: Line, gathered: Gathered) -> None:
    earlier = lines.get(name)
    if earlier is not None:
        gathered.follow(earlier.place, earlier.text, f"{line.place} says it again")
    lines[name] = line
