"""Whatever fails at whatever moment: all as before, or all kept, and the journal says which."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.fake_kernel import FILES

from aitune_helper import files, messages
from aitune_helper.places import Places
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHANGES = (
    ("vm.overcommit_ratio", "", "90"),
    ("thp.enabled", "", "never"),
    ("hugepages.2048kB", "", "2000"),
    ("block.scheduler", "sda", "mq-deadline"),
    ("block.nr_requests", "sda", "64"),
    ("block.read_ahead_kb", "sda", "4096"),
)
ERRORS = (errno.EINVAL, errno.EBUSY, errno.EIO, errno.ENODEV)


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it on the way out of the process."""


def failing_at(number: int, error: BaseException) -> Callable[[int], None]:
    def before_write(now: int) -> None:
        if now == number:
            raise error

    return before_write


def writes_of(places: Places, act: Callable[[Bench], object]) -> int:
    bench = Bench(places)
    act(bench)
    return len(bench.kernel.writes)


def elsewhere(tmp_path: Path, name: object) -> Places:
    base = tmp_path / str(name)
    base.mkdir()
    return Places(f"{base}/run", f"{base}/state", f"{base}/etc")


@pytest.mark.parametrize("code", ERRORS, ids=lambda code: errno.errorcode[code])
def test_the_nth_write_fails(tmp_path: Path, code: int) -> None:
    total = writes_of(elsewhere(tmp_path, "all"), lambda bench: bench.apply(*CHANGES))
    assert total > len(CHANGES)
    for number in range(1, total + 1):
        bench = Bench(elsewhere(tmp_path, number))
        bench.kernel.before_write = failing_at(number, OSError(code, os.strerror(code)))
        trial = bench.apply(*CHANGES)
        assert trial.state == messages.REVERTED_TRIAL, number
        assert trial.complete, number
        assert bench.kernel.state() == FILES, number
        assert [item.errno for item in trial.items].count(errno.errorcode[code]) == 1
        assert bench.core.trials.journal.history(1).trials == (trial,)


@pytest.mark.parametrize("moment", ["before_write", "after_write"])
def test_killed_at_the_nth_write_with_nobody_to_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    total = writes_of(elsewhere(tmp_path, "all"), lambda bench: bench.apply(*CHANGES))
    for number in range(1, total + 1):
        bench = Bench(elsewhere(tmp_path, number))
        setattr(bench.kernel, moment, failing_at(number, Killed()))
        with monkeypatch.context() as patched:
            patched.setattr(bench.core.trials, "put_back", lambda record, caller: None)
            with pytest.raises(Killed):
                bench.apply(*CHANGES)
        bench.now += 31
        bench.restart()
        assert bench.kernel.state() == FILES, number
        ended = bench.core.trials.journal.history(1).trials[0]
        assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True), number


def test_the_nth_write_of_going_back_is_killed_and_done_again(tmp_path: Path) -> None:
    def there_and_back(bench: Bench) -> None:
        trial = bench.apply(*CHANGES)
        bench.kernel.writes.clear()
        bench.core.trials.revert(trial.id, OPS)

    total = writes_of(elsewhere(tmp_path, "all"), there_and_back)
    assert total > 3
    for number in range(1, total + 1):
        bench = Bench(elsewhere(tmp_path, number))
        trial = bench.apply(*CHANGES)
        so_far = bench.kernel.count
        bench.kernel.before_write = failing_at(so_far + number, Killed())
        with pytest.raises(Killed):
            bench.core.trials.revert(trial.id, OPS)
        bench.now += 61
        bench.restart()
        assert bench.kernel.state() == FILES, number
        ended = bench.core.trials.journal.history(1).trials[0]
        assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True), number


def test_a_third_partys_value_is_left_although_going_back_was_killed(bench: Bench) -> None:
    trial = bench.apply(*CHANGES)
    bench.kernel.files["/sys/block/sda/queue/nr_requests"] = "77"
    so_far = bench.kernel.count
    bench.kernel.before_write = failing_at(so_far + 2, Killed())
    with pytest.raises(Killed):
        bench.core.trials.revert(trial.id, OPS)
    bench.now += 61
    bench.restart()
    assert bench.kernel.state() == {**FILES, "/sys/block/sda/queue/nr_requests": "77"}
    ended = bench.core.trials.journal.history(1).trials[0]
    assert {item.knob: item.status for item in ended.items}["block.nr_requests"] == "drifted"


@pytest.mark.parametrize("call", ["fsync", "rename", "open", "write", "unlink"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_the_nth_call_on_our_own_files_fails_while_applying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """A full, broken or read-only disk: nothing is left half, and going back still works."""
    real = getattr(os, call)
    for number in range(1, 12):
        bench = Bench(elsewhere(tmp_path, number))
        wanted = bench.wanted(*CHANGES)
        seen = 0

        def failing(*arguments: object, **named: object) -> object:
            nonlocal seen
            seen += 1
            if seen == number:  # noqa: B023 (called within this very turn of the loop)
                raise OSError(code, os.strerror(code))
            return real(*arguments, **named)

        monkeypatch.setattr(os, call, failing)
        with contextlib.suppress(Fault, OSError):
            bench.core.apply(wanted, OPS)
        monkeypatch.setattr(os, call, real)
        record = bench.core.trials.current()
        if record is None:
            assert bench.kernel.state() == FILES, number
            continue
        bench.now += 100
        bench.restart()
        assert bench.kernel.state() == FILES, number


@pytest.mark.parametrize("call", ["fsync", "rename", "open", "write", "unlink", "link"])
def test_killed_at_the_nth_call_while_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Either kept, with the file for the boot and the journal's word, or all as before."""
    real = getattr(os, call)
    outcomes = set()
    for number in range(1, 14):
        bench = Bench(elsewhere(tmp_path, number))
        trial = bench.apply(("vm.swappiness", "", "10"), persist=True)
        seen = 0

        def failing(*arguments: object, **named: object) -> object:
            nonlocal seen
            seen += 1
            if seen == number:  # noqa: B023 (called within this very turn of the loop)
                raise Killed
            return real(*arguments, **named)

        monkeypatch.setattr(os, call, failing)
        with contextlib.suppress(Killed):
            bench.core.trials.keep(trial.id, OPS, persist=False)
        monkeypatch.setattr(os, call, real)
        bench.now += 100
        bench.restart()
        ended = bench.core.trials.journal.history(1).trials[0]
        at_boot = files.read_file(bench.places.sysctl)
        outcomes.add(ended.state)
        if ended.state == messages.KEPT:
            assert bench.kernel.files["/proc/sys/vm/swappiness"] == "10"
            assert at_boot is not None
            assert b"vm.swappiness = 10" in at_boot, number
            assert ended.persisted == "yes"
            assert bench.core.trials.lasting.values() == {"vm.swappiness": "10"}
        else:
            assert ended.state == messages.REVERTED_TRIAL
            assert bench.kernel.state() == FILES
            assert at_boot is None
        assert bench.core.trials.pending() is None
    assert messages.KEPT in outcomes
