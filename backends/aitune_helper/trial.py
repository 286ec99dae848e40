"""The one open trial of a machine, and how it ends: extended, kept, put back.

Everything that changes something happens under the lock, so that helper, guardian and a second
helper never act at once. Whoever comes first after a deadline puts things back, and it is the same
code for all of them.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import arms, boot, files, lasting, messages, restore
from aitune_helper.faults import refused, unavailable
from aitune_helper.journal import CorruptJournalError, Journal
from aitune_helper.messages import Caller, Trial
from aitune_helper.state import (
    CorruptError,
    LockedError,
    NewerError,
    Record,
    State,
    boottime,
    loud,
)
from aitune_helper.state import boot_id as running_boot
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item
    from aitune_helper.places import Places
    from aitune_helper.state import Clock

LOCK_WAIT_S = 1.0
STUCK_S = 5.0
_ANSWERING_S, _GLANCE_S = 1.0, 0.02

OPEN = (messages.APPLYING, messages.PENDING)

GUARDIAN = Caller(0, "guardian", attested=True)


class Kept(NamedTuple):
    """A kept trial and the files that were written for it."""

    trial: Trial
    files: tuple[str, ...]


class Trials:
    """The trials of a machine, one of them open at a time.

    Args:
        kernel: The machine.
        places: Where record, journal and files lie; prepared.
        journal: The journal.
        clock: Seconds that go on in suspend; deadlines are in it.
        wall: Wall clock, for display.
        boot_id: The running boot.
        readers: Which of our files are read here at boot.

    Attributes:
        lasting: The files that set at boot what was kept.
        notices: Sentences for the operator on what was found damaged.
        newer: What to say where the record, when last read, was one of a newer helper; else "".
    """

    def __init__(
        self,
        kernel: KernelIO,
        places: Places,
        journal: Journal,
        *,
        clock: Clock = boottime,
        wall: Clock = time.time,
        boot_id: str | None = None,
        readers: frozenset[str] = boot.MECHANISMS,
    ) -> None:
        self.kernel = kernel
        self.journal = journal
        self.clock = clock
        self.wall = wall
        self.state = State(places, running_boot() if boot_id is None else boot_id)
        self.notices: list[str] = []
        self.lasting = lasting.Lasting(kernel, places, journal, readers)
        self._corrupt = ""
        self.newer = ""

    def current(self) -> Record | None:
        """The record of this boot's open trial, or None; a damaged one is moved aside, loudly.

        Raises:
            OSError: It cannot be read: nobody knows what is open.
        """
        record = self.record()
        return record if record is not None and record.boot_id == self.state.boot_id else None

    def pending(self) -> Trial | None:
        """The open trial, or None; its deadline may be over."""
        try:
            record = self.current()
        except OSError as error:
            self.notice(f"the record of a trial cannot be read: {error.strerror}")
            return None
        return record.trial if record is not None else None

    def left(self, record: Record) -> float:
        """Seconds to the deadline of a record; negative when it is over."""
        return (record.trial.deadline or 0.0) - self.clock()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock to write under it.

        Raises:
            Fault: `Busy`: another holds it for longer than a second; `Refused`: there is a record
                of a newer helper, so that this one cannot know what is open; `JournalUnavailable`:
                our own files cannot be read or written, when and where ever that shows.
        """
        try:
            with self.state.locked(LOCK_WAIT_S):
                self.record()
                if self.newer:
                    raise refused("", "", self.newer)
                yield
        except LockedError:
            raise Fault("Busy", {"trial": messages.to_object(self.pending())}) from None
        except OSError as error:
            raise unavailable(error) from error

    def refuse_if_open(self, but_of: Caller | None = None) -> None:
        """Raise `Busy` while a trial is open, `Corrupt` once where its record was damaged.

        Args:
            but_of: Whose own trial is no obstacle; None lets none be open.
        """
        self.close_what_is_over()
        record = self.current()
        if record is not None and (but_of is None or record.trial.owner_uid != but_of.uid):
            raise Fault("Busy", {"trial": messages.to_object(record.trial)})
        if self._corrupt:
            path, self._corrupt = self._corrupt, ""
            raise Fault("Corrupt", {"path": path})

    def note(self, event: str, trial: Trial, caller: Caller, **more: object) -> None:
        """Write one line of the journal and wait until it is on disk.

        Raises:
            OSError, CorruptJournalError: It is not there.
        """
        self.journal.append(event, self._entry(trial, caller, more))

    def withdraw(self, record: Record, caller: Caller) -> None:
        """End a trial before its first write."""
        self.state.drop()
        trial = record.trial._replace(state=messages.REVERTED_TRIAL, deadline=None)
        self.note_if_possible("withdrawn", trial, caller)

    def check_files(self, items: tuple[Item, ...], *, persist: bool, undo_of: str | None) -> None:
        """Raise before anything is written where keeping would fail over a file."""
        if undo_of is not None and self.journal.find(messages.KEPT, undo_of) is None:
            raise refused("", "", "there is no kept trial of that id")
        self.lasting.check(items, persist=persist, undo_of=undo_of)

    def extend(
        self,
        trial_id: str,
        ttl_s: float,
        caller: Caller,
        *,
        first: Callable[[str], None] = lambda trial_id: None,
    ) -> Trial:
        """Move the deadline to `ttl_s` seconds from now.

        Before that `first` is done with its id; where that raises, nothing is extended.

        Raises:
            Fault: `NothingPending`, `Expired`, `NotYours`, `Busy`, `JournalUnavailable`; whatever
                `first` raises.
        """
        with self.locked():
            record = self.own_record(trial_id, caller)
            first(trial_id)
            trial = record.trial._replace(deadline=self.clock() + ttl_s)
            try:
                self.state.write(record._replace(trial=trial))
            except OSError as error:
                raise unavailable(error) from error
            self.state.publish(trial)
            return trial

    def own_record(self, trial_id: str, caller: Caller) -> Record:
        """The record of the open trial of this id, for its owner. The lock is held.

        Raises:
            Fault: `NothingPending`, `Expired`, `NotYours`.
        """
        self.close_what_is_over()
        record = self._open_record(trial_id, caller)
        if record.trial.owner_uid != caller.uid:
            raise Fault("NotYours", {"trial": messages.to_object(record.trial)})
        return record

    def keep(
        self,
        trial_id: str,
        caller: Caller,
        *,
        persist: bool,
        first: Callable[[Trial], Trial] = lambda trial: trial,
    ) -> Kept:
        """End a trial as it stands; `persist` writes the files that set it at boot too.

        The line in the journal is the moment of keeping: whoever finds the record after it
        finishes keeping instead of going back. Once a trial is kept, this says so again.

        Args:
            trial_id: The open trial.
            caller: Who asks.
            persist: Whether to write files; what `Apply` said of it counts too.
            first: Done with the open trial before, under the same lock: brings an arm into force.
                Where it puts the trial back, nothing is kept, and the trial says so.

        Raises:
            Fault: `NothingPending`, `Expired`, `PersistRefused`, `JournalUnavailable`, `Busy`;
                whatever `first` raises.
        """
        with self.locked():
            self.close_what_is_over()
            ended = self._ended(trial_id)
            if ended is not None and ended.state == messages.KEPT:
                return Kept(ended, ())
            tried = first(self._open_record(trial_id, caller).trial)
            if tried.state != messages.PENDING:
                return Kept(tried, ())
            record = self._open_record(trial_id, caller)
            trial = arms.kept(record.trial)._replace(
                state=messages.KEPT, deadline=None, persist=record.trial.persist or persist
            )
            decision = self.lasting.decide(trial)
            trial = trial._replace(items=decision.items)
            body = lasting.to_journal(decision.changes)
            try:
                self.note(messages.KEPT, trial, caller, **body)
            except (OSError, CorruptJournalError) as error:
                raise unavailable(error) from error
            # From here on the journal need not be readable for keeping to be finished.
            self.state.renew(record._replace(trial=trial, kept=body))
            return self._finish_keep(trial, decision.changes, caller)

    def revert(self, trial_id: str, caller: Caller) -> Trial:
        """Put everything back now; once it is back, say so again.

        Raises:
            Fault: `NothingPending`, `Busy`.
        """
        with self.locked():
            self.close_what_is_over()
            record = self.current()
            if record is not None and record.trial.id == trial_id:
                return self.put_back(record, caller)
            ended = self._ended(trial_id)
            if ended is None or ended.state != messages.REVERTED_TRIAL:
                raise Fault("NothingPending")
            return ended

    def expire(self) -> Trial | None:
        """Put back a trial whose deadline is over, None where none is; a stuck holder is killed."""

        def goes_on() -> bool:  # a step, or its end, has renewed the record
            record = self.current()
            return record is None or self.left(record) > 0

        # Whoever holds the lock may be waiting for an answer of ours: first we do not wait long.
        early = (record := self.current()) is None or self.left(record) > -_ANSWERING_S
        try:
            with self.state.locked(_GLANCE_S if early else STUCK_S - _ANSWERING_S, goes_on):
                return self.close_what_is_over()
        except LockedError:
            if early or goes_on():
                return None
            loud("the lock is still held after a deadline: its holder is killed")
            self.state.kill_holder()
        with self.state.locked(STUCK_S):
            return self.close_what_is_over()

    def unpersist(self, knobs: tuple[str, ...], caller: Caller) -> tuple[str, ...]:
        """Take lines out of our files, all of them if none is named; the kernel is not touched.

        Raises:
            Fault: `Busy`, `PersistRefused`, `JournalUnavailable`.
        """
        with self.locked():
            self.refuse_if_open()
            changes = self.lasting.without(knobs)
            noted = {"caller": messages.to_object(caller), **lasting.to_journal(changes)}
            try:
                self.journal.append("unpersist", noted)
            except (OSError, CorruptJournalError) as error:
                raise unavailable(error) from error
            try:
                return self.lasting.finish(changes)
            except Fault:
                # Else the line above would be made true at the next start.
                with contextlib.suppress(OSError, CorruptJournalError):
                    self.journal.append("not_unpersisted", {"caller": noted["caller"]})
                raise

    def put_back(self, record: Record, caller: Caller) -> Trial:
        """Put back every value of a record; never stops half-way. The lock is held."""
        settled = restore.settle(self.kernel, record.slots)
        self.state.renew(record._replace(slots=settled))
        fates = restore.put_back(self.kernel, settled)
        trial = record.trial._replace(
            state=messages.REVERTED_TRIAL,
            deadline=None,
            items=restore.outcome(self.kernel, record.trial.items, settled, fates),
            complete=all(fate.status == messages.REVERTED for fate in fates.values()),
        )
        self.note_if_possible("reverted", trial, caller)
        self._end(trial)
        return trial

    def _finish_keep(self, trial: Trial, changes: lasting.Changes, caller: Caller) -> Kept:
        """What follows the line in the journal; done again, it changes nothing."""
        written: tuple[str, ...] = ()
        try:
            if changes:
                written = self.lasting.finish(changes)
                trial = trial._replace(persisted="yes")
        except Fault as fault:
            failure = "{path}: {reason}".format(**fault.parameters)
            loud(f"trial {trial.number} is kept, but not persistent: {failure}")
            items = lasting.failed(trial.items, failure)
            trial = trial._replace(persisted="failed", items=items)
        if trial.persisted != "no":
            self.note_if_possible("persisted", trial, caller)
        self._end(trial)
        return Kept(trial, written)

    def record(self) -> Record | None:
        """The record, of whatever boot; one of a newer helper is left to that one's guardian."""
        self.newer = ""
        try:
            return self.state.read()
        except NewerError as error:
            self.newer = str(error)
            self.notice(self.newer)
        except CorruptError as error:
            self._corrupt = error.path
            self.tell_of_damage()
            self.state.publish(None)
        return None

    def _end(self, trial: Trial) -> None:
        """The record goes last: as long as it is there, somebody comes back to end it."""
        self.state.publish(None, ended=trial)
        self.state.drop()

    def close_what_is_over(self) -> Trial | None:
        """End what the clock, or a line in the journal, has ended already; the lock is held.

        Returns:
            The trial as it ended, or None where none is open, or it is within its time.
        """
        record = self.current()
        if record is None:
            return None
        if record.trial.state == messages.KEPT:
            changes = lasting.changes_of(record.kept or {})
            return self._finish_keep(record.trial, changes, GUARDIAN).trial
        ended = self._ended_in_journal(record.trial.id)
        if ended is not None and ended.state == messages.KEPT:
            entry = self.journal.find(messages.KEPT, ended.id) or {}
            return self._finish_keep(ended, lasting.changes_of(entry), GUARDIAN).trial
        if ended is not None:
            self._end(ended)
            return ended
        return None if self.left(record) > 0 else self.put_back(record, GUARDIAN)

    def _open_record(self, trial_id: str, caller: Caller) -> Record:
        """The record of the open trial of this id, still within its time."""
        record = self.current()
        if record is None or record.trial.id != trial_id:
            ended = self._ended(trial_id)
            if ended is not None and ended.state == messages.REVERTED_TRIAL:
                raise Fault("Expired", {"trial": messages.to_object(ended)})
            raise Fault("NothingPending")
        if self.left(record) <= 0 or record.trial.state != messages.PENDING:
            ended = self.put_back(record, caller)
            raise Fault("Expired", {"trial": messages.to_object(ended)})
        return record

    def _ended(self, trial_id: str) -> Trial | None:
        """A trial that is over, from the last ten or else from the journal."""
        public = self.state.public()
        if public.pending is not None and public.pending.id == trial_id:
            return None
        for trial in public.recent:
            if trial.id == trial_id:
                return trial
        known = self.journal.trial(trial_id)
        return known if known is not None and known.state not in OPEN else None

    def _ended_in_journal(self, trial_id: str) -> Trial | None:
        """The trial as it ended, if that is the journal's last word."""
        try:
            last = messages.from_object(Trial, (self.journal.last() or {}).get("trial"))
        except (OSError, ValueError, CorruptJournalError):
            return None
        return last if last.id == trial_id and last.state not in OPEN else None

    def tell_of_damage(self) -> None:
        """Name what was moved aside, by whomever, until somebody has taken it away."""
        for path in self.state.damaged():
            self.notice(
                f"the record of a trial was damaged and is now {path}: what that trial changed is "
                "not put back"
            )
        for path in files.moved_aside(self.journal.path):
            self.notice(f"the journal was damaged and is now {path}")

    def _entry(self, trial: Trial, caller: Caller, more: dict[str, object]) -> dict[str, object]:
        return {
            "number": trial.number,
            "boot_id": self.state.boot_id,
            "boottime": round(self.clock(), 3),
            "caller": messages.to_object(caller),
            "trial": messages.to_object(trial),
            **more,
        }

    def note_if_possible(self, event: str, trial: Trial, caller: Caller) -> None:
        """Write a line; going back is never refused for want of a journal."""
        try:
            self.note(event, trial, caller)
        except (OSError, CorruptJournalError) as error:
            loud(f"trial {trial.number} {event}, but the journal cannot be written: {error}")

    def notice(self, sentence: str) -> None:
        """Have something said by every hello of this helper, once."""
        if sentence not in self.notices:
            self.notices.append(sentence)
            loud(sentence)
