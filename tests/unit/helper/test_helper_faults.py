"""Whatever fails at whatever moment: all as before, or all kept, and the journal says which.

Every read and every write of the kernel fails once, with each error that it may have; and every
call by which the helper keeps its own files. Being killed at a call is in `tests/kernel`, for real;
here it is the writes of the kernel at which nobody is left to clean up.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests import counted
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.fake_kernel import FILES, FakeKernel

from aitune_helper import files, messages
from aitune_helper.places import Places
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitune_helper.messages import Trial

CHANGES = (
    ("vm.overcommit_ratio", "", "90"),
    ("thp.enabled", "", "never"),
    ("hugepages.2048kB", "", "2000"),
    ("block.scheduler", "sda", "mq-deadline"),
    ("block.nr_requests", "sda", "64"),
    ("block.read_ahead_kb", "sda", "4096"),
)
SOME_ERRORS = (errno.EBUSY, errno.EIO)
ONE = (("vm.swappiness", "", "10"),)
ERRORS = (
    errno.EINVAL, errno.EBUSY, errno.EACCES, errno.EIO, errno.ENOMEM, errno.ENODEV, errno.ENOSPC,
    errno.EROFS,
)  # fmt: skip
# By what the helper keeps its own files.
OWN_CALLS = (
    "open", "read", "write", "pwrite", "pread", "fsync", "ftruncate", "fchmod", "rename", "link",
    "unlink", "mkdir", "stat", "listdir",
)  # fmt: skip
OWN_ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.ENOMEM, errno.EDQUOT)


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it on the way out of the process."""


class FailingKernel(FakeKernel):
    """Fails one operation, a read as well as a write.

    Attributes:
        seen: Operations so far.
        fail_at: Which of them fails; 0 for none.
        code: Its error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = self.fail_at = 0
        self.code = errno.EIO
        self._within = False

    def read(self, path: str) -> str:
        self._operation(path)
        return super().read(path)

    def entries(self, path: str) -> list[str]:
        self._operation(path)
        return super().entries(path)

    def link(self, path: str) -> str:
        self._operation(path)
        return super().link(path)

    def write(self, path: str, value: str) -> None:
        self._operation(path)
        self._within = True
        try:
            super().write(path, value)
        finally:
            self._within = False

    def begin(self, fail_at: int, code: int) -> None:
        """Count from here."""
        self.seen, self.fail_at, self.code = 0, fail_at, code

    def _operation(self, path: str) -> None:
        if self._within:
            return
        self.seen += 1
        if self.seen == self.fail_at:
            raise OSError(self.code, os.strerror(self.code), path)


class FailingBench(Bench):
    """A bench whose kernel can fail."""

    def __init__(self, places: Places) -> None:
        super().__init__(places)
        self.failing = FailingKernel()
        self.kernel = self.failing
        self.restart()


def elsewhere(tmp_path: Path, name: object) -> Places:
    base = tmp_path / str(name)
    base.mkdir()
    return Places(f"{base}/run", f"{base}/state", f"{base}/etc")


def failing_at(number: int, error: BaseException) -> Callable[[int], None]:
    def before_write(now: int) -> None:
        if now == number:
            raise error

    return before_write


def later(bench: Bench) -> None:
    """The deadline goes by, and another helper starts."""
    bench.now += 100
    bench.restart()


# -- the kernel ------------------------------------------------------------------------------------


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not what is tried here."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.mark.usefixtures("no_disk")
@pytest.mark.parametrize("code", ERRORS, ids=lambda code: errno.errorcode[code])
def test_the_nth_operation_of_an_apply_fails(tmp_path: Path, code: int) -> None:
    """As before or as wanted: a single failure is never one that cannot be taken back."""
    number, refused = 1, 0
    while True:
        bench = FailingBench(elsewhere(tmp_path, number))
        wanted = bench.wanted(*CHANGES)
        bench.failing.begin(number, code)
        trial: Trial | None = None
        try:
            trial = bench.core.apply(wanted, OPS)
        except Fault:
            refused += 1
        if bench.failing.seen < number:
            break
        if trial is not None and trial.state == messages.PENDING:
            assert all(item.effective == item.requested for item in trial.items), number
            trial = bench.core.trials.revert(trial.id, OPS)
        assert bench.kernel.state() == FILES, number
        assert trial is None or trial.state == messages.REVERTED_TRIAL
        assert trial is None or trial.complete or code == errno.ENODEV, number
        assert bench.core.trials.pending() is None, number
        number += 1
    assert refused < number - 1
    counted.add("operations of the kernel failed while applying", number - 1)


@pytest.mark.usefixtures("no_disk")
@pytest.mark.parametrize(
    ("how", "code"),
    [*(("revert", code) for code in ERRORS), *(("deadline", code) for code in SOME_ERRORS)],
    ids=lambda given: given if isinstance(given, str) else errno.errorcode[given],
)
def test_the_nth_operation_of_going_back_fails(tmp_path: Path, code: int, how: str) -> None:
    """Whatever fails once is done again; what is not known to be back is not said to be."""
    number = 1
    while True:
        bench = FailingBench(elsewhere(tmp_path, number))
        trial = bench.apply(*CHANGES)
        bench.failing.begin(number, code)
        if how == "revert":
            ended = bench.core.trials.revert(trial.id, OPS)
        else:
            later(bench)
            ended = bench.core.trials.journal.history(1).trials[0]
        if bench.failing.seen < number:
            break
        assert ended.state == messages.REVERTED_TRIAL
        # What answers that it is no more is not written, and is said to be gone.
        assert bench.kernel.state() == FILES or (code == errno.ENODEV and not ended.complete)
        assert bench.core.trials.pending() is None
        if not ended.complete:
            assert {item.status for item in ended.items} - {messages.REVERTED}, number
        number += 1
    assert number > 10
    counted.add("operations of the kernel failed while going back", number - 1)


@pytest.mark.usefixtures("no_disk")
@pytest.mark.parametrize("code", SOME_ERRORS, ids=lambda code: errno.errorcode[code])
def test_the_nth_operation_of_an_undo_fails(tmp_path: Path, code: int) -> None:
    """As it was kept, or undone."""
    number = 0
    undone_to = FILES
    while True:
        bench = FailingBench(elsewhere(tmp_path, number))
        kept = bench.apply(*CHANGES, persist=True)
        bench.core.trials.keep(kept.id, OPS, persist=True)
        applied = bench.kernel.state()
        back = tuple((item.knob, item.instance, item.old) for item in kept.items)
        wanted = bench.wanted(*back)._replace(undo_of=kept.id)
        bench.failing.begin(number, code)
        undone = False
        try:
            trial = bench.core.apply(wanted, OPS)
            undone = bench.core.trials.keep(trial.id, OPS, persist=False).trial.undo_of == kept.id
        except Fault:
            pass
        later(bench)
        if number == 0:
            undone_to = bench.kernel.state()
            assert undone
        assert bench.kernel.state() == (undone_to if undone else applied), number
        if bench.failing.seen < number:
            break
        number += 1
    counted.add("operations of the kernel failed while undoing", number - 1)


@pytest.mark.parametrize("name", ["scheduler", "nr_requests", "read_ahead_kb"])
def test_a_file_that_fails_from_now_on_does_not_keep_the_others(tmp_path: Path, name: str) -> None:
    path = f"/sys/block/sda/queue/{name}"
    bench = FailingBench(elsewhere(tmp_path, "all"))
    trial = bench.apply(*CHANGES)
    applied = bench.kernel.state()
    operation = bench.failing._operation

    def broken(now: str) -> None:
        operation(now)
        if now == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO), now)

    bench.failing._operation = broken  # type: ignore[assignment, method-assign]
    ended = bench.core.trials.revert(trial.id, OPS)
    assert not ended.complete
    assert [item.knob for item in ended.items if item.status == messages.FAILED]
    left = {name for name, text in bench.kernel.state().items() if text != FILES.get(name)}
    assert {name for name in left if "iosched" not in name} <= {path}
    assert left or applied[path] != FILES[path]


@pytest.mark.parametrize("moment", ["before_write", "after_write"])
def test_killed_at_the_nth_write_with_nobody_to_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    number = 0
    while True:
        number += 1
        bench = Bench(elsewhere(tmp_path, number))
        setattr(bench.kernel, moment, failing_at(number, Killed()))
        with monkeypatch.context() as patched:
            patched.setattr(bench.core.trials, "put_back", lambda record, caller: None)
            try:
                bench.apply(*CHANGES)
                break
            except Killed:
                pass
        later(bench)
        assert bench.kernel.state() == FILES, number
        ended = bench.core.trials.journal.history(1).trials[0]
        assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True), number
    assert number > len(CHANGES)


def test_the_nth_write_of_going_back_is_killed_and_done_again(tmp_path: Path) -> None:
    number = 0
    while True:
        number += 1
        bench = Bench(elsewhere(tmp_path, number))
        trial = bench.apply(*CHANGES)
        so_far = bench.kernel.count
        bench.kernel.before_write = failing_at(so_far + number, Killed())
        try:
            bench.core.trials.revert(trial.id, OPS)
            break
        except Killed:
            pass
        later(bench)
        assert bench.kernel.state() == FILES, number
        ended = bench.core.trials.journal.history(1).trials[0]
        assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True), number
    assert number > 3


def test_a_third_partys_value_is_left_although_going_back_was_killed(bench: Bench) -> None:
    trial = bench.apply(*CHANGES)
    bench.kernel.files["/sys/block/sda/queue/nr_requests"] = "77"
    so_far = bench.kernel.count
    bench.kernel.before_write = failing_at(so_far + 2, Killed())
    with pytest.raises(Killed):
        bench.core.trials.revert(trial.id, OPS)
    later(bench)
    assert bench.kernel.state() == {**FILES, "/sys/block/sda/queue/nr_requests": "77"}
    ended = bench.core.trials.journal.history(1).trials[0]
    assert {item.knob: item.status for item in ended.items}["block.nr_requests"] == "drifted"


# -- our own files ---------------------------------------------------------------------------------


class Operation(NamedTuple):
    """Something to do with files that fail, to a trial that was opened before."""

    before: Callable[[Bench], Trial | None]
    act: Callable[[Bench, str], object]


def kept(bench: Bench) -> Trial:
    trial = bench.apply(*ONE, persist=True)
    bench.core.trials.keep(trial.id, OPS, persist=True)
    return trial


def keep(bench: Bench, trial_id: str) -> None:
    bench.core.trials.keep(trial_id, OPS, persist=False)


def undo(bench: Bench, trial_id: str) -> None:
    wanted = bench.wanted(("vm.swappiness", "", "60"))._replace(undo_of=trial_id)
    keep(bench, bench.core.apply(wanted, OPS).id)


OPERATIONS = {
    "apply": Operation(lambda bench: None, lambda bench, _: bench.apply(*ONE)),
    "keep": Operation(lambda bench: bench.apply(*ONE), keep),
    "keep with persist": Operation(lambda bench: bench.apply(*ONE, persist=True), keep),
    "revert": Operation(
        lambda bench: bench.apply(*ONE),
        lambda bench, trial_id: bench.core.trials.revert(trial_id, OPS),
    ),
    "extend": Operation(
        lambda bench: bench.apply(*ONE),
        lambda bench, trial_id: bench.core.extend(trial_id, 60.0, OPS),
    ),
    "second apply": Operation(
        lambda bench: bench.apply(*ONE), lambda bench, _: bench.apply(("thp.enabled", "", "never"))
    ),
    "undo": Operation(kept, undo),
    "unpersist": Operation(kept, lambda bench, _: bench.core.trials.unpersist((), OPS)),
    "history": Operation(kept, lambda bench, _: bench.core.trials.journal.history(9)),
    "hello": Operation(lambda bench: bench.apply(*ONE), lambda bench, _: bench.core.hello(OPS)),
}


@pytest.mark.parametrize("call", OWN_CALLS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_nth_call_on_our_own_files_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    """Each is answered, or refused with a fault of the interface; then the deadline comes."""
    for number in range(1, 1000):
        code = OWN_ERRORS[number % len(OWN_ERRORS)]
        bench = Bench(elsewhere(tmp_path, number))
        trial = OPERATIONS[name].before(bench)
        with monkeypatch.context() as patched:
            hit = fail(patched, call, number, OSError(code, os.strerror(code)))
            try:
                OPERATIONS[name].act(bench, "" if trial is None else trial.id)
                answered = True
            except Fault:
                answered = False
        if not hit():
            break
        check(bench, name, number, answered=answered)
    assert number < 999
    counted.add("calls on our own files failed", number - 1)


def fail(
    patched: pytest.MonkeyPatch, call: str, number: int, error: BaseException
) -> Callable[[], bool]:
    """Make the Nth call of a kind fail; returns whether it came to that."""
    real = getattr(os, call)
    seen = 0

    def failing(*arguments: object, **named: object) -> object:
        nonlocal seen
        seen += 1
        if seen == number:
            raise error
        return real(*arguments, **named)

    patched.setattr(os, call, failing)
    return lambda: seen >= number


def check(bench: Bench, name: str, number: int, *, answered: bool | None) -> None:
    """All as before or all as wanted: the kernel, the file for the boot, and the journal."""
    later(bench)
    trials = bench.core.trials
    assert trials.pending() is None, number
    assert trials.state.public().pending is None, number
    kept = [trial for trial in trials.journal.history(9).trials if trial.state == messages.KEPT]
    changed = bench.kernel.state() != FILES
    if changed:
        assert bench.kernel.files["/proc/sys/vm/swappiness"] == "10"
    assert changed == bool(kept and kept[0].undo_of is None), number
    at_boot = files.read_file(bench.places.sysctl)
    if name in ("keep", "apply", "revert", "extend"):
        assert at_boot is None
    if name in ("keep with persist", "undo"):
        said = kept[0].persisted if kept else "yes"
        # A journal that could not be told afterwards still says `no`.
        assert said == "no" or (at_boot is not None) == (changed == (said == "yes")), number
    if name == "unpersist":
        assert (at_boot is None) == answered, number
    if name == "keep with persist" and answered:
        assert changed, "it was said to be kept"


@pytest.mark.parametrize("call", ["fsync", "rename", "open", "write", "unlink", "link", "pwrite"])
@pytest.mark.parametrize("name", ["keep", "keep with persist", "undo", "unpersist"])
def test_killed_at_the_nth_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    for number in range(1, 1000):
        bench = Bench(elsewhere(tmp_path, number))
        trial = OPERATIONS[name].before(bench)
        with monkeypatch.context() as patched:
            hit = fail(patched, call, number, Killed())
            with contextlib.suppress(Killed):
                OPERATIONS[name].act(bench, "" if trial is None else trial.id)
        if not hit():
            break
        event = (bench.core.trials.journal.last() or {}).get("event")
        check(bench, name, number, answered=event == "unpersist")
    assert number < 999
