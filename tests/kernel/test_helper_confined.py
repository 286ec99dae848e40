"""The helper as it is shipped, started as root, doing all it is for from within its sandbox."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.kernel_files import loop_queue, other, value
from tests.kernel.knobs_here import another, knobs_here, why_not
from tests.kernel.waiting import until

from aitune_backends import elevation
from aitune_backends.helper_client import Session, bundle_sha256
from aitune_helper import compiled, kernelfs, plan
from aitune_helper.kernelfs import RealKernel
from aitune_helper.knobs import other_half
from aitune_helper.messages import KEPT, OK, PENDING, Change, Trial
from aitune_helper.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts the helper as root"),
]

VM = Path("/proc/sys/vm")
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
DEFRAG = Path("/sys/kernel/mm/transparent_hugepage/defrag")
PLACES = Places()
TTL_S = 5.0


class Program:
    """A helper of our own, and the session with it."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair()
        command = [*prefix, *elevation.Launcher(uid=0).command()]
        self.process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
        theirs.close()
        self.session = Session(ours)

    def apply(self, wanted: dict[Path, tuple[str, str, str]], ttl_s: float) -> Trial:
        changes = tuple(Change(*change) for change in wanted.values())
        plan = self.session.plan(changes)
        trial = self.session.apply(changes, plan.hash, ttl_s=ttl_s)
        assert trial.state == PENDING, [(item.knob, item.status, item.note) for item in trial.items]
        return trial

    def end(self) -> None:
        self.session.close()
        self.process.wait(30)


@pytest.fixture
def program() -> Iterator[Program]:
    made = Program()
    yield made
    made.end()
    until(lambda: guardian() is None)


def guardian() -> int | None:
    """Who holds the guardian's lock, as the kernel lists it."""
    try:
        inode = Path(PLACES.guard_lock).stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    return None


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    with loop_queue(tmp_path / "image") as queue:
        yield queue


def every_kind(loop: Path) -> dict[Path, tuple[str, str, str]]:
    """A change of every kind that this machine has, by the file that it changes."""
    disk = loop.parent.name
    return {
        VM / "swappiness": ("vm.swappiness", "", other(VM / "swappiness", "10", "20")),
        VM / "overcommit_ratio": (
            "vm.overcommit_ratio", "", other(VM / "overcommit_ratio", "90", "80")
        ),
        POOL: ("hugepages.2048kB", "", str(int(value(POOL)) + 8)),
        DEFRAG: ("thp.defrag", "", other(DEFRAG, "defer", "never")),
        loop / "scheduler": (
            "block.scheduler", disk, other(loop / "scheduler", "mq-deadline", "none")
        ),
        loop / "nr_requests": ("block.nr_requests", disk, "64"),
        loop / "read_ahead_kb": ("block.read_ahead_kb", disk, "1024"),
    }  # fmt: skip


def values(paths: dict[Path, tuple[str, str, str]]) -> dict[Path, str]:
    return {path: value(path) for path in paths}


def wanted_values(wanted: dict[Path, tuple[str, str, str]]) -> dict[Path, str]:
    return {path: change[2] for path, change in wanted.items()}


def boot_files() -> dict[str, bytes]:
    paths = (Path(path) for path in PLACES.at_boot.values())
    return {str(path): path.read_bytes() for path in paths if path.exists()}


def test_every_kind_is_changed_put_on_file_and_undone(program: Program, loop: Path) -> None:
    wanted = every_kind(loop)
    before, files_before = values(wanted), boot_files()
    trial = program.apply(wanted, 60.0)
    try:
        assert {item.status for item in trial.items} == {OK}
        assert values(wanted) == wanted_values(wanted)
        kept, written = program.session.keep(trial.id, persist=True)
        assert (kept.state, kept.persisted) == (KEPT, "yes")
        assert PLACES.sysctl in written
        assert f"vm.swappiness = {wanted[VM / 'swappiness'][2]}" in Path(PLACES.sysctl).read_text()
        back = tuple(Change(*change[:2], before[path]) for path, change in wanted.items())
        plan = program.session.plan(back)
        undo = program.session.apply(back, plan.hash, ttl_s=60.0, undo_of=trial.id)
        program.session.keep(undo.id)
        assert values(wanted) == before
        assert boot_files() == files_before
        # Taken out of the file, not only by an undo.
        again = program.apply(wanted, 60.0)
        program.session.keep(again.id, persist=True)
        assert PLACES.sysctl in program.session.unpersist([])
    finally:
        for path, text in before.items():
            path.write_text(text)
        program.session.unpersist([])
    assert boot_files() == files_before == {}


def test_every_setting_that_is_here_is_within_its_reach(program: Program, loop: Path) -> None:
    """The sandbox is made from the table: each file of it is written once, and put back."""
    kernel = RealKernel()
    wanted = {
        Path(knob.file(instance)): (knob.id, instance, another(knob, instance))
        for knob in knobs_here()
        # Of two halves of a limit, and of two names of a number, one is enough.
        if not why_not(knob) and not knob.means
        and not (other_half(knob) and plan.reading(kernel, knob) == "0")
        for instance in kernelfs.instances(kernel, knob)[:1]
    } | {loop / name: (f"block.{name}", loop.parent.name, other(loop / name, "0", "1"))
         for name in ("nomerges", "rq_affinity", "iostats")}  # fmt: skip
    assert len(wanted) > 30
    before = values(wanted)
    trial = program.apply(wanted, 60.0)
    assert {item.knob: item.status for item in trial.items} == dict.fromkeys(
        (change[0] for change in wanted.values()), OK
    )
    assert program.session.revert(trial.id).complete
    assert values(wanted) == before


def test_a_trial_is_put_back_on_request_and_by_the_guardian(program: Program, loop: Path) -> None:
    wanted = every_kind(loop)
    before = values(wanted)
    assert program.session.revert(program.apply(wanted, 60.0).id).complete
    assert values(wanted) == before
    program.apply(wanted, TTL_S)
    assert values(wanted) == wanted_values(wanted)
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()
    until(lambda: values(wanted) == before)


def test_helper_and_guardian_have_given_up_what_they_said(program: Program, loop: Path) -> None:
    layers = {layer.name: layer for layer in program.session.hello.sandbox}
    wanted = {VM / "swappiness": every_kind(loop)[VM / "swappiness"]}
    trial = program.apply(wanted, 60.0)
    guard = guardian()
    assert guard is not None
    for pid in (program.process.pid, guard):
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        held = {
            "capabilities": int(status["CapEff"], 16) == int(status["CapInh"], 16) == 0,
            "no_new_privs": status["NoNewPrivs"] == "1",
            "seccomp": status["Seccomp"] == "2",
        }
        assert held == {name: layers[name].held for name in held}, pid
        assert int(status["CapPrm"], 16) & ~(1 << 21) == 0
    locked = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{guard}/status").read_text().splitlines()
    )["VmLck"]
    assert layers["memory lock"].held is (int(locked.split()[0]) > 0)
    program.session.revert(trial.id)


def test_it_cannot_break_out(program: Program) -> None:
    attempts = program.session.self_test()
    assert len(attempts) > 100
    layers = {layer.name: layer.held for layer in program.session.hello.sandbox}
    if layers["landlock"] and layers["seccomp"]:
        assert [attempt for attempt in attempts if not attempt.held] == []


def test_it_reaches_its_settings_after_their_names_left_the_cache(
    program: Program, loop: Path
) -> None:
    """A file of procfs is another inode after that, which no rule of Landlock would know."""
    wanted = every_kind(loop)
    before = values(wanted)
    trial = program.apply(wanted, TTL_S)
    (VM / "drop_caches").write_text("2")
    assert program.session.revert(trial.id).complete
    program.apply(wanted, TTL_S)
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()
    (VM / "drop_caches").write_text("2")
    until(lambda: values(wanted) == before)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what is run")
def test_nothing_is_run_but_its_start(loop: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    program = Program(["strace", "-f", "-qq", "-e", "trace=execve,execveat", "-o", str(trace)])
    wanted = every_kind(loop)
    program.session.revert(program.apply(wanted, 60.0).id)
    program.end()
    until(lambda: guardian() is None)
    ran = [line for line in trace.read_text().splitlines() if "exec" in line]
    allowed = 1 + (program.session.hello.guardian == "systemd")
    assert len(ran) == allowed, ran


def test_the_second_start_takes_what_the_first_compiled(program: Program) -> None:
    command = elevation.Launcher(uid=0).command()
    folder = Path(compiled.FOLDER)
    until(lambda: any(folder.glob(f"{bundle_sha256()}-*.zip")))
    done = subprocess.run(
        [*command[:1], "-v", *command[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    loaded = [line for line in done.stderr.decode().splitlines() if "'aitune_helper." in line]
    assert len([line for line in loaded if "-cpython-" in line]) > 20
