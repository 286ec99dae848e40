"""Writing what a trial wants of the machine: one item after another, each read back.

The same for a plan that is applied and for another arm of a comparison that comes into force. What
may be touched is on record before it is; anything not as it has to be, and all is put back at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from aitune_helper import arms, messages, slots, steps
from aitune_helper.faults import unavailable
from aitune_helper.journal import CorruptJournalError
from aitune_helper.messages import Item

if TYPE_CHECKING:
    from aitune_helper.messages import Caller, Trial
    from aitune_helper.state import Record
    from aitune_helper.trial import Trials

# How long one step may take; whoever writes for longer without a word counts as gone.
STEP_GRACE_S = 30.0

Progress = Callable[[int, int, Item], None]


class Writing:
    """Bringing the machine to what the items of a record want. The lock is held.

    Args:
        trials: The machine's trials.
        record: On disk already, with its time running.
        caller: Who asks.
        cancelled: Asked between steps; True ends the writing, and all is put back.
        progress: Told items done, their number, and the item as it stands.
    """

    def __init__(
        self,
        trials: Trials,
        record: Record,
        caller: Caller,
        *,
        cancelled: Callable[[], bool],
        progress: Progress,
    ) -> None:
        self._trials = trials
        self._kernel = trials.kernel
        self._record = record
        self._caller = caller
        self._cancelled = cancelled
        self._progress = progress

    def run(self, event: str = "") -> Trial:
        """Write, read back, and leave it pending, or put all back at once.

        Args:
            event: What the journal is told once all is as wanted; "" for nothing.

        Raises:
            Fault: `JournalUnavailable`: all is back.
        """
        try:
            self._write_items()
            return self._settle(event)
        except BaseException:
            self._trials.put_back(self._record, self._caller)
            raise

    def _write_items(self) -> None:
        """Write one item after another; the record goes before each write and follows it."""
        items = self._record.trial.items
        for done, index in enumerate(arms.write_order(self._kernel, items), 1):
            item = self._write_item(index, done)
            self._take(index, item)
            self._renew()
            self._progress(done, len(items), item)
            if not self._is_acceptable(item):
                break

    def _write_item(self, index: int, done: int) -> Item:
        """Write one item where it has to be, renewing the deadline at each of its steps."""
        record, kernel = self._record, self._kernel
        items = record.trial.items
        item = items[index]
        along = slots.restored_with(kernel, record.trial, record.slots, index)
        if self._cancelled():
            return item._replace(status=messages.FAILED, note=messages.STOPPED)
        if any(slots.is_gone(kernel, slot) for slot in along):
            return item._replace(status=messages.VANISHED, note="it is gone, or another device")
        as_it_is = steps.held(kernel, item, along)
        if as_it_is is not None:
            return as_it_is
        self._mark(item)

        def on_step(item: Item) -> None:
            self._renew()
            self._progress(done - 1, len(items), item)

        return steps.bring(
            kernel,
            item,
            along,
            force=record.terms.force,
            cancelled=self._cancelled,
            on_step=on_step,
        )

    def _mark(self, item: Item) -> None:
        """Put on record what is about to be touched; what is not on record is not put back."""
        touched = slots.marked(self._kernel, self._record.slots, item)
        self._record = self._with_time(self._record._replace(slots=touched))
        try:
            self._trials.state.write(self._record)
        except OSError as error:
            raise unavailable(error) from error

    def _take(self, index: int, item: Item) -> None:
        """Note how an item came out."""
        record = self._record
        items = (*record.trial.items[:index], item, *record.trial.items[index + 1 :])
        self._record = record._replace(
            trial=arms.with_items(record.trial, items),
            slots=slots.read_after(self._kernel, record.slots, item),
        )

    def _settle(self, event: str) -> Trial:
        """Open the countdown, or put everything back where an item is not as it has to be."""
        trials, record = self._trials, self._record
        if not all(self._is_acceptable(item) for item in record.trial.items):
            return trials.put_back(record, self._caller)
        deadline = trials.clock() + record.terms.ttl_s
        trial = record.trial._replace(state=messages.PENDING, deadline=deadline)
        try:
            trials.state.write(record._replace(trial=trial))
            if event:
                trials.note(event, trial, self._caller)
        except (OSError, CorruptJournalError) as error:
            raise unavailable(error) from error
        trials.state.publish(trial)
        return trial

    def _is_acceptable(self, item: Item) -> bool:
        """Whether the trial may go on with this item as it came out."""
        if item.status == messages.PARTIAL:
            accepted = self._record.terms.on_partial == messages.ACCEPT
            return accepted and item.note != messages.STOPPED
        return item.status in messages.AS_WANTED

    def _with_time(self, record: Record) -> Record:
        """A record with the time that one more step may take."""
        deadline = self._trials.clock() + STEP_GRACE_S
        return record._replace(trial=record.trial._replace(deadline=deadline))

    def _renew(self) -> None:
        """Write the record with more time; a full /run is no reason to stop within an item."""
        self._record = self._with_time(self._record)
        self._trials.state.renew(self._record)
