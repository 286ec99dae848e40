"""The exercise on the made-up machine, with a real model: in order, stopped, and always undone."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends import exercise as exercises
from aitune_backends import profiles
from aitune_backends.changes import expand
from aitune_backends.demo import DemoMachine
from aitune_backends.exercise import (
    After,
    Applied,
    Before,
    Exercise,
    Kept,
    Planned,
    Shown,
    Stopped,
    Undone,
    Verified,
)
from aitune_backends.exercise_checks import MEMINFO
from aitune_backends.loads.records import Finished, Progress
from aitune_helper.formats import parse_sysctl
from aitune_helper.messages import Change
from aitune_helper.plan import make_plan
from aitune_tui.cli.common import Failure, Options
from aitune_tui.cli.exercise import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitune_backends.exercise import Step
    from aitune_backends.helper_client import Session
    from aitune_backends.loads.records import LoadRequest

    RequestFor = Callable[..., LoadRequest]


@pytest.fixture
def machine() -> Iterator[DemoMachine]:
    made_up = DemoMachine()
    yield made_up
    made_up.close()


@pytest.fixture
def session(machine: DemoMachine) -> Iterator[Session]:
    with machine.link.connect(ask=False) as connected:
        yield connected


@pytest.fixture
def exercise(
    machine: DemoMachine, session: Session, gguf_file: Path, request_for: RequestFor
) -> Exercise:
    wanted = profiles.load("classic").wanted
    return Exercise(
        session,
        machine.host,
        make_plan(machine.host, expand(machine.host, wanted)),
        request_for(gguf_file, runs=2),
        "profile classic",
        connect=lambda: machine.link.connect(ask=False),
    )


@pytest.fixture
def drop_in(machine: DemoMachine) -> Path:
    return machine.host.root / "etc/sysctl.d/95-aitune.conf"


def settings(machine: DemoMachine) -> tuple[str, ...]:
    paths = (
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/vm/overcommit_ratio",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
        "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages",
        "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
    )
    return tuple(machine.host.read(path).strip() for path in paths)


def one(steps: list[Step], kind: type[Step]) -> Step:
    (found,) = (step for step in steps if isinstance(step, kind))
    return found


def test_the_whole_exercise(machine: DemoMachine, exercise: Exercise, drop_in: Path) -> None:
    before = settings(machine)
    seen: list[tuple[str, ...]] = []
    boot: list[dict[str, str]] = []
    steps: list[Step] = []
    for step in exercise.steps():
        steps.append(step)
        if isinstance(step, Applied):
            seen.append(settings(machine))
        if isinstance(step, After) and isinstance(step.event, Finished):
            seen.append(settings(machine))
            assert step.event.result.place.settings["vm.overcommit_memory"] == "1"
        if isinstance(step, Kept):
            assert step.files == (str(drop_in),)
            lines = parse_sysctl(drop_in.read_text())
            boot.append({key: line.value for key, line in lines.items()})
    kinds = [type(step) for step in steps if not isinstance(step, Before | After)]
    assert kinds == [Planned, Applied, Verified, Kept, Verified, Shown, Undone]
    assert seen == [("1", "90", "64", "32", "32")] * 2
    assert boot == [
        {"vm.overcommit_memory": "1", "vm.overcommit_ratio": "90", "vm.nr_hugepages": "64"}
    ]
    undone = one(steps, Undone)
    assert isinstance(undone, Undone)
    assert undone.complete
    assert settings(machine) == before
    assert not drop_in.exists()


def test_it_is_verified_against_meminfo(exercise: Exercise) -> None:
    verified = next(step for step in exercise.steps() if isinstance(step, Verified))
    assert ("HugePages_Total", MEMINFO, "64", "64") in [
        (check.what, check.where, check.wanted, check.found) for check in verified.checks
    ]


def test_both_blocks_are_shown_with_the_sentence(exercise: Exercise) -> None:
    shown = one(list(exercise.steps()), Shown)
    assert isinstance(shown, Shown)
    assert (len(shown.pair.before.runs), len(shown.pair.after.runs)) == (2, 2)
    assert shown.pair.sentence == "Two blocks of runs are not a comparison."


def test_it_says_what_is_true(exercise: Exercise) -> None:
    planned = next(exercise.steps())
    assert isinstance(planned, Planned)
    text = " ".join(planned.truths)
    assert "vm.overcommit_ratio has no effect in mode 1" in text
    assert "not used by an ordinary load" in text


def test_an_earlier_file_of_ours_comes_back(
    machine: DemoMachine, exercise: Exercise, session: Session, drop_in: Path
) -> None:
    changes = (Change("vm.overcommit_ratio", "", "80"),)
    plan = session.plan(changes)
    session.keep(session.apply(changes, plan.hash, ttl_s=60, persist=True).id, persist=True)
    earlier = drop_in.read_bytes()
    exercise.plan = make_plan(machine.host, expand(machine.host, profiles.load("classic").wanted))
    undone = one(list(exercise.steps()), Undone)
    assert isinstance(undone, Undone)
    assert undone.complete
    assert drop_in.read_bytes() == earlier


def test_what_is_as_wanted_already_is_still_set_at_boot_and_undone(
    machine: DemoMachine, exercise: Exercise, session: Session, drop_in: Path
) -> None:
    """Nothing changes but the file; the undo has only that to put back."""
    changes = tuple(
        Change(item.knob, item.instance, item.requested) for item in exercise.plan.items
    )
    session.keep(session.apply(changes, session.plan(changes).hash, ttl_s=60).id)
    exercise.plan = make_plan(machine.host, changes)
    steps = list(exercise.steps())
    assert any(isinstance(step, Kept) for step in steps)
    undone = one(steps, Undone)
    assert isinstance(undone, Undone)
    assert undone.complete
    assert not drop_in.exists()
    assert settings(machine)[:3] == ("1", "90", "64")


@pytest.mark.parametrize("kind", [Planned, Before, Applied, After, Kept, Shown])
def test_stopped_anywhere_it_is_undone(
    machine: DemoMachine, exercise: Exercise, kind: type[Step], drop_in: Path
) -> None:
    before = settings(machine)
    steps: list[Step] = []
    for step in exercise.steps():
        steps.append(step)
        if isinstance(step, kind):
            exercise.cancel()
    assert isinstance(steps[-1], Undone)
    assert steps[-1].complete
    if kind is not Shown and kind is not Kept:
        stopped = steps[-2]
        assert isinstance(stopped, Stopped)
        assert stopped.code == "cancelled"
        assert not any(isinstance(step, Kept) for step in steps)
    assert settings(machine) == before
    assert not drop_in.exists()


@pytest.mark.parametrize("kind", [Planned, Before, Applied, After, Kept])
def test_left_alone_in_the_middle_it_is_undone(
    machine: DemoMachine, exercise: Exercise, kind: type[Step], drop_in: Path
) -> None:
    """Whoever iterates meets an exception of his own, and lets go."""
    before = settings(machine)
    steps = exercise.steps()
    next(step for step in steps if isinstance(step, kind))
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert exercise.undone is not None
    assert exercise.undone.complete
    assert settings(machine) == before
    assert not drop_in.exists()


def test_cancelled_from_another_thread_while_reading(exercise: Exercise) -> None:
    stopper: threading.Thread | None = None
    steps: list[Step] = []
    for step in exercise.steps():
        steps.append(step)
        if isinstance(step, After) and isinstance(step.event, Progress) and stopper is None:
            stopper = threading.Thread(target=exercise.cancel)
            stopper.start()
            stopper.join()
    assert isinstance(steps[-2], Stopped)
    assert isinstance(steps[-1], Undone)
    assert steps[-1].complete


def test_a_value_changed_since_it_was_shown_stops_it(
    machine: DemoMachine, exercise: Exercise
) -> None:
    steps: list[Step] = []
    for step in exercise.steps():
        steps.append(step)
        if isinstance(step, Before) and isinstance(step.event, Finished):
            machine.kernel.write("/proc/sys/vm/overcommit_ratio", "77")
    assert isinstance(steps[-2], Stopped)
    assert steps[-2].code == "stale"
    assert isinstance(steps[-1], Undone)
    assert not steps[-1].complete  # somebody else's change is theirs, and it is said
    assert machine.host.read("/proc/sys/vm/overcommit_ratio").strip() == "77"


def test_a_value_changed_during_the_runs_is_said(machine: DemoMachine, exercise: Exercise) -> None:
    steps: list[Step] = []
    for step in exercise.steps():
        steps.append(step)
        if isinstance(step, After) and isinstance(step.event, Finished):
            machine.kernel.write("/proc/sys/vm/overcommit_memory", "0")
    assert isinstance(steps[-2], Stopped)
    assert steps[-2].code == "verify"
    assert "overcommit_memory" in steps[-2].sentence
    assert not any(isinstance(step, Shown) for step in steps)


def test_a_model_that_vanishes_stops_it(exercise: Exercise, gguf_file: Path) -> None:
    steps: list[Step] = []
    for step in exercise.steps():
        steps.append(step)
        if isinstance(step, Applied):
            gguf_file.unlink()
    assert isinstance(steps[-2], Stopped)
    assert steps[-2].code == "load"
    assert isinstance(steps[-1], Undone)
    assert steps[-1].complete


def test_a_file_of_somebody_else_is_not_touched(exercise: Exercise, drop_in: Path) -> None:
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("vm.swappiness = 1\n")
    steps = list(exercise.steps())
    assert isinstance(steps[-2], Stopped)
    assert steps[-2].code == "persist"
    assert not any(isinstance(step, Applied) for step in steps)
    assert drop_in.read_text() == "vm.swappiness = 1\n"


@pytest.mark.parametrize("kind", [Applied, Kept])
def test_a_helper_that_goes_is_replaced_for_the_undo(
    machine: DemoMachine, exercise: Exercise, kind: type[Step], drop_in: Path
) -> None:
    before = settings(machine)
    steps: list[Step] = []
    for step in exercise.steps():
        steps.append(step)
        if isinstance(step, kind):
            exercise.session.close()
    assert isinstance(steps[-1], Undone)
    assert steps[-1].complete
    assert settings(machine) == before
    assert not drop_in.exists()


def test_the_trial_is_extended_while_the_load_is_timed(
    exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exercises, "RENEW_S", 0.001)
    extended = threading.Event()
    extend = exercise.session.extend

    def counted(trial: str, seconds: float) -> object:
        extended.set()
        return extend(trial, seconds)

    monkeypatch.setattr(exercise.session, "extend", counted)
    for step in exercise.steps():
        if isinstance(step, After) and isinstance(step.event, Finished):
            assert extended.wait(10)
    assert exercise.undone is not None
    assert exercise.undone.complete


def test_the_object_of_the_command_fits_its_schema(
    exercise: Exercise, capsys: pytest.CaptureFixture[str], fits: Callable[[object, str], str]
) -> None:
    report = Report(Options(json=True))
    for step in exercise.steps():
        report.show(step)
    assert report.end() == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert fits(document, "exercise-1") == ""
    assert document["as_before"] is True
    assert "Two blocks of runs are not a comparison." in captured.err


def test_what_is_not_as_before_is_said_loudly_and_is_1(
    machine: DemoMachine, exercise: Exercise
) -> None:
    report = Report(Options(json=True))
    for step in exercise.steps():
        report.show(step)
        if isinstance(step, Kept):
            machine.kernel.write("/proc/sys/vm/overcommit_ratio", "77")
    with pytest.raises(Failure, match=r"NOT AS BEFORE: vm\.overcommit_ratio is 77") as ended:
        report.end()
    assert ended.value.status == 1
