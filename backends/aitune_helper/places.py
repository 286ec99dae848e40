"""Where the helper keeps what: the record of a trial, the journal, the files that last.

The defaults are the machine's; tests and the demo bring directories of their own. No argument and
no environment variable of the running helper can move them.
"""

from __future__ import annotations

import contextlib
import grp
import os
import stat
from typing import NamedTuple

# Who may read the journal besides root, where such a group exists.
JOURNAL_GROUPS = ("adm", "wheel")

FILES_AT_BOOT = {
    "sysctl": "sysctl.d/95-aitune.conf",
    "udev": "udev/rules.d/95-aitune.rules",
    "tmpfiles": "tmpfiles.d/95-aitune.conf",
    "modules": "modules-load.d/95-aitune.conf",
}


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
        return {mechanism: f"{self.etc}/{file}" for mechanism, file in FILES_AT_BOOT.items()}


def prepare(places: Places) -> None:
    """Make the directories with their modes, and refuse any that are not what they should be.

    Raises:
        OSError: One cannot be made, or is a link, another's, or open to others.
    """
    _directory(places.run, 0o755)
    _directory(places.private, 0o700)
    _directory(places.state, 0o755)


def journal_group() -> int | None:
    """The group that may read the journal, or None where the machine has none of that kind."""
    if os.geteuid() != 0:
        return None
    for name in JOURNAL_GROUPS:
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            continue
    return None


def _directory(path: str, mode: int) -> None:
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
