"""The files of a TuneD profile: its own, and before it those that it includes.

The rules are those of TuneD's loader: a file is read once, so a loop ends; a name is looked for in
each folder; a dash before it asks for a profile only where it is there.
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
from aitune_backends.lens.sections import Assignment, parse_sections
from aitune_backends.lens.tuned_lines import Line
from aitune_backends.lens.variables import NotUnderstood, Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitune_backends.lens.gathering import Gathered

FILE = "tuned.conf"

_MOST_FILES = 40
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_MISSING = (errno.ENOENT, errno.ENOTDIR)


@dataclass(slots=True)
class File:
    """One file of the chain.

    Attributes:
        path: Where it lies.
        sections: Each section's lines by name; of equal names the last, in the place of the first.
    """

    path: str
    sections: dict[str, dict[str, Line]] = field(default_factory=dict)


class Chain:
    """A profile and everything it includes, each file once, what is included first."""

    def __init__(self, read: Callable[[str], str], folders: Sequence[str]) -> None:
        """Begin with no file.

        Args:
            read: Reads a file; raises OSError where there is none.
            folders: Where profiles lie, the winning folder first.
        """
        self.files: list[str] = []
        self.loaded: list[File] = []
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
            return [path] if path.endswith(".conf") else [f"{path}/{FILE}", path]
        if _NAME.fullmatch(name) is None or name in (".", ".."):
            return []
        return [f"{folder}/{name}/{FILE}" for folder in self._folders]

    def _parsed(self, path: str, text: str, gathered: Gathered) -> File:
        found = parse_sections(text)
        file = File(path)
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

    def _include(self, line: Line | None, file: File, gathered: Gathered) -> None:
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
