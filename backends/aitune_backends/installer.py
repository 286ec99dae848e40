"""Installing, inspecting and removing the root-owned helper.

The bytes are assembled here, without rights, and handed to `sudo install` on its stdin; what
arrived is read back and compared. Nothing of ours that others can write ever runs as root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from aitune_backends import elevation
from aitune_backends.elevation import HELPERS, PROMPT, digest, unsafe
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_backends.helper_errors import HelperError, NotElevated, NotInstalled
from aitune_helper.actions import ACTIONS
from aitune_helper.formats import FILES
from aitune_helper.knobs import KNOBS

# Files that a kept change may have left; they belong to the operator and outlive the helper.
DROP_INS = tuple(Path("/etc", file) for file in FILES.values())
# Not on an ordinary user's PATH.
_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
# Where `helper install` writes, the first whose parents are safe. /usr/local is writable by the
# group staff on Debian machines that were upgraded from old releases.
TARGETS = (HELPERS[1], HELPERS[0])


@dataclass(frozen=True, slots=True)
class Status:
    """The helper as it is installed.

    Attributes:
        path: Where it lies, or None.
        sha256: The digest of what lies there, "" where nothing readable does.
        own_sha256: The digest of what this program would install.
        problem: Why it will not be started, or "".
        command: What sudo starts, for a rule; () where there is nothing to start.
    """

    path: Path | None
    sha256: str
    own_sha256: str
    problem: str
    command: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether it is of the same sources as this program."""
        return self.sha256 == self.own_sha256

    @property
    def is_usable(self) -> bool:
        """Whether it would be started."""
        return self.path is not None and not self.problem

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        if self.path is None:
            return "not installed."
        if self.problem:
            return f"{self.path} is not started: {self.problem}."
        if not self.is_current:
            return f"{self.path} is of another version than this program."
        return f"{self.path} is installed and belongs to this program."


def status(helpers: tuple[Path, ...] = HELPERS) -> Status:
    """Look at the installed helper; needs no rights."""
    path = next((file for file in helpers if file.exists()), None)
    if path is None:
        return Status(None, "", bundle_sha256(), "", ())
    problem = unsafe(path)
    command: tuple[str, ...] = ()
    try:
        command = elevation.helper_command(path)
    except NotInstalled as error:
        problem = problem or error.message.rstrip(".")
    return Status(path, digest(path), bundle_sha256(), problem, command)


def sudo_rule(command: tuple[str, ...], group: str = "aitune") -> str:
    """The line for a file in /etc/sudoers.d that spares a group the password; only printed."""
    return f"%{group} ALL=(root) NOPASSWD: {' '.join(command)}"


def check_rule(rule: str) -> str | None:
    """Have `visudo` read a rule as it would read a file of /etc/sudoers.d; nothing is written.

    Returns:
        "" if it takes the rule, its complaint if not, None where there is no visudo to ask.
    """
    visudo = shutil.which("visudo", path=f"{os.environ.get('PATH', '')}:{_SBIN}")
    if visudo is None:
        return None
    command = (visudo, "-c", "-f", "-")
    result = subprocess.run(  # noqa: S603 - a fixed command
        command, input=rule + "\n", text=True, check=False, capture_output=True
    )
    said = (result.stderr or result.stdout).strip().partition("\n")[0]
    return "" if result.returncode == 0 else said or f"status {result.returncode}"


def kernel_files() -> tuple[str, ...]:
    """What the helper may write below /proc and /sys, from its own tables.

    One line for each directory: its file where it is one, else the directory.
    """
    found: dict[str, set[str]] = defaultdict(set)
    paths = {path for knob in KNOBS.values() for path in (knob.path, knob.total_path) if path}
    for path in paths | {action.path for action in ACTIONS.values()}:
        general = re.sub(r"hugepages-[0-9]+kB", "hugepages-*kB", path.replace("{instance}", "*"))
        directory, _, name = general.rpartition("/")
        found[directory].add(name)
    return tuple(
        f"{directory}/{next(iter(names))}" if len(names) == 1 else directory
        for directory, names in sorted(found.items())
    )


def target(candidates: tuple[Path, ...] = TARGETS) -> Path:
    """Where the helper is to be installed.

    Raises:
        HelperError: No place is safe; the sentence names the directory and its mode.
    """
    for candidate in candidates:
        reason = _unsafe_place(candidate)
        if not reason:
            return candidate
    raise HelperError("unsafe", f"There is no safe place for the helper: {reason}.")


def install(*, ask: bool, to: Path | None = None) -> Path:
    """Install the helper, by way of sudo unless we are root, and read it back.

    Args:
        ask: Whether sudo may ask on the terminal.
        to: Where; by default `target()`.

    Raises:
        NotElevated: sudo did not do it.
        HelperError: It cannot be written, what lies there now is not what was sent, or others can
            change it.
    """
    place = target() if to is None else to
    command = ("install", "-D", "-o", "root", "-g", "root", "-m", "0755", "/dev/stdin", str(place))
    _as_root(command, ask=ask, stdin=bundle())
    if digest(place) != bundle_sha256():
        raise HelperError("not-as-sent", f"{place} does not hold what was sent.")
    reason = unsafe(place)
    if reason:
        raise HelperError("unsafe", f"The helper is installed but will not be started: {reason}.")
    return place


def remove(*, ask: bool, helpers: tuple[Path, ...] = HELPERS) -> tuple[Path, ...]:
    """Remove every installed helper; returns the files that were removed.

    Raises:
        NotElevated: sudo did not do it.
    """
    present = tuple(file for file in helpers if file.exists())
    if present:
        _as_root(("rm", "-f", "--", *map(str, present)), ask=ask)
        folders = [str(file.parent) for file in present]
        _as_root(("rmdir", "--ignore-fail-on-non-empty", "--", *folders), ask=ask)
    left = [str(file) for file in present if file.exists()]
    if left:
        raise HelperError("not-removed", f"{', '.join(left)} is still there.")
    return present


def leftovers() -> tuple[Path, ...]:
    """The files that still set something at boot, once the helper is gone."""
    return tuple(file for file in DROP_INS if file.exists())


def _as_root(command: tuple[str, ...], *, ask: bool, stdin: bytes = b"") -> None:
    by_sudo = os.geteuid() != 0
    if by_sudo:
        asking = ("-p", PROMPT) if ask else ("-n",)
        command = (elevation.sudo(), *asking, "--", *command)
    # sudo asks on /dev/tty; its own messages go to the terminal, or are kept for the sentence.
    to_terminal = by_sudo and ask
    result = subprocess.run(  # noqa: S603 - a fixed command
        command, input=stdin, check=False, stderr=None if to_terminal else subprocess.PIPE
    )
    if result.returncode == 0:
        return
    if by_sudo:
        raise elevation.not_granted() if ask else NotElevated(*elevation.NEEDS_PASSWORD)
    said = result.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    raise HelperError("not-done", f"{said or command[0] + ' failed'}.")


def _unsafe_place(file: Path) -> str:
    """Why a file that is yet to be made would not be safe there, or ""."""
    existing = next(place for place in (file, *file.parents) if place.exists())
    return unsafe(existing)
