"""Applying a plan: the order of things is the promise.

Journal, record of the old values, a guardian that says it watches, and only then a write. Then each
item in turn, read back; anything not as it has to be, and all of it is put back at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import messages, plan, steps
from aitune_helper.journal import CorruptJournalError
from aitune_helper.messages import Caller, Change, Item, Trial
from aitune_helper.state import RECORD_VERSION, Record, loud
from aitune_helper.trial import Trials, refused, unavailable
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from aitune_helper.guardian import Guardian
    from aitune_helper.state import Slot

STEP_GRACE_S = 30.0

Progress = Callable[[int, int, Item], None]


class Wanted(NamedTuple):
    """What `Apply` asks for.

    Attributes:
        changes: What to write.
        plan_hash: The plan that was shown.
        ttl_s: Seconds from `pending` to the deadline.
        on_partial: `rollback` or `accept` fewer pages than asked.
        persist: Whether keeping it also writes the files that set it at boot.
        message, title: For the journal.
        force: Leave out the guards for memory and containers.
        undo_of: Id of the kept trial that this one puts back, or None.
    """

    changes: tuple[Change, ...]
    plan_hash: str
    ttl_s: float
    on_partial: str = messages.ROLLBACK
    persist: bool = False
    message: str = ""
    title: str = ""
    force: bool = False
    undo_of: str | None = None


class Application:
    """One run of `Apply`.

    Args:
        trials: The machine's trials.
        wanted: What is asked.
        caller: Who asks.
        cancelled: Asked between steps; True ends the writing, and all is put back.
        progress: Told items done, their number, and the item as it stands.
    """

    def __init__(
        self,
        trials: Trials,
        wanted: Wanted,
        caller: Caller,
        *,
        cancelled: Callable[[], bool],
        progress: Progress,
    ) -> None:
        self._trials = trials
        self._kernel = trials.kernel
        self._wanted = wanted
        self._caller = caller
        self._cancelled = cancelled
        self._progress = progress
        self._record: Record

    def run(self, guardian: Guardian) -> Trial:
        """Write, read back, and leave it pending, or put all back at once.

        Raises:
            Fault: `Busy`, `Refused`, `Stale`, `JournalUnavailable`, `NoGuardian`,
                `PersistRefused`, `Corrupt`: nothing was written, or all is back.
        """
        trials = self._trials
        with trials.locked():
            trials.refuse_if_open()
            self._begin()
            try:
                guardian.arm(self._record.trial.id)
            except Fault:
                trials.withdraw(self._record, self._caller)
                raise
            trials.state.publish(self._record.trial)
            try:
                self._write_items()
                return self._settle()
            except BaseException:
                trials.put_back(self._record, self._caller)
                raise

    def _begin(self) -> None:
        """Check everything; the kernel is only read."""
        wanted = self._wanted
        try:
            made = plan.make_plan(self._kernel, wanted.changes, force=wanted.force)
        except plan.Refusal as refusal:
            raise refused(refusal.knob, refusal.instance, refusal.reason) from refusal
        if not made.items:
            raise refused("", "", "there is nothing to change")
        stale = any(item.status == messages.STALE for item in made.items)
        if stale or made.hash != wanted.plan_hash:
            raise Fault("Stale", {"items": messages.to_object(made.items)})
        self._trials.check_files(made.items, persist=wanted.persist, undo_of=wanted.undo_of)
        try:
            slots = steps.snapshot(self._kernel, made.items)
        except OSError as error:
            raise refused("", "", f"a coupled value cannot be read: {error.strerror}") from error
        self._commit(made.items, slots)

    def _commit(self, items: tuple[Item, ...], slots: tuple[Slot, ...]) -> None:
        """Journal and record on disk, or nothing happens."""
        wanted, caller, trials = self._wanted, self._caller, self._trials
        try:
            trials.journal.rotate()
            trial = Trial(
                os.urandom(16).hex(),
                trials.journal.last_number() + 1,
                caller.uid,
                caller.name,
                caller.attested,
                caller.tty,
                trials.wall(),
                trials.clock() + STEP_GRACE_S,
                messages.APPLYING,
                items,
                persist=wanted.persist,
                message=wanted.message,
                title=wanted.title,
                undo_of=wanted.undo_of,
            )
            trials.note("intent", trial, caller, force=wanted.force)
        except (OSError, CorruptJournalError) as error:
            raise unavailable(error) from error
        self._record = Record(RECORD_VERSION, trials.state.boot_id, trial, -1, slots)
        try:
            trials.state.write(self._record, sync=True)
        except OSError as error:
            trials.withdraw(self._record, caller)
            raise unavailable(error) from error

    def _write_items(self) -> None:
        """Write one item after another; the record goes before each write and follows it."""
        total = len(self._record.trial.items)
        for index in range(total):
            record = self._record
            slots = steps.in_flux(self._kernel, record.slots, record.trial.items[index])
            self._record = self._with_time(record._replace(step=index, slots=slots))
            try:
                # Whoever puts back leaves alone what the record does not say is being written.
                self._trials.state.write(self._record)
            except OSError as error:
                raise unavailable(error) from error
            item = self._write_item(index)
            items = _replaced(self._record.trial.items, index, item)
            self._record = self._record._replace(
                trial=self._record.trial._replace(items=items),
                slots=steps.read_after(self._kernel, self._record.slots, item),
            )
            self._renew()
            self._progress(index + 1, total, item)
            if not self._acceptable(item):
                break

    def _write_item(self, index: int) -> Item:
        """Write one item, renewing the deadline at each of its steps."""
        items = self._record.trial.items

        def on_step(item: Item) -> None:
            self._renew()
            self._progress(index, len(items), item)

        if self._cancelled():
            return items[index]._replace(status=messages.FAILED, note=steps.STOPPED)
        return steps.write_item(
            self._kernel,
            items[index],
            force=self._wanted.force,
            cancelled=self._cancelled,
            on_step=on_step,
        )

    def _settle(self) -> Trial:
        """Open the countdown, or put everything back where an item is not as it has to be."""
        trials, record = self._trials, self._record
        if not all(self._acceptable(item) for item in record.trial.items):
            return trials.put_back(record, self._caller)
        trial = record.trial._replace(
            state=messages.PENDING, deadline=trials.clock() + self._wanted.ttl_s
        )
        try:
            trials.state.write(record._replace(trial=trial))
            trials.note("applied", trial, self._caller)
        except (OSError, CorruptJournalError) as error:
            raise unavailable(error) from error
        trials.state.publish(trial)
        return trial

    def _acceptable(self, item: Item) -> bool:
        """Whether the trial may go on with this item as it came out."""
        if item.status == messages.PARTIAL:
            return self._wanted.on_partial == messages.ACCEPT and item.note != steps.STOPPED
        return item.status in messages.AS_WANTED

    def _with_time(self, record: Record) -> Record:
        """A record with the time that one more step may take."""
        deadline = self._trials.clock() + STEP_GRACE_S
        return record._replace(trial=record.trial._replace(deadline=deadline))

    def _renew(self) -> None:
        """Write the record with more time; a full /run is no reason to stop within an item."""
        self._record = self._with_time(self._record)
        try:
            self._trials.state.write(self._record)
        except OSError as error:
            number = self._record.trial.number
            loud(f"the record of trial {number} cannot be renewed: {error.strerror}")


def _replaced(items: tuple[Item, ...], index: int, item: Item) -> tuple[Item, ...]:
    return (*items[:index], item, *items[index + 1 :])
