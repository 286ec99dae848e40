"""Who sets a setting at boot: the lines of sysctl.d that win, by the rules of systemd-sysctl.

Read in sysctl.d(5): files are taken from four directories; of two with one name the one in the
earlier directory hides the other; all that remain are applied in the order of their names, so the
lexically last one wins whichever directory it is in. `/etc/sysctl.conf` is read only where a link
in a sysctl.d directory points to it. What sets the other settings is not looked into yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitune_backends.host import Host

# In the order in which they hide each other.
SYSCTL_DIRECTORIES = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
)

_SYSCTL_IDS = frozenset(knob.id for knob in KNOBS.values() if knob.file().startswith("/proc/sys/"))
_ASSIGNMENT = re.compile(r"-?\s*([^=\s]+)\s*=\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class Owner:
    """The line that sets a knob at boot.

    Attributes:
        file: Absolute path of the file.
        line: Its number, from 1.
        value: What it sets, as written there.
    """

    file: str
    line: int
    value: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Owners:
    """What sets the knobs of one machine at boot.

    Attributes:
        known: Whether the machine shows its directories at all; a capture without /etc does not.
        by_knob: The line that wins, by id of the knob.
        errors: Files that could not be read, and why; another line may win in them.
    """

    known: bool
    by_knob: Mapping[str, Owner] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def of(self, knob: str) -> Owner | None:
        """The line that sets this knob at boot, or None if none is known to."""
        return self.by_knob.get(knob)

    def survives(self, knob: str, value: str) -> bool | None:
        """Whether a value is still there after a reboot.

        Returns:
            None where no file sets it: then it is the kernel's default, which cannot be read.
        """
        owner = self.of(knob)
        if owner is None or self.errors:
            return None
        return owner.value == value


UNKNOWN = Owners(known=False)


def parse_sysctl(text: str) -> tuple[tuple[int, str, str], ...]:
    """Read one sysctl.d file: number of the line, setting by its sysctl name, value.

    A name may be written with dots or slashes; the first separator decides, as sysctl.d(5) says.
    Globs and lines that only exclude a name (`-name`) set no knob of ours and are left out.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match is None or line.lstrip().startswith(("#", ";")):
            continue
        name = _dotted(match[1])
        found.append((number, name, match[2]))
    return tuple(found)


def _dotted(name: str) -> str:
    """A name with dots between its parts, whichever separator it is written with."""
    first = re.search(r"[./]", name)
    if first is None or first[0] == ".":
        return name
    return name.translate(str.maketrans("/.", "./"))


def read_owners(host: Host) -> Owners:
    """Find out what sets each sysctl knob at boot."""
    files: dict[str, str] = {}
    known = False
    for directory in SYSCTL_DIRECTORIES:
        try:
            names = host.entries(directory)
        except OSError:
            continue
        known = True
        for name in names:
            if name.endswith(".conf"):
                files.setdefault(name, f"{directory}/{name}")
    by_knob: dict[str, Owner] = {}
    errors: dict[str, str] = {}
    for _, path in sorted(files.items()):
        try:
            text = host.read(path)
        except OSError as error:
            if not _is_mask(host, path):
                errors[path] = (error.strerror or str(error)).lower()
            continue
        for line, name, value in parse_sysctl(text):
            if name in _SYSCTL_IDS:
                by_knob[name] = Owner(path, line, value)
    return Owners(known, by_knob, errors)


def _is_mask(host: Host, path: str) -> bool:
    """Whether a file is a link to /dev/null, by which an administrator switches it off."""
    try:
        return host.link(path) == "/dev/null"
    except OSError:
        return False
