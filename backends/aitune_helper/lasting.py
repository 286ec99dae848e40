"""What a kept trial leaves for the next boot, and what its undo takes away again.

Between a trial and our file (`persist`): which lines keeping writes, what the journal must note so
that an undo brings the earlier lines back, and what to say of settings that no file carries yet.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aitune_helper import messages, persist, plan
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from aitune_helper.journal import Journal
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item, Trial
    from aitune_helper.places import Places


class Lasting:
    """Our file seen from trials.

    Args:
        kernel: Says which huge page size is the default one.
        places: Where the file lies.
        journal: Knows what the file said before earlier trials.
    """

    def __init__(self, kernel: KernelIO, places: Places, journal: Journal) -> None:
        self._kernel = kernel
        self._journal = journal
        self._dropin = persist.DropIn(places)

    def lines(self) -> persist.Lines:
        """The lines there now; the fault `PersistRefused` where the file is not ours."""
        return self._dropin.lines()

    def values(self) -> dict[str, str]:
        """What our file sets at boot, by knob; empty where it is not ours to read."""
        try:
            return {key: line.value for key, line in self.lines().items()}
        except (Fault, OSError):
            return {}

    def wanted(self, trial: Trial) -> persist.Lines | None:
        """What the file shall say once `trial` is kept; None if keeping leaves it alone.

        Raises:
            Fault: `PersistRefused`: the file is not ours.
        """
        if trial.undo_of is not None:
            entry = self._journal.find(messages.KEPT, trial.undo_of) or {}
            return persist.restored(self.lines(), entry)
        if not trial.persist:
            return None
        day = time.strftime("%Y-%m-%d", time.gmtime(trial.started))
        why = f"trial {trial.number}, {trial.owner_name}, {day}"
        pool = self._default_pool()
        settings = [persist.key_and_value(item, pool) for item in trial.items]
        fresh = {pair[0]: persist.Line(pair[1], why) for pair in settings if pair is not None}
        return {**self.lines(), **fresh} if fresh else None

    def changed(self, trial: Trial) -> dict[str, object]:
        """What keeping `trial` makes of the file, for the journal; empty if it leaves it alone."""
        wanted = self.wanted(trial)
        return {} if wanted is None else persist.changed(self.lines(), wanted)

    def without(self, knobs: tuple[str, ...]) -> tuple[persist.Lines, dict[str, object]]:
        """The lines without `knobs` (without any, if none is named), and what that changes."""
        now = self.lines()
        rest = {key: line for key, line in now.items() if knobs and key not in knobs}
        return rest, persist.changed(now, rest)

    def put(self, lines: persist.Lines) -> tuple[str, ...]:
        """Make the file say exactly `lines`; return the files that changed."""
        return self._dropin.put(lines)

    def noted(self, trial: Trial, failure: str) -> tuple[Item, ...]:
        """The items of a trial, each that no file of ours sets at boot saying why.

        Args:
            trial: What is kept.
            failure: Why the file could not be written, or "".
        """
        pool = self._default_pool()
        whys = (
            failure if persist.key_and_value(item, pool) is not None else persist.NOT_YET
            for item in trial.items
        )
        return tuple(
            item._replace(note="; ".join(filter(None, (item.note, why))))
            for item, why in zip(trial.items, whys)
        )

    def _default_pool(self) -> str:
        try:
            return plan.memory(self._kernel).default_pool
        except OSError:
            return ""
