"""An account that did not exist before the test and does not after it, with a sudo rule of its own.

It runs the command line as an operator does: not root, through the machine's real sudo, with the
helper installed where `helper install` puts it. Everything is put back, also when a test fails.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pty
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aitune_backends import elevation, installer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = f"aitune-test-{os.getpid()}"
PASSWORD = "correct horse 17"  # noqa: S105 - of an account that lives for a test
RULE = Path("/etc/sudoers.d") / NAME
PROMPT = f"[aitune-tui] password for {NAME}: "
_LIBRARIES = (
    "click", "platformdirs", "psutil", "pyudev", "rich", "markdown_it", "mdurl", "pygments",
    "tomli", "typing_extensions",
    "aitune_helper", "aitune_backends", "aitune_widgets", "aitune_tui",
)  # fmt: skip
_PATIENCE_S = 30.0
_START = "from aitune_tui.cli import main; main()"


class Terminal:
    """A program on a pseudo-terminal of its own, which it controls."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self._fd = fd
        self.seen = ""

    def expect(self, text: str) -> None:
        """Read until `text` has appeared after what was expected before."""
        deadline = time.monotonic() + _PATIENCE_S
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"waited in vain for {text!r} in {self.seen!r}"
            if select.select([self._fd], [], [], left)[0]:
                data = self._read()
                assert data, f"it ended without {text!r}: {self.seen!r}"

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection does."""
        os.close(self._fd)
        self._fd = -1

    def end(self) -> int:
        """Read to the end; returns the exit status."""
        while self._fd >= 0 and self._read():
            pass
        status = os.waitpid(self.pid, 0)[1]
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self._fd >= 0:
            self.hang_up()
        if self.pid:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            self.pid = 0

    def _read(self) -> bytes:
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            data = b""
        self.seen += data.decode("utf-8", "replace")
        return data


class FreshUser:
    """The account, and how programs are run as it."""

    name = NAME
    password = PASSWORD
    prompt = PROMPT

    def __init__(self, python: str, library: str) -> None:
        entry = pwd.getpwnam(NAME)
        self.uid, self.gid, self.home = entry.pw_uid, entry.pw_gid, entry.pw_dir
        self._python = python
        self.environment = {
            "HOME": self.home,
            "USER": NAME,
            "LOGNAME": NAME,
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PYTHONPATH": library,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._terminals: list[Terminal] = []

    def may(self, rule: str) -> None:
        """Give the account this right, as `ALL=(root) NOPASSWD: ALL`, and no other."""
        text = f"{rule}\n" if rule else ""
        # Checked before it lies where sudo reads: a file it cannot read stops sudo for everybody.
        subprocess.run(["visudo", "-cqf", "-"], input=text, text=True, check=True)
        RULE.write_text(text)
        RULE.chmod(0o440)

    def may_use_the_helper(self, *, password: bool, defaults: Sequence[str] = ()) -> None:
        """Give it the very line that `helper status` prints, for itself instead of a group.

        Args:
            password: Whether sudo asks for it, each time.
            defaults: How the site has set sudo up for this account: `use_pty`, `requiretty` …
        """
        command = " ".join(installer.status().command)
        tag = "" if password else "NOPASSWD: "
        told = [*defaults, *(["timestamp_timeout=0"] if password else [])]
        lines = [f"Defaults:{NAME} {option}" for option in told]
        self.may("\n".join([*lines, f"{NAME} ALL=(root) {tag}{command}"]))

    def run(self, *arguments: str, code: str = _START) -> subprocess.CompletedProcess[str]:
        """Run the command line without any terminal."""
        return subprocess.run(
            [self._python, "-c", code, *arguments],
            env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, user=self.uid, group=self.gid, extra_groups=self.groups,
            start_new_session=True, check=False, timeout=60,
        )  # fmt: skip

    def json(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        """Run with `--json`, check the exit status, return the object."""
        result = self.run(*arguments, "--json")
        assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
        document = json.loads(result.stdout)
        assert isinstance(document, dict)
        return document

    def start(self, code: str) -> subprocess.Popen[str]:
        """Start a Python program in a session of its own; its stdout is a pipe."""
        return subprocess.Popen(
            [self._python, "-c", code],
            env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True, user=self.uid, group=self.gid, extra_groups=self.groups,
            start_new_session=True,
        )  # fmt: skip

    def on_terminal(self, *arguments: str, code: str = _START) -> Terminal:
        """Start the command line on a terminal."""
        pid, fd = pty.fork()
        if pid == 0:  # only what is safe between fork and exec
            try:
                os.setgroups(self.groups)
                os.setgid(self.gid)
                os.setuid(self.uid)
                os.chdir(self.home)
                command = [self._python, "-c", code, *arguments]
                os.execve(self._python, command, self.environment)  # noqa: S606 - that is the point
            finally:
                os._exit(127)
        terminal = Terminal(pid, fd)
        self._terminals.append(terminal)
        return terminal

    @property
    def groups(self) -> list[int]:
        """The account's groups as they are now."""
        return os.getgrouplist(NAME, self.gid)

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()


@pytest.fixture(scope="session")
def library() -> Iterator[Path]:
    """The packages that the command line needs, where any user may read them."""
    with tempfile.TemporaryDirectory(prefix=NAME) as made:
        folder = Path(made)
        for name in _LIBRARIES:
            spec = importlib.util.find_spec(name)
            if spec is None:
                continue  # tomli is not needed on a newer Python
            origin = Path(str(spec.origin))
            if spec.submodule_search_locations:
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin.parent, folder / name, ignore=ignored)
            else:
                shutil.copy(origin, folder)
        subprocess.run(["chmod", "-R", "a+rX", made], check=True)
        yield folder


@pytest.fixture(scope="session")
def _account() -> Iterator[None]:
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", NAME], check=True)
    try:
        subprocess.run(["chpasswd"], input=f"{NAME}:{PASSWORD}", text=True, check=True)
        yield
    finally:
        RULE.unlink(missing_ok=True)
        subprocess.run(["userdel", "--remove", NAME], check=True, stderr=subprocess.DEVNULL)
        assert NAME not in {entry.pw_name for entry in pwd.getpwall()}


@pytest.fixture
def fresh_user(_account: None, library: Path) -> Iterator[FreshUser]:
    """The account, with no right at all until the test gives it one."""
    user = FreshUser(_python_for_others(library), str(library))
    try:
        yield user
    finally:
        user.close()
        RULE.unlink(missing_ok=True)


@pytest.fixture
def no_helper() -> Iterator[None]:
    """No helper is installed; what was there before is put back."""
    before = {file: file.read_bytes() for file in elevation.HELPERS if file.exists()}
    folders = [file.parent for file in elevation.HELPERS]
    there = [folder for folder in (*folders, *(f.parent for f in folders)) if folder.exists()]
    installer.remove(ask=False)
    try:
        yield
    finally:
        installer.remove(ask=False)
        for file, content in before.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o755)
        for folder in (*folders, *(folder.parent for folder in folders)):
            if folder not in there:
                with contextlib.suppress(OSError):
                    folder.rmdir()


@pytest.fixture
def helper(no_helper: None) -> Path:
    """The helper, installed as `helper install` does it."""
    return installer.install(ask=False)


def _python_for_others(library: Path) -> str:
    """A Python of our own version that the account may run."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    candidates = [sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"]
    for python in candidates:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(
                [python, "-c", "import click, aitune_tui.cli"],
                env={"PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}, cwd="/",
                user=NAME, group=NAME, extra_groups=[], capture_output=True, check=True,
            )  # fmt: skip
            return python
    pytest.skip(f"no {version} that another user may run")
