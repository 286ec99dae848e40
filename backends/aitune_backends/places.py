"""Where a user's results, log, configuration and profiles lie.

The places follow the effective uid. Root's are the machine's own: `/var/lib/aitune` and
`/etc/aitune-tui`. Everybody else's are the XDG directories, but never by way of `$HOME` or `$XDG_*`
when sudo is in play: those may still be the caller's, and files written there as another user
would break the caller's next run.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Mapping

APP = "aitune-tui"
SYSTEM_STATE = Path("/var/lib/aitune")
SYSTEM_CONFIG = Path("/etc/aitune-tui")


@dataclass(frozen=True, slots=True)
class UserPlaces:
    """The directories of one user; none of them has to exist.

    Attributes:
        state: What the app writes: results of load tests, its log.
        config: The user's own configuration; it wins over `system_config`.
        system_config: The machine's configuration, read by everybody.
        private: Whether `state` is for its owner's eyes alone.
    """

    state: Path
    config: Path
    system_config: Path = SYSTEM_CONFIG
    private: bool = True

    @property
    def results(self) -> Path:
        """The database of load-test results."""
        return self.state / "results.db"

    @property
    def log(self) -> Path:
        """The application's log file."""
        return self.state / "log"

    @property
    def config_files(self) -> tuple[Path, ...]:
        """Every `config.toml`, in the order in which they win."""
        return tuple(folder / "config.toml" for folder in self._config_folders())

    @property
    def profile_folders(self) -> tuple[Path, ...]:
        """Every folder of profiles, in the order in which they win."""
        return tuple(folder / "profiles" for folder in self._config_folders())

    def make_state(self) -> Path:
        """Create the state folder where it is missing, and return it.

        Raises:
            OSError: It cannot be created.
        """
        self.state.mkdir(mode=0o700 if self.private else 0o755, parents=True, exist_ok=True)
        return self.state

    def _config_folders(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((self.config, self.system_config)))


def user_places(
    uid: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> UserPlaces:
    """The places of a user, by default of this process.

    Args:
        uid: Effective uid; None asks the kernel.
        environ: Tells whether sudo started us.
    """
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        return UserPlaces(SYSTEM_STATE, SYSTEM_CONFIG, private=False)
    if "SUDO_UID" not in environ and uid == os.geteuid() and ("HOME" in environ or _home(uid)):
        own = platformdirs.PlatformDirs(APP, appauthor=False)
        return UserPlaces(Path(own.user_state_dir), Path(own.user_config_dir))
    home = _home(uid)
    if home is None:
        # A uid without a passwd entry has no home; this is the one place that is its own, if any.
        own_run = Path(f"/run/user/{uid}") / APP
        return UserPlaces(own_run, own_run)
    return UserPlaces(home / ".local/state" / APP, home / ".config" / APP)


def _home(uid: int) -> Path | None:
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:
        return None
