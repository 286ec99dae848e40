"""Reading a TuneD profile: the profile, all that it includes, merged as TuneD merges them.

TuneD is not asked and nothing of it is run. A function (`${f:…}`), a condition on the processor, a
plug-in without a knob of ours: each line of them is listed as left, with the reason.

The rules are those of TuneD's own loader, merger and variables (2.20, and what 2.2x added).
"""

from __future__ import annotations

import errno
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aitune_backends.changes import shown
from aitune_backends.foreign import clean
from aitune_backends.lens import LensError
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.knob_paths import unlisted
from aitune_backends.lens.sections import Assignment, parse_sections
from aitune_backends.lens.tuned_lines import Line, Unit
from aitune_backends.lens.tuned_plugins import gather_unit
from aitune_backends.lens.variables import NotUnderstood, Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitune_backends.lens import Imported
    from aitune_backends.lens.knob_paths import Names

FOLDERS = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")
FILE = "tuned.conf"

_MOST_FILES = 40
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_MISSING = (errno.ENOENT, errno.ENOTDIR)
_TRUE = ("True", "true", "1")
# What a section says of itself rather than of the machine, and the option of TuneD's unit it is.
_UNIT_OPTIONS = (
    "type", "enabled", "replace", "drop", "devices", "devices_udev_regex", "cpuinfo_regex",
    "uname_regex", "script_pre", "script_post", "priority",
)  # fmt: skip


def read_tuned(
    read: Callable[[str], str],
    name: str,
    folders: Sequence[str] = FOLDERS,
    names: Names = unlisted,
) -> Imported:
    """Read a TuneD profile by name, or several merged as `tuned-adm profile A B` does.

    Args:
        read: Reads a file of the machine, as `Host.read`; raises OSError where there is none. It
            is also asked what the machine offers where a profile gives alternatives.
        name: As `tuned-adm` takes it, or the path of a profile's folder or of its tuned.conf.
        folders: Where profiles lie, the winning folder first.
        names: Lists a directory of the machine, as `Host.names`, for patterns of devices.

    Raises:
        LensError: There is no such profile, or it is beyond the bounds of any profile.
    """
    chain = _Chain(read, folders)
    gathered = Gathered(names)
    for each in [name] if "/" in name else name.split() or [name]:
        why = chain.load(each, gathered)
        if why:
            where = "" if "/" in name else f" in {' or '.join(folders)}"
            raise LensError(f"{why[:1].upper()}{why[1:]}{where}.")
    variables = _variables(chain, gathered)
    for unit in _merged(chain, gathered):
        gather_unit(unit, variables, gathered, read)
    title, text = chain.about.get("summary", ""), chain.about.get("description", "")
    return gathered.result(_plain(name), title, text, chain.loaded[-1].path)


def _plain(name: str) -> str:
    """The name of a profile, where its path was given."""
    return posixpath.basename(name.removesuffix(f"/{FILE}").rstrip("/")) if "/" in name else name


@dataclass(slots=True)
class _File:
    """One file of the chain.

    Attributes:
        path: Where it lies.
        sections: Each section's lines by name; of equal names the last, in the place of the first.
    """

    path: str
    sections: dict[str, dict[str, Line]] = field(default_factory=dict)


class _Chain:
    """A profile and everything it includes, each file once, what is included first."""

    def __init__(self, read: Callable[[str], str], folders: Sequence[str]) -> None:
        self.files: list[str] = []
        self.loaded: list[_File] = []
        self.about: dict[str, str] = {}
        self.read = read
        self._folders = folders
        self._bytes = 0

    def load(self, name: str, gathered: Gathered) -> str:
        """Read one profile, and before it those that it includes.

        Returns:
            Why it cannot be read, in half a sentence; "" where it could.

        Raises:
            LensError: The chain is beyond the bounds of any profile.
        """
        optional = name.startswith("-")  # a dash asks for it only where it is there
        why = f'no profile is called "{shown(name)}"'
        for path in self._candidates(name.removeprefix("-")):
            if path in self.files:
                return ""  # as TuneD: once is enough, and a loop ends here
            try:
                text = self.text(path)
            except OSError as error:
                if error.errno not in _MISSING:
                    why = f"{shown(path)} cannot be read: {(error.strerror or str(error)).lower()}"
                    break
                continue
            self._follow(path, text, gathered)
            return ""
        return "" if optional else why

    def _follow(self, path: str, text: str, gathered: Gathered) -> None:
        self.files.append(path)
        if len(self.files) > _MOST_FILES:
            raise LensError(f"It includes more than {_MOST_FILES} files: it is no profile.")
        file = self._parsed(path, text, gathered)
        main = file.sections.pop("main", {})
        self._include(main.get("include"), file, gathered)
        self._main(main, gathered)
        self.loaded.append(file)

    def text(self, path: str) -> str:
        """The text of a file of the chain.

        Raises:
            OSError: It cannot be read.
            LensError: All of them together are larger than any profile.
        """
        try:
            text = self.read(path)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise LensError(f"{shown(path)} is larger than any profile.") from None
            raise
        self._bytes += len(text)
        if self._bytes > _MOST_BYTES:
            raise LensError(f"{shown(path)} is larger than any profile.")
        return text

    def _candidates(self, name: str) -> list[str]:
        """The files that may be a profile: its path, or its name in each folder."""
        if "/" in name:
            path = posixpath.normpath(name)
            return [path if path.endswith(".conf") else f"{path}/{FILE}"]
        if _NAME.fullmatch(name) is None or name in (".", ".."):
            return []
        return [f"{folder}/{name}/{FILE}" for folder in self._folders]

    def _parsed(self, path: str, text: str, gathered: Gathered) -> _File:
        found = parse_sections(text)
        file = _File(path)
        for number, said in found.unread:
            gathered.leave(f"{path}:{number}", said, "it is no assignment; TuneD refuses the file")
        for each in found.assignments:
            line = _line(path, each)
            if each.section == "DEFAULT":
                gathered.leave(line.place, line.text, "it is for every section: not followed")
                continue
            lines = file.sections.setdefault(each.section, {})
            earlier = lines.get(each.name)
            if earlier is not None:
                gathered.follow(earlier.place, earlier.text, f"{line.place} says it again")
            lines[each.name] = line
        return file

    def _include(self, line: Line | None, file: _File, gathered: Gathered) -> None:
        if line is None:
            return
        try:
            own = Variables()
            for name, each in file.sections.get("variables", {}).items():
                if name != "include" and "${f:" not in each.value:
                    own.define(name, each.value)
            included = re.split(r"[,;]", own.expand(line.value))
        except NotUnderstood as reason:
            gathered.leave(line.place, line.text, f"{reason}: what it includes is not seen")
            return
        missing = [why for name in included if (why := self.load(name.strip(), gathered))]
        if missing:
            gathered.leave(line.place, line.text, f"{'; '.join(missing)}; it may set more")
        else:
            gathered.follow(line.place, line.text, "included")

    def _main(self, main: dict[str, Line], gathered: Gathered) -> None:
        for name, line in main.items():
            if name == "include":
                continue
            if name in ("summary", "description"):
                self.about[name] = line.value
                gathered.follow(line.place, line.text, "what the profile says of itself")
            else:
                gathered.leave(line.place, line.text, "an option of TuneD's own")


def _line(path: str, each: Assignment) -> Line:
    folder = posixpath.dirname(path)
    value = each.value.replace("${i:PROFILE_DIR}", folder)
    text = clean(f"{each.name}={' '.join(each.value.split())}")
    return Line(each.name, value, f"{clean(path)}:{each.line}", text, each.comment)


def _variables(chain: _Chain, gathered: Gathered) -> Variables:
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


def _variables_file(chain: _Chain, line: Line, variables: Variables, gathered: Gathered) -> None:
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


def _merged(chain: _Chain, gathered: Gathered) -> list[Unit]:
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
