"""Starting the helper as root: which file, which interpreter, and sudo's part in it.

Without rights of our own only an installed, root-owned helper is started. `sudo -n` comes first;
only where that gives no helper, and there is a terminal, sudo asks for a password itself, on
`/dev/tty`. Whoever already is root starts its own copy: no boundary is crossed then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends import sentences
from aitune_backends.foreign import clean
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_backends.helper_errors import NotElevated, NotInstalled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A distribution's package, then what `helper install` writes; tried in this order.
HELPERS = (
    Path("/usr/libexec/aitune/aitune-helper.pyz"),
    Path("/usr/local/libexec/aitune/aitune-helper.pyz"),
)
INTERPRETERS = (
    Path("/usr/bin/python3"),
    *(Path(f"/usr/bin/python3.{minor}") for minor in range(9, 15)),
    Path("/usr/local/bin/python3"),
)
# Isolated from the environment and the working directory, no site packages, nothing compiled.
FLAGS = ("-I", "-S", "-B")
# Not below /run/aitune, which the confined helper may write: it must not reach its own code.
ROOT_COPIES = Path("/run/aitune-bin")
PROMPT = "[aitune-tui] password for %p: "

HELLO_TIMEOUT_S = 30.0
_LEAVE_TIMEOUT_S = 2.0
_OLDEST_PYTHON = "import sys; sys.exit(sys.version_info < (3, 9))"
_WORDS_KEPT = 20
_SUDO_REFUSED = 1

INSTALL_HINT = "`aitune-tui helper install` installs it; one sudo is needed for that."
NEEDS_PASSWORD = (
    "Changing a setting needs root, and sudo asks for a password first.",
    "Run it on a terminal, or allow it without a password: `aitune-tui helper status` prints how.",
)


def not_granted(said: str = "") -> NotElevated:
    """Sudo was asked, and started nothing.

    Args:
        said: Its own last words, which are shown and not understood.
    """
    message = f"{sentences.NEEDS_ROOT[:-1]}: {said.rstrip('.')}." if said else sentences.NEEDS_ROOT
    return NotElevated(message, "Nothing is written.")


class Child:
    """The process at the other end: sudo, or the helper itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=_WORDS_KEPT)
        # Read as it comes: a pipe that nobody empties would stop the helper one day.
        self._reader = threading.Thread(target=self._drain, name="helper-stderr", daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stderr or ():
                self._lines.append(line.decode("utf-8", "replace"))

    def last_words(self) -> str:
        """The last line it wrote to its stderr, fit to be shown, once it has ended; else ""."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_TIMEOUT_S)
        self._reader.join(_LEAVE_TIMEOUT_S)
        line = next((line.strip() for line in reversed(self._lines) if line.strip()), "")
        return clean(line)[:300]

    def is_refused_sudo(self) -> bool:
        """Whether it ended as a sudo does that did not start anything: status 1, and no other.

        Its words are not asked: they are in the operator's language.
        """
        self.leave()
        return self._process.returncode == _SUDO_REFUSED

    def leave(self) -> None:
        """Let it end by itself, as it does at end of file; it is root's, not ours to kill."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_TIMEOUT_S)


def start(command: Sequence[str]) -> tuple[socket.socket, Child]:
    """Start a command with one end of a socket pair as its stdin and stdout.

    It stays in our session and process group: in another one sudo would not find its ticket, and
    could not ask on the terminal.

    Raises:
        NotInstalled: There is no such program.
    """
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed command of absolute, root-owned paths
            command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE
        )
    except OSError as error:
        ours.close()
        message = f"{command[0]} cannot be started: {error.strerror}."
        raise NotInstalled(message, "Run aitune-tui as root.") from error
    finally:
        theirs.close()  # or the end of the child would never be seen
    return ours, Child(process)


class Launcher:
    """The command that starts the helper for this user.

    Args:
        uid: The effective uid; None asks the kernel.
        helpers: Where an installed helper may lie.
        root_copies: Where root puts a copy when none is installed.
    """

    def __init__(
        self,
        uid: int | None = None,
        helpers: Iterable[Path] = HELPERS,
        root_copies: Path = ROOT_COPIES,
    ) -> None:
        self.needs_sudo = (os.geteuid() if uid is None else uid) != 0
        self._helpers = tuple(helpers)
        self._root_copies = root_copies

    @property
    def name(self) -> str:
        """What stands between us and the helper: `sudo` or `root`."""
        return "sudo" if self.needs_sudo else "root"

    def command(self) -> tuple[str, ...]:
        """The helper itself: interpreter, flags, file.

        Raises:
            NotInstalled: There is no helper, or no interpreter, that may run as root.
        """
        file = installed(self._helpers) if self.needs_sudo else self._file_for_root()
        return helper_command(file)

    def with_ticket(self, command: Sequence[str]) -> tuple[str, ...]:
        """The command by way of a sudo that never asks."""
        return (sudo(), "-n", "--", *command)

    def with_password(self, command: Sequence[str]) -> tuple[str, ...]:
        """The command by way of a sudo that asks on the terminal."""
        return (sudo(), "-p", PROMPT, "--", *command)

    def _file_for_root(self) -> Path:
        """An installed copy of the very same sources, else one of our own in /run."""
        for file in self._helpers:
            if file.is_file() and digest(file) == bundle_sha256() and not unsafe(file):
                return file
        return write_root_copy(self._root_copies)


def helper_command(file: Path) -> tuple[str, ...]:
    """The exact arguments that start a helper file; a sudo rule names them.

    Raises:
        NotInstalled: No interpreter may run as root here.
    """
    return (str(interpreter()), *FLAGS, str(file))


def installed(helpers: Iterable[Path] = HELPERS) -> Path:
    """The helper that may be started through sudo.

    Raises:
        NotInstalled: There is none, or others than root could have changed it.
    """
    for file in helpers:
        if file.exists():
            reason = unsafe(file)
            if reason:
                raise NotInstalled(f"The root helper is not started: {reason}.", INSTALL_HINT)
            return file
    raise NotInstalled(sentences.NO_HELPER, INSTALL_HINT)


def interpreter(candidates: Iterable[Path] = INTERPRETERS) -> Path:
    """The first Python of at least 3.9 that nobody but root can have changed.

    Raises:
        NotInstalled: There is none.
    """
    for python in candidates:
        if python.exists() and not unsafe(python):
            check = (str(python), *FLAGS, "-c", _OLDEST_PYTHON)
            if subprocess.run(check, check=False, capture_output=True).returncode == 0:  # noqa: S603
                return python
    raise NotInstalled(
        "No root-owned Python 3.9 or later is in /usr/bin or /usr/local/bin; the helper needs one.",
        "Install the distribution's python3.",
    )


def unsafe(file: Path) -> str:
    """Say why others than root could change a file, or "" if they cannot.

    The file and all its parents have to be root's, and not writable by group or others; a sticky
    directory such as /tmp may be, as nobody can replace another's entry in it.
    """
    real = file.resolve()  # what a link leads to matters as much as the link
    for place in dict.fromkeys((file, *file.parents, real, *real.parents)):
        try:
            status = place.stat()
        except OSError as error:
            return f"{place} cannot be examined: {error.strerror}"
        if status.st_uid != 0:
            return f"{place} belongs to uid {status.st_uid}, not to root"
        writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if writable and not (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
            return (
                f"{place} has mode {stat.S_IMODE(status.st_mode):04o}: not only root can write it"
            )
    return ""


def digest(file: Path) -> str:
    """The SHA-256 of a file, or "" where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def write_root_copy(folder: Path = ROOT_COPIES) -> Path:
    """Write the helper to `<folder>/<sha256>.pyz` as root, and return it.

    Raises:
        NotInstalled: It cannot be written, or others than root could change it there.
    """
    file = folder / f"{bundle_sha256()}.pyz"
    try:
        for place in (folder.parent, folder):
            place.mkdir(mode=0o755, exist_ok=True)
        reason = unsafe(folder)
        if reason:
            raise NotInstalled(f"The root helper is not started: {reason}.", "Remove that first.")
        if digest(file) == bundle_sha256() and not unsafe(file):
            return file
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as temporary:
            temporary.write(bundle())
            temporary.flush()
            os.fchmod(temporary.fileno(), 0o755)
        Path(temporary.name).replace(file)
    except OSError as error:
        raise NotInstalled(f"{file} cannot be written: {error.strerror}.") from error
    return file


def sudo() -> str:
    """The path of sudo.

    Raises:
        NotInstalled: There is none.
    """
    sudo = shutil.which("sudo")
    if sudo is None:
        raise NotInstalled("There is no sudo on this machine.", "Run aitune-tui as root.")
    return sudo
