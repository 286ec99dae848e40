"""Where the helper keeps what: the record of a trial, the journal, the files that last.

The defaults are the machine's; tests and the demo bring directories of their own. No argument and
no environment variable of the running helper can move them.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import os
import stat
from typing import NamedTuple

from aitune_helper.formats import FILES

# Who may read the journal besides root, where such a group exists.
JOURNAL_GROUPS = ("adm", "wheel")
_DROPIN_UMASK = 0o022


class Places(NamedTuple):
    """The three directories and what lies in them.

    Attributes:
        run: Dies with the boot, as the settings do: record, locks, public state.
        state: Lasts: the journal and the list of files we own.
        etc: Where drop-ins go: `sysctl.d/95-aitune.conf` below it.
    """

    run: str = "/run/aitune"
    state: str = "/var/lib/aitune"
    etc: str = "/etc"

    @property
    def private(self) -> str:
        """For root alone: anybody who can open a lock can hold it."""
        return self.run + "/private"

    @property
    def lock(self) -> str:
        """Held by whoever is changing something now."""
        return self.private + "/lock"

    @property
    def guard_lock(self) -> str:
        """Held by the live guardian."""
        return self.private + "/guard.lock"

    @property
    def helpers_lock(self) -> str:
        """Shared by all helpers that live: who can have it alone knows that there is none."""
        return self.private + "/helpers.lock"

    @property
    def guard_socket(self) -> str:
        """Where the guardian is told of a trial and answers that it watches."""
        return self.private + "/guard.sock"

    @property
    def trial(self) -> str:
        """The write-ahead record of the open trial."""
        return self.private + "/trial.json"

    @property
    def public(self) -> str:
        """What anybody may know."""
        return self.run + "/public.json"

    @property
    def journal(self) -> str:
        """What happened, one line each."""
        return self.state + "/journal.jsonl"

    @property
    def owned(self) -> str:
        """Which files below `etc` are ours, by digest."""
        return self.state + "/owned.json"

    @property
    def sysctl(self) -> str:
        """What sets our sysctl knobs at boot."""
        return self.at_boot["sysctl"]

    @property
    def at_boot(self) -> dict[str, str]:
        """Our files that set things at boot, by mechanism."""
        return {mechanism: f"{self.etc}/{file}" for mechanism, file in FILES.items()}

    @property
    def dropins(self) -> tuple[str, ...]:
        """The directories of those who set things at boot."""
        return tuple(os.path.dirname(path) for path in self.at_boot.values())


def prepare(places: Places) -> None:
    """Make the directories with their modes, and refuse any that are not what they should be.

    Raises:
        OSError: One cannot be made, or is a link, another's, or open to others.
    """
    directory(places.run, 0o755)
    directory(places.private, 0o700)
    directory(places.state, 0o755)


def prepare_dropins(places: Places) -> None:
    """Make those drop-in directories whose reader is here, for everybody to read.

    A directory that cannot be made is missed when something is to be put there, and said then.
    """
    umask = os.umask(_DROPIN_UMASK)
    try:
        for folder in places.dropins:
            with contextlib.suppress(OSError):
                os.mkdir(folder, 0o755)
    finally:
        os.umask(umask)


@functools.cache
def journal_group() -> int | None:
    """The group that may read the journal, or None where the machine has none of that kind.

    Asked for once: the sandbox hides the file of groups.
    """
    if os.geteuid() != 0:
        return None
    for name in JOURNAL_GROUPS:
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            continue
    return None


def directory(path: str, mode: int) -> None:
    """Make a directory of ours with its mode; OSError where it is another's, or a link."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise PermissionError(1, "not ours", path)
        if stat.S_IMODE(found.st_mode) != mode:
            os.fchmod(fd, mode)
    finally:
        os.close(fd)
