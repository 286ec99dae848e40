"""Which reader a file of settings is for, by its name and then by what it says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.host import Host
from aitune_backends.lens import Imported, LensError
from aitune_backends.lens.tuned import FOLDERS, read_tuned
from aitune_backends.lens.tuned_chain import FILE
from aitune_backends.small_file import UnreadableError, read_text

if TYPE_CHECKING:
    from collections.abc import Callable

TUNED = "tuned:"
_LONGEST_BYTES = 1 << 18
_MACHINE = ("/proc/", "/sys/")
# Blanks are said one by one: what also takes line feeds would be tried over and over.
_HEADING = re.compile(r"^[ \t]*\[[\w.-]+\][ \t\r]*$", re.MULTILINE)
_TMPFILES = re.compile(r"^[wf][+!=~^-]*[ \t]+/(?:sys|proc)/", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^[ \t]*-?[\w./*-]+[ \t]*=", re.MULTILINE)
_SYSCTL = re.compile(r"[ \t]*-?[\w*-]+[./][\w./*-]*[ \t]*=[ \t]*\S+[ \t]*")


def open_settings(name: str, host: Host) -> Imported:
    """Read a profile of ours or settings of another tool.

    Args:
        name: A profile's name; the path of a file, or of the folder of a TuneD profile; or
            `tuned:NAME`, a TuneD profile of the machine.
        host: The machine that it is for.

    Raises:
        LensError, ProfileError: There is no such thing, or it cannot be read.
    """
    if name.startswith(TUNED):
        return read_tuned(host.read, name.removeprefix(TUNED), names=host.names)
    path = Path(name)
    if ("/" in name or path.suffix) and path.suffix != ".toml":
        return read_settings(name, host)
    from aitune_backends import profiles

    return Imported(profiles.load(name))


def read_settings(name: str, host: Host) -> Imported:
    """Read a file of another tool, or the folder of a TuneD profile.

    Args:
        name: Its path on this machine.
        host: The machine that it is for: whose disks a pattern means, what it offers.

    Raises:
        LensError: It cannot be read, or is no file of settings.
    """
    path = Path(os.path.abspath(name))  # noqa: PTH100  its links are kept: they are its name
    if path.is_dir():
        path /= FILE
    try:
        text = read_text(path, _LONGEST_BYTES, "file of settings")
    except UnreadableError as error:
        raise LensError(str(error)) from None
    if path.name == FILE or _HEADING.search(text):
        folders = (str(path.parent.parent), *FOLDERS)
        return read_tuned(_reader(host), str(path), folders, host.names)
    if path.suffix == ".rules":
        from aitune_backends.lens.udev import read_udev

        return read_udev(text, str(path), host)
    if text.startswith("#!"):
        from aitune_backends.lens.script import read_script

        return read_script(text, str(path))
    if _TMPFILES.search(text):
        from aitune_backends.lens.tmpfiles import read_tmpfiles

        return read_tmpfiles(text, str(path), host.names)
    if _ASSIGNMENT.search(text) and not _is_cmdline(text):
        from aitune_backends.lens.sysctl import read_sysctl

        return read_sysctl(text, str(path))
    from aitune_backends.lens.cmdline import read_cmdline
    from aitune_backends.survey import default_pool

    return read_cmdline(text, str(path), default_pool(host))


def _is_cmdline(text: str) -> bool:
    """Whether its lines are words of a kernel command line: none is an assignment of a sysctl."""
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;"]
    return not any(_SYSCTL.fullmatch(line) for line in lines)


def _reader(host: Host) -> Callable[[str], str]:
    """Reads the profile here, and what the machine offers there."""
    here = host if host.is_this_machine else Host()
    return lambda path: (host if path.startswith(_MACHINE) else here).read(path)
