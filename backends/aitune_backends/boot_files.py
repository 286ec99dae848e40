"""The files of one kind that a machine reads at boot, in their order.

sysctl.d, tmpfiles.d and udev's rules.d share this much: files are taken from several directories;
of two with one name the one in the earlier directory hides the other, a link to /dev/null hides
without saying anything; all that remain are read in the order of their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitune_backends.host import Host


@dataclass(frozen=True, slots=True)
class Owner:
    """A line that sets a target at boot, or would.

    Attributes:
        file: Absolute path of the file.
        line: Its number, from 1; 0 for the kernel's command line.
        value: What it sets, as written there.
        certain: False where it depends on what cannot be told from here.
        ignored: Why nothing comes of it, in a sentence, or "".
        by: The service that sets it, "" for what is set before any service starts.
    """

    file: str
    line: int
    value: str
    certain: bool = True
    ignored: str = ""
    by: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place} ({self.by})" if self.by and self.by != place else place


@dataclass(frozen=True, slots=True)
class BootFiles:
    """The files of one kind.

    Attributes:
        known: Whether the machine shows any of the directories; a capture without /etc does not.
        texts: (path, text), in the order in which they are read.
        errors: Files that could not be read, and why.
    """

    known: bool
    texts: tuple[tuple[str, str], ...]
    errors: Mapping[str, str]


def read_boot_files(
    host: Host, directories: Sequence[str], ending: str, ours: Mapping[str, str]
) -> BootFiles:
    """Read all files of one kind.

    Args:
        host: The machine.
        directories: In the order in which they hide each other.
        ending: Of the names that count: `.conf`.
        ours: Texts to take instead of what is there, by path: what a file of ours would say.
    """
    files: dict[str, str] = {}
    known = False
    for directory in directories:
        try:
            names = set(host.entries(directory))
        except OSError:
            names = set()
        else:
            known = True
        names |= {path.rpartition("/")[2] for path in ours if path.startswith(directory + "/")}
        for name in names:
            if name.endswith(ending):
                files.setdefault(name, f"{directory}/{name}")
    texts: list[tuple[str, str]] = []
    errors: dict[str, str] = {}
    for _, path in sorted(files.items()):
        if path in ours:
            texts.append((path, ours[path]))
            continue
        try:
            texts.append((path, host.read(path)))
        except OSError as error:
            if not _is_mask(host, path):
                errors[path] = (error.strerror or str(error)).lower()
    return BootFiles(known, tuple(texts), errors)


def _is_mask(host: Host, path: str) -> bool:
    """Whether a file is a link to /dev/null, by which an administrator switches it off."""
    try:
        return host.link(path) == "/dev/null"
    except OSError:
        return False
