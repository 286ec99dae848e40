"""The exercise that started this project, on this kernel: applied for real, all of it undone."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

VALUES = (
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/overcommit_ratio",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
)
SYSCTL_D = Path("/etc/sysctl.d")
DROP_IN = SYSCTL_D / "95-aitune.conf"

# The command with a countdown of the test's own length: python -c … TTL ARGUMENT…
PROGRAM = """
import sys
from aitune_backends import exercise
from aitune_tui.cli import main
exercise.TTL_S = float(sys.argv[1])
main(sys.argv[2:])
"""


def values() -> dict[str, str]:
    return {path: Path(path).read_text().strip() for path in VALUES}


def files() -> dict[str, bytes]:
    if not SYSCTL_D.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in SYSCTL_D.iterdir() if path.is_file()}


def total_huge_pages() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("HugePages_Total"))


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Whatever a test did, the kernel and /etc/sysctl.d are as they were; that is asserted."""
    found, texts = values(), files()
    try:
        yield
        assert values() == found
        assert files() == texts
    finally:
        for path, value in found.items():
            if Path(path).read_text().strip() != value:
                Path(path).write_text(value)
        if DROP_IN.name not in texts:
            DROP_IN.unlink(missing_ok=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.ones((2000, 2000), dtype=np.float32)}, path)
    return path


def command(*arguments: object, ttl: float = 60) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(ttl), "exercise", *map(str, arguments)]


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_the_classic_exercise(model: Path) -> None:
    ran = subprocess.run(command(model, "--yes", "--runs", 2), capture_output=True, check=False)
    out = ran.stdout.decode()
    assert ran.returncode == 0, out + ran.stderr.decode()
    assert "vm.overcommit_ratio has no effect in mode 1" in out
    assert "not used by an ordinary load" in out
    assert "Two blocks of runs are not a comparison." in out
    assert out.rstrip().endswith("Everything is as it was, the file too.")


def test_its_object_tells_what_was_read_back(model: Path) -> None:
    was = total_huge_pages()
    ran = subprocess.run(
        command(model, "--yes", "--runs", 2, "--json"), capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    document = json.loads(ran.stdout)
    verified = {(one["where"], one["what"]): one["found"] for one in document["verified"]}
    assert verified["/proc/meminfo", "HugePages_Total"] == "64"
    assert verified["/proc/sys/vm/overcommit_memory", "vm.overcommit_memory"] == "1"
    assert verified[str(DROP_IN), "vm.overcommit_ratio"] == "90"
    assert verified[str(DROP_IN), "vm.nr_hugepages"] == "64"
    assert len(document["before"]["runs"]) == len(document["after"]["runs"]) == 2
    assert document["before"]["settings"]["vm.overcommit_memory"] != "1"
    assert document["after"]["settings"]["vm.overcommit_memory"] == "1"
    assert document["after"]["trial"] == document["trial"]
    assert document["as_before"] is True
    assert total_huge_pages() == was


class Running:
    """The command on a terminal of its own, with what it printed so far."""

    def __init__(self, arguments: list[str]) -> None:
        self._ours, terminal = pty.openpty()
        self.program = subprocess.Popen(
            arguments, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
        os.close(terminal)
        self.seen = b""

    def read_until(self, text: bytes) -> None:
        while text not in self.seen:
            self.seen += os.read(self._ours, 4096)

    def read_all(self) -> str:
        while True:
            try:
                self.seen += os.read(self._ours, 4096)
            except OSError:  # EIO: nobody holds the terminal's other end any more
                break
        os.close(self._ours)
        return self.seen.decode(errors="replace")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """So large that a run is surely interrupted: a hole, read from nowhere."""
    path = tmp_path / "large.bin"
    path.touch()
    os.truncate(path, 4 << 30)
    return path


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_during_the_second_block_it_is_undone(large: Path, stop: int) -> None:
    running = Running(command(large, "--yes", "--runs", 1))
    running.read_until(b"Applied as trial")
    assert total_huge_pages() == 64
    if stop == signal.SIGINT:
        os.killpg(running.program.pid, stop)  # as a terminal does: helper and reader get it too
    else:
        os.kill(running.program.pid, stop)
    text = running.read_all()
    assert running.program.wait(timeout=20) == 130, text
    assert "Everything is as it was, the file too." in text


def test_killed_during_the_second_block_the_guardian_undoes_it(large: Path) -> None:
    found = values()
    running = Running(command(large, "--yes", "--runs", 1, ttl=5))
    running.read_until(b"Applied as trial")
    children = psutil.Process(running.program.pid).children(recursive=True)
    readers = [one for one in children if "aitune_backends.loads.child" in one.cmdline()]
    os.kill(running.program.pid, signal.SIGKILL)
    running.program.wait()
    assert values() != found
    wait_until(lambda: values() == found, 15, "the guardian did not put the values back")
    psutil.wait_procs(readers, timeout=5)
    assert not any(one.is_running() for one in readers)
    running.read_all()


def test_a_file_of_somebody_else_is_left_alone(model: Path) -> None:
    SYSCTL_D.mkdir(exist_ok=True)
    DROP_IN.write_text("# mine\nvm.swappiness = 60\n")
    try:
        ran = subprocess.run(command(model, "--yes", "--runs", 1), capture_output=True, check=False)
        assert ran.returncode == 1, ran.stderr.decode()
        assert str(DROP_IN) in ran.stderr.decode()
        assert DROP_IN.read_text() == "# mine\nvm.swappiness = 60\n"
    finally:
        DROP_IN.unlink()
