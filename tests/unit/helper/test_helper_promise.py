"""Full disks, torn moments and late callers: as before, or kept, and nobody is told otherwise."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.fake_kernel import FILES, VM

from aitune_helper import files, guardian, messages
from aitune_helper.state import LockedError
from aitune_helper.trial import Trials
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_helper.state import Record

TWO = (("vm.swappiness", "", "10"), ("thp.defrag", "", "never"))


class Killed(BaseException):
    """Stands for SIGKILL."""


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def killed(*_: object, **__: object) -> None:
    raise Killed


def error_of(act: Callable[[], object]) -> str:
    with pytest.raises(Fault) as raised:
        act()
    return raised.value.error.rpartition(".")[2]


# -- a full /run -----------------------------------------------------------------------------------


@pytest.mark.parametrize("good", range(1, 7))
def test_run_is_full_after_the_nth_record(
    bench: Bench, good: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not in the record is not written; what was written is put back."""
    write, count = bench.core.trials.state.write, 0

    def filling(record: Record, *, sync: bool = False) -> None:
        nonlocal count
        count += 1
        write(record, sync=sync) if count <= good else full()

    monkeypatch.setattr(bench.core.trials.state, "write", filling)
    wanted = bench.wanted(*TWO)
    try:
        trial = bench.core.apply(wanted, OPS)
    except Fault as fault:
        assert fault.error.endswith("JournalUnavailable")  # noqa: PT017 (either may be)
        assert bench.kernel.state() == FILES
    else:
        assert good >= 6
        assert trial.state == messages.PENDING
        bench.core.trials.revert(trial.id, OPS)
        assert bench.kernel.state() == FILES
    ended = bench.core.trials.journal.history(1).trials[0]
    assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True)


@pytest.mark.parametrize("good", range(1, 6))
def test_run_is_full_and_the_helper_is_killed_right_after(
    bench: Bench, good: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = bench.core.trials.state.write, 0

    def filling(record: Record, *, sync: bool = False) -> None:
        nonlocal count
        count += 1
        write(record, sync=sync) if count <= good else full()

    def dying(number: int) -> None:
        if count > good:
            raise Killed

    monkeypatch.setattr(bench.core.trials.state, "write", filling)
    monkeypatch.setattr(bench.core.trials, "put_back", killed)
    bench.kernel.after_write = dying
    wanted = bench.wanted(*TWO)
    with pytest.raises((Killed, Fault)):
        bench.core.apply(wanted, OPS)
    bench.kernel.after_write = lambda number: None
    bench.now += 31
    bench.restart()
    assert bench.kernel.state() == FILES


# -- the line that keeps ---------------------------------------------------------------------------


def test_a_line_that_is_not_known_to_be_on_disk_is_taken_out_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the operator hears that nothing was kept, and the guardian reads that it was."""
    trial = bench.apply(("vm.swappiness", "", "10"))

    def failing(fd: int) -> None:
        if str(Path(f"/proc/self/fd/{fd}").readlink()) == bench.places.journal:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        keep = error_of(lambda: bench.core.trials.keep(trial.id, OPS, persist=False))
    assert keep == "JournalUnavailable"
    bench.now += 61
    bench.restart()
    assert bench.kernel.state() == FILES


@pytest.fixture
def half_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> messages.Trial:
    """A trial whose helper was killed after everything of keeping but the last step."""
    trial = bench.apply(("vm.swappiness", "", "10"), persist=True)
    with monkeypatch.context() as patched:
        patched.setattr(bench.core.trials, "_end", killed)
        with pytest.raises(Killed):
            bench.core.trials.keep(trial.id, OPS, persist=True)
    bench.restart()
    return trial


def test_a_half_kept_trial_is_not_said_to_be_put_back(
    bench: Bench, half_kept: messages.Trial
) -> None:
    assert error_of(lambda: bench.core.trials.revert(half_kept.id, OPS)) == "NothingPending"
    assert bench.kernel.files[VM + "swappiness"] == "10"


def test_a_half_kept_trial_is_not_said_to_be_expired(
    bench: Bench, half_kept: messages.Trial
) -> None:
    bench.now += 61
    kept = bench.core.trials.keep(half_kept.id, OPS, persist=True)
    assert kept.trial.state == messages.KEPT


def test_a_half_kept_trial_that_is_kept_again_can_be_undone_with_its_file(
    bench: Bench, half_kept: messages.Trial
) -> None:
    assert bench.core.trials.keep(half_kept.id, OPS, persist=True).trial.persisted == "yes"
    assert Path(bench.places.sysctl).exists()
    undo = bench.wanted(("vm.swappiness", "", "60"))._replace(undo_of=half_kept.id)
    bench.core.trials.keep(bench.core.apply(undo, OPS).id, OPS, persist=False)
    assert not Path(bench.places.sysctl).exists()


def test_a_half_kept_trial_gets_no_more_time(bench: Bench, half_kept: messages.Trial) -> None:
    assert error_of(lambda: bench.core.extend(half_kept.id, 60, OPS)) == "NothingPending"


# -- what the journal and everybody are told -------------------------------------------------------


@pytest.mark.parametrize("step", ["withdraw", "drop", "publish"])
def test_killed_while_ending(bench: Bench, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is shown an overdue trial that is over, nor a journal that never ends it."""
    if step == "withdraw":  # killed between the intention in the journal and the record
        wanted = bench.wanted(("vm.swappiness", "", "10"))
        with monkeypatch.context() as patched:
            patched.setattr(bench.core.trials.state, "write", killed)
            with pytest.raises(Killed):
                bench.core.apply(wanted, OPS)
    else:
        trial = bench.apply(("vm.swappiness", "", "10"))
        with monkeypatch.context() as patched:
            patched.setattr(bench.core.trials.state, step, killed)
            with pytest.raises(Killed):
                bench.core.trials.revert(trial.id, OPS)
    bench.now += 61
    bench.restart()
    assert bench.kernel.state() == FILES
    assert bench.core.trials.state.public().pending is None
    ended = bench.core.trials.journal.history(1).trials[0]
    assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True)


def test_the_journal_learns_later_what_it_could_not_be_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    with monkeypatch.context() as patched:
        patched.setattr(bench.core.trials.journal, "append", full)
        bench.core.trials.revert(trial.id, OPS)
    assert bench.core.trials.journal.history(1).trials[0].state == messages.PENDING
    bench.restart()
    assert bench.core.trials.journal.history(1).trials[0].state == messages.REVERTED_TRIAL


def test_an_intention_without_a_record_is_withdrawn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = bench.wanted(("vm.swappiness", "", "10"))
    with monkeypatch.context() as patched:
        patched.setattr(bench.core.trials.state, "write", full)
        assert error_of(lambda: bench.core.apply(wanted, OPS)) == "JournalUnavailable"
    assert bench.core.trials.journal.history(1).trials[0].state == messages.REVERTED_TRIAL
    assert bench.kernel.writes == []


def test_a_damaged_record_is_said_by_every_later_helper(bench: Bench) -> None:
    """The guardian may be the first to see it, and nobody hears a guardian."""
    bench.apply(("vm.swappiness", "", "10"))
    Path(bench.places.trial).write_text("{")
    watching = Trials(bench.kernel, bench.places, bench.core.trials.journal)
    assert guardian.look(watching) is None
    for _ in range(2):
        notices = bench.restart().hello(OPS).notices
        assert any(bench.places.trial + ".corrupt-1" in notice for notice in notices)
    # What it had changed is not known to be back: the journal does not claim it.
    assert bench.core.trials.journal.history(1).trials[0].state == messages.PENDING


def test_a_link_in_the_place_of_what_is_public_is_replaced(bench: Bench, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    public = Path(bench.places.public)
    public.unlink(missing_ok=True)
    public.symlink_to(victim)
    trial = bench.apply(("vm.swappiness", "", "10"))
    assert bench.core.trials.revert(trial.id, OPS).complete
    assert not public.is_symlink()
    assert bench.core.trials.state.public().recent[0].id == trial.id
    assert victim.read_text() == "theirs"


def test_a_lock_that_cannot_name_its_holder_holds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.apply(("vm.swappiness", "", "10"))
    bench.now += 61
    monkeypatch.setattr(os, "pwrite", full)
    assert bench.core.trials.expire() is not None
    assert bench.kernel.state() == FILES


# -- the guardian ----------------------------------------------------------------------------------


def test_the_guardian_goes_on_whatever_happens_to_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strict accounting of memory is one of our settings: it can be short when we go back."""
    trials = bench.core.trials
    bench.apply(("vm.swappiness", "", "10"))
    bench.now += 61
    for name in ("current", "expire"):
        with monkeypatch.context() as patched:
            patched.setattr(trials, name, lambda: (_ for _ in ()).throw(MemoryError()))
            assert guardian.look(trials) is not None
    assert guardian.look(trials) is not None
    assert bench.kernel.state() == FILES


def test_a_slow_holder_that_has_renewed_its_time_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = bench.core.trials
    bench.apply(("vm.swappiness", "", "10"))
    late = bench.now
    bench.now += 61

    def renewed_meanwhile(wait_s: float, unless: Callable[[], bool]) -> object:
        bench.now = late
        assert unless(), "it need not wait any longer"
        raise LockedError("")

    monkeypatch.setattr(trials.state, "locked", renewed_meanwhile)
    monkeypatch.setattr(trials.state, "kill_holder", lambda: pytest.fail("it was killed"))
    assert trials.expire() is None


def test_a_holder_that_may_wait_for_an_answer_of_the_guardian_is_glanced_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Extending asks the guardian while it holds the lock: neither may wait for the other."""
    trials = bench.core.trials
    trial = bench.apply(("vm.swappiness", "", "10"))
    assert trial.deadline is not None
    waits: list[float] = []

    def held(wait_s: float, unless: Callable[[], bool]) -> object:
        waits.append(wait_s)
        assert not unless()
        raise LockedError("")

    killed: list[int] = []
    monkeypatch.setattr(trials.state, "locked", held)
    monkeypatch.setattr(trials.state, "kill_holder", lambda: killed.append(1))
    bench.now = trial.deadline + 0.1
    assert trials.expire() is None
    assert waits[0] < 0.1
    assert not killed
    bench.now = trial.deadline + 1.1
    with pytest.raises(TypeError):  # it is killed, then the lock is taken for good
        trials.expire()
    assert waits[1] >= 4 - 1e-6
    assert killed


# -- the file for the next boot --------------------------------------------------------------------


def keep(bench: Bench, *changes: tuple[str, str, str], undo_of: str | None = None) -> str:
    wanted = bench.wanted(*changes)._replace(persist=undo_of is None, undo_of=undo_of)
    trial = bench.core.apply(wanted, OPS)
    bench.core.trials.keep(trial.id, OPS, persist=False)
    return trial.id


def test_an_undo_leaves_alone_what_a_later_trial_has_set_at_boot(bench: Bench) -> None:
    first = keep(bench, ("vm.swappiness", "", "10"), ("vm.overcommit_ratio", "", "60"))
    keep(bench, ("vm.swappiness", "", "20"))
    keep(bench, ("vm.overcommit_ratio", "", "50"), undo_of=first)
    text = Path(bench.places.sysctl).read_text()
    assert "vm.swappiness = 20" in text
    assert "overcommit_ratio" not in text


def test_a_failed_file_stays_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An immutable file, twice: once it is writable again, it still is as we wrote it."""
    keep(bench, ("vm.swappiness", "", "10"))
    with monkeypatch.context() as patched:
        real = os.rename

        def immutable(old: str, new: str) -> None:
            if new == bench.places.sysctl:
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            real(old, new)

        patched.setattr(os, "rename", immutable)
        for value in ("20", "30", "40"):
            trial = bench.apply(("vm.swappiness", "", value), persist=True)
            kept = bench.core.trials.keep(trial.id, OPS, persist=True).trial
            assert kept.persisted == "failed"
            assert "Operation not permitted" in kept.items[0].note
    keep(bench, ("vm.swappiness", "", "50"))
    assert "vm.swappiness = 50" in Path(bench.places.sysctl).read_text()


def test_a_file_that_cannot_be_written_is_no_journal_that_cannot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bench, ("vm.swappiness", "", "10"))
    monkeypatch.setattr(files, "remove", full)
    error = error_of(lambda: bench.core.trials.unpersist((), OPS))
    assert error == "PersistRefused"


def test_everybody_may_read_the_folder_that_was_missing(bench: Bench) -> None:
    earlier = os.umask(0o077)  # the helper's own
    try:
        keep(bench, ("vm.swappiness", "", "10"))
    finally:
        os.umask(earlier)
    folder = Path(bench.places.sysctl).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
