"""The guardian: a process that is there before the first write and after everybody else."""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS

from aitune_helper import guardian as guardians
from aitune_helper import kernelfs, messages, service
from aitune_helper.apply import Wanted
from aitune_helper.guardian import ProcessGuardian, ThreadGuardian
from aitune_helper.journal import Journal
from aitune_helper.kernelfs import RealKernel
from aitune_helper.messages import Change
from aitune_helper.server import Core
from aitune_helper.service import Service
from aitune_helper.state import LockedError, hold, start_time
from aitune_helper.surroundings import Origin
from aitune_helper.trial import Trials
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitune_helper.places import Places

PATIENCE_S = 10.0


def until(holds: Callable[[], object]) -> None:
    """Wait for a condition; fail when it does not come."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def swappiness(tmp_path: Path) -> Path:
    file = tmp_path / "root/proc/sys/vm/swappiness"
    file.parent.mkdir(parents=True)
    (tmp_path / "root/sys").mkdir()
    file.write_text("60\n")
    (tmp_path / "root/proc/meminfo").write_text("MemAvailable: 9999999 kB\n")
    return file


@pytest.fixture
def kernel(swappiness: Path, tmp_path: Path) -> RealKernel:
    """A tree of ordinary files: another process sees what this one writes."""
    fd = os.open(swappiness, os.O_RDONLY)
    magic = kernelfs._filesystem(fd)
    os.close(fd)
    return RealKernel(str(tmp_path / "root"), {"proc": magic, "sys": magic})


@pytest.fixture
def core(kernel: RealKernel, places: Places) -> Iterator[Core]:
    def trials() -> Trials:
        return Trials(kernel, places, Journal(places.journal))

    made = Core(
        kernel,
        places,
        min_ttl_s=0.1,
        guardian=lambda _: ProcessGuardian(places, trials),
    )
    yield made
    made.close()
    until(lambda: is_free(places.guard_lock))


def is_free(lock: str) -> bool:
    try:
        with hold(lock):
            return True
    except LockedError:
        return False


def apply(core: Core, ttl_s: float, value: str = "10") -> messages.Trial:
    changes = (Change("vm.swappiness", "", value),)
    return core.apply(Wanted(changes, core.plan(changes, force=False).hash, ttl_s), OPS)


def value(file: Path) -> str:
    return file.read_text().strip()


def test_it_puts_back_at_the_deadline(core: Core, swappiness: Path) -> None:
    apply(core, 0.3)
    assert value(swappiness).startswith("10")
    until(lambda: value(swappiness).startswith("60"))
    until(lambda: core.trials.pending() is None)
    entry = core.trials.journal.last()
    assert entry is not None
    assert entry["event"] == "reverted"
    assert entry["caller"]["name"] == "guardian"  # type: ignore[index]


def test_it_outlives_a_helper_that_is_killed(core: Core, places: Places, swappiness: Path) -> None:
    helper = os.fork()
    if helper == 0:
        try:
            apply(core, 0.5)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(helper, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert value(swappiness).startswith("10")
    assert core.trials.pending() is not None
    until(lambda: value(swappiness).startswith("60"))


def test_it_is_in_a_session_of_its_own_and_holds_nothing_of_the_client(
    core: Core, places: Places
) -> None:
    ours, theirs = os.pipe()
    with_pipe = ProcessGuardian(places, lambda: core.trials)
    with_pipe.start()  # ends at once: there is a guardian already
    trial = apply(core, 5.0)
    pid = guard_pid(places)
    assert os.getsid(pid) != os.getsid(0)
    assert os.getppid() != pid
    held = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    assert not any(name.startswith("pipe:") for name in held)
    core.trials.revert(trial.id, OPS)
    os.close(ours)
    os.close(theirs)


def guard_pid(places: Places) -> int:
    """The process that has bound the guardian's socket."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if any(str(fd.readlink()) == places.guard_lock for fd in (entry / "fd").iterdir()):
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError("no guardian")


def test_a_guardian_that_was_killed_is_replaced(
    core: Core, places: Places, swappiness: Path
) -> None:
    trial = apply(core, 30.0)
    core.trials.keep(trial.id, OPS, persist=False)
    os.kill(guard_pid(places), signal.SIGKILL)
    apply(core, 0.3, "20")
    until(lambda: value(swappiness).startswith("10"))


def test_no_guardian_in_time_is_no_change(
    core: Core, swappiness: Path, monkeypatch: pytest.MonkeyPatch, places: Places
) -> None:
    core.trials.revert(apply(core, 5.0).id, OPS)  # by now it is surely up
    core.close()
    until(lambda: is_free(places.guard_lock))
    monkeypatch.setattr(guardians, "ACKNOWLEDGE_S", 0.1)
    monkeypatch.setattr(ProcessGuardian, "_fork", lambda self: None)
    with pytest.raises(Fault) as raised:
        apply(core, 5.0)
    assert raised.value.error.endswith(".NoGuardian")
    assert value(swappiness).startswith("60")
    assert core.trials.pending() is None


def test_it_goes_when_there_is_nothing_to_do(core: Core, places: Places) -> None:
    trial = apply(core, 30.0)
    core.trials.revert(trial.id, OPS)
    assert not is_free(places.guard_lock)
    core.close()
    until(lambda: is_free(places.guard_lock))


def test_more_time_is_given(core: Core, swappiness: Path) -> None:
    trial = apply(core, 0.4)
    extended = core.extend(trial.id, 30.0, OPS)
    assert extended.deadline is not None
    assert trial.deadline is not None
    past = trial.deadline + 0.3
    until(lambda: core.trials.clock() > past)
    assert value(swappiness).startswith("10")
    core.trials.revert(trial.id, OPS)


def test_a_holder_that_is_stuck_after_the_deadline_is_killed(
    core: Core, places: Places, swappiness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aitune_helper.trial.STUCK_S", 0.2)
    apply(core, 30.0)
    ready, told = os.pipe()
    stuck = os.fork()
    if stuck == 0:
        with core.trials.state.locked(0.0):
            os.write(told, b"x")
            while True:
                signal.pause()
    os.read(ready, 1)
    record = core.trials.current()
    assert record is not None
    late = record._replace(trial=record.trial._replace(deadline=core.trials.clock() - 1))
    core.trials.state.write(late)
    ended = core.trials.expire()
    _, status = os.waitpid(stuck, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    # The guardian process may have come first; either way the value is back.
    assert ended is None or ended.state == messages.REVERTED_TRIAL
    until(lambda: value(swappiness).startswith("60"))
    os.close(ready)
    os.close(told)


def test_a_reused_pid_is_not_killed(core: Core, places: Places) -> None:
    bystander = os.fork()
    if bystander == 0:
        signal.pause()
        os._exit(0)
    Path(places.lock).write_text(f"{bystander} {int(start_time(bystander)) + 1}\n")
    core.trials.state.kill_holder()
    assert os.waitpid(bystander, os.WNOHANG) == (0, 0)
    os.kill(bystander, signal.SIGKILL)
    os.waitpid(bystander, 0)


def test_the_thread_does_the_same_within_one_process(
    kernel: RealKernel, places: Places, swappiness: Path
) -> None:
    core = Core(kernel, places, min_ttl_s=0.1)
    assert isinstance(core.guardian, ThreadGuardian)
    apply(core, 0.2)
    until(lambda: value(swappiness).startswith("60"))
    before = threading.active_count()
    core.close()
    assert threading.active_count() == before - 1


COMMAND = ("/usr/bin/python3", "-I", "-S", "-B", "/x/helper.pyz", "--guard")


@pytest.fixture
def served(
    kernel: RealKernel, places: Places, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Core]]:
    """A core whose systemd-run is a shell script of the test."""
    made: list[Core] = []

    def start(script: str) -> Core:
        program = Path(places.run).parent / "systemd-run"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(service, "SYSTEMD_RUN", str(program))
        made.append(
            Core(
                kernel,
                places,
                min_ttl_s=0.1,
                guardian=lambda _: ProcessGuardian(places, trials, Service(COMMAND, group=4)),
            )
        )
        return made[0]

    def trials() -> Trials:
        return Trials(kernel, places, Journal(places.journal))

    yield start
    made[0].close()
    until(lambda: is_free(places.guard_lock))


def test_systemd_is_asked_once_and_a_fork_does_where_it_fails(
    served: Callable[[str], Core], tmp_path: Path, swappiness: Path
) -> None:
    said = tmp_path / "said"
    core = served(f'for word; do echo "$word"; done >> {said}.new; mv {said}.new {said}; exit 1')
    assert core.guardian.kind == "systemd"
    until(said.exists)
    apply(core, 0.3)
    assert core.guardian.kind == "process"
    until(lambda: value(swappiness).startswith("60"))
    core.guardian.start()
    arguments = said.read_text().splitlines()
    assert arguments[-6:] == list(COMMAND)
    assert len([word for word in arguments if word.startswith("--unit=")]) == 1
    assert {
        "--collect",
        "--slice=system.slice",
        "--property=Restart=on-failure",
        "--property=CapabilityBoundingSet=",
        "--property=SupplementaryGroups=4",
    } <= set(arguments)
    assert not any("ProtectKernelTunables" in word for word in arguments)


def test_who_asked_systemd_leaves_no_zombie(served: Callable[[str], Core]) -> None:
    core = served("exit 1")

    def is_drained() -> bool:
        core.guardian.meet()
        return core.guardian.kind == "process"

    until(is_drained)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd runs the guardian, one in the operator's session would die with it."""
    monkeypatch.setattr(ProcessGuardian, "_fork", lambda self: pytest.fail("it was forked"))


@pytest.mark.usefixtures("no_fork")
def test_a_service_that_is_slow_is_waited_for_and_goes_with_its_helper(
    served: Callable[[str], Core], kernel: RealKernel, places: Places, swappiness: Path
) -> None:
    core = served("exit 0")

    def come_up() -> None:
        until(lambda: core.trials.pending() is not None)  # the helper waits for it by now
        guardians.watch(places, Trials(kernel, places, Journal(places.journal)))

    thread = threading.Thread(target=come_up)
    thread.start()
    apply(core, 0.3)
    assert core.guardian.kind == "systemd"
    until(lambda: value(swappiness).startswith("60"))
    core.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.mark.usefixtures("no_fork")
def test_a_service_that_was_brought_back_is_met_again(
    served: Callable[[str], Core], kernel: RealKernel, places: Places, swappiness: Path
) -> None:
    core = served("exit 0")
    for new in ("10", "20"):
        guard = os.fork()
        if guard == 0:
            try:
                guardians.watch(places, Trials(kernel, places, Journal(places.journal)))
            finally:
                os._exit(0)
        core.trials.revert(apply(core, 30.0, new).id, OPS)
        os.kill(guard, signal.SIGKILL)
        os.waitpid(guard, 0)
    assert value(swappiness).startswith("60")


def test_it_stays_for_a_helper_that_it_has_not_met_and_goes_with_it(
    served: Callable[[str], Core], kernel: RealKernel, places: Places,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A service comes up after hello; the operator may think before the first change."""
    looks: list[float | None] = []
    monkeypatch.setattr(guardians, "_LOOK_S", 0.02)
    monkeypatch.setattr(guardians, "look", lambda trials: looks.append(None))
    core = served("exit 0")
    trials = Trials(kernel, places, Journal(places.journal))
    thread = threading.Thread(target=guardians.watch, args=(places, trials))
    thread.start()
    until(lambda: len(looks) > 3)
    assert thread.is_alive()
    core.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.mark.usefixtures("no_fork")
def test_a_service_that_never_comes_is_no_change(
    served: Callable[[str], Core], monkeypatch: pytest.MonkeyPatch, swappiness: Path
) -> None:
    monkeypatch.setattr(guardians, "ACKNOWLEDGE_S", 0.2)
    core = served("exit 0")
    with pytest.raises(Fault) as raised:
        apply(core, 5.0)
    assert "the service aitune-guard-" in str(raised.value.parameters["reason"])
    assert value(swappiness) == "60"
    assert core.trials.pending() is None


def test_the_guardian_of_a_service_is_locked_in_memory_and_confined_before_it_watches(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    program = importlib.import_module("aitune_helper.__main__")
    monkeypatch.setattr(program, "Places", lambda: places)
    monkeypatch.setattr(program, "stay", lambda: order.append("stay"))
    monkeypatch.setattr(program.sandbox, "enter", lambda *_: order.append("sandbox"))
    monkeypatch.setattr(program, "watch", lambda *_: order.append("watch"))
    program._guard(Origin("/x/helper.pyz", ""))
    assert order == ["stay", "sandbox", "watch"]


def test_a_helper_that_asks_and_does_not_listen_keeps_it_from_no_deadline(
    core: Core, swappiness: Path
) -> None:
    apply(core, 0.5)
    link = core.guardian._link  # type: ignore[attr-defined]
    link.setblocking(False)
    with contextlib.suppress(OSError):
        for _ in range(100_000):
            if not select.select([], [link], [], 0.2)[1]:
                break
            link.send(b"0" * 32)
    until(lambda: value(swappiness).startswith("60"))


def test_a_plan_after_an_apply_does_not_wait_for_the_guardian(core: Core) -> None:
    """It looked whether the guardian was gone, for as long as an answer may take: five seconds."""
    trial = apply(core, 30.0)
    watching = core.guardian
    assert isinstance(watching, ProcessGuardian)
    link = watching._link
    watching.meet()
    assert watching._link is link, "it was taken for gone, and left"
    core.trials.revert(trial.id, OPS)
