"""The command line as a process: encodings, pipes, terminals and what is imported."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import subprocess
import sys

import pytest

START = "from aitune_tui.cli import main; main()"


def run(*arguments: str, code: str = START, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, **environment}, encoding="utf-8",
    )  # fmt: skip


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
        {"LC_ALL": "", "LC_CTYPE": "", "LANG": "C"},
        {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_where_only_ascii_can_be_shown_it_is_ascii(environment: dict[str, str]) -> None:
    result = run("--demo", "apply", "vm.swappiness=10", "--yes", **environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.isascii()
    assert "60 -> 10" in result.stdout


def test_a_terminal_of_utf8_gets_its_arrows() -> None:
    result = run("--demo", "plan", "vm.swappiness=10", LC_ALL="C.UTF-8")
    assert "60 → 10" in result.stdout


def test_a_reader_that_leaves_ends_it_as_sigpipe_would() -> None:
    code = (
        "import os, sys\nreader, writer = os.pipe()\nos.close(reader)\nos.dup2(writer, 1)\n" + START
    )
    result = run("--demo", "plan", "cpu.governor=performance", code=code)
    assert (result.returncode, result.stderr) == (141, "")


def test_on_a_terminal_the_table_is_drawn_and_the_question_asked() -> None:
    pid, fd = pty.fork()
    if pid == 0:  # only what is safe between fork and exec
        try:
            environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "COLUMNS": "120"}
            command = [sys.executable, "-c", START, "--demo", "apply", "vm.swappiness=10"]
            os.execve(sys.executable, command, environment)  # noqa: S606 - that is the point
        finally:
            os._exit(127)
    seen = b""
    try:
        while b"[y/N]" not in seen:
            seen += os.read(fd, 65536)
        os.write(fd, b"y\n")
        with contextlib.suppress(OSError):  # EIO is how a terminal ends
            while True:
                seen += os.read(fd, 65536)
    finally:
        os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = seen.decode()
    assert status == 0, text
    assert "─────" in text
    assert "Apply 1 change? [y/N]" in text
    assert "Kept. 1 setting holds until the next reboot." in text
    assert "\x1b]" not in text


def test_help_imports_no_backend_and_no_command_imports_the_dashboard() -> None:
    code = (
        "import sys, atexit\n"
        "unwanted = ('textual', 'plotext', 'rich')\n"
        "found = lambda: [name for name in unwanted if name in sys.modules]\n"
        "atexit.register(lambda: print(found(), file=sys.stderr))\n" + START
    )
    result = run("--help", code=code)
    assert result.stderr.strip() == "[]"
    result = run("--demo", "plan", "vm.swappiness=10", code=code)
    assert result.stderr.strip() == "[]"


def test_json_goes_to_stdout_alone_and_the_rest_beside_it() -> None:
    result = run("--demo", "apply", "vm.swappiness=10", "--yes", "--json")
    assert json.loads(result.stdout)["trial"]["state"] == "kept"
    assert "Nothing is written yet." in result.stderr
    result = run("--demo", "apply", "vm.swappiness=999", "--yes")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_empty_ones(closed: str) -> None:
    """No stdin is nobody to ask, and not a fault of ours."""
    command = f"{sys.executable} -c {shlex.quote(START)} --demo apply vm.swappiness=10 {closed}"
    result = subprocess.run(
        ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert result.returncode == 2, result
