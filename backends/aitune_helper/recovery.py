"""What every start of a helper does first: put back what is overdue, end what ended unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_helper import lasting, messages, restore
from aitune_helper.journal import CorruptJournalError
from aitune_helper.messages import Caller
from aitune_helper.state import LockedError
from aitune_helper.trial import OPEN
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from aitune_helper.trial import Trials

RECOVERY = Caller(0, "recovery", attested=True)


def recover(trials: Trials) -> None:
    """Put back what is overdue, close what ended without a word.

    Where another holds the lock, it is they who do that; what is a newer helper's is its own.
    """
    try:
        with trials.state.locked(0.0):
            _check_journal(trials)
            ended = trials.close_what_is_over()
            if trials.newer:
                return
            if ended is not None and ended.state == messages.REVERTED_TRIAL:
                trials.notice(f"trial {ended.number} was overdue and is put back now")
            _close_in_journal(trials)
            _finish_unpersist(trials)
            if trials.state.public().pending is not None and trials.current() is None:
                trials.state.publish(None)
    except LockedError:
        pass
    except OSError as error:
        trials.notice(f"what is open cannot be told: {error.strerror}")
    finally:
        trials.tell_of_damage()


def _check_journal(trials: Trials) -> None:
    """Move a journal without one whole line aside, loudly."""
    try:
        trials.journal.last()
    except CorruptJournalError:
        trials.journal.set_aside()
    except OSError as error:
        trials.notice(f"the journal cannot be read: {error.strerror}")


def _close_in_journal(trials: Trials) -> None:
    """End what is open in the journal alone: a reboot ended it, or the journal was not told.

    The record is there before the first write and until the last is undone, so without one
    everything is back; whether it is gets looked at all the same.
    """
    state = trials.state
    record = trials.record()
    if record is not None and record.boot_id != state.boot_id:
        state.drop()
    newest = trials.journal.newest()
    if newest is None or newest[0].state not in OPEN:
        return
    trial = newest[0]._replace(deadline=None)
    if newest[1] != state.boot_id:
        trial = trial._replace(state=messages.ENDED_BY_REBOOT)
        trials.note_if_possible(messages.ENDED_BY_REBOOT, trial, RECOVERY)
        state.publish(None, ended=trial)
    elif record is None and not state.damaged():
        back = restore.is_back(trials.kernel, trial.items)
        trial = trial._replace(state=messages.REVERTED_TRIAL, complete=back)
        trials.note_if_possible("closed", trial, RECOVERY)
        state.publish(None, ended=trial)


def _finish_unpersist(trials: Trials) -> None:
    """Do what the journal's last line says was taken out; done again, it changes nothing."""
    try:
        last = trials.journal.last() or {}
        if last.get("event") == "unpersist":
            trials.lasting.finish(lasting.changes_of(last))
    except Fault as fault:
        trials.notice("{path} still says what was taken out: {reason}".format(**fault.parameters))
    except CorruptJournalError:
        pass  # said already
