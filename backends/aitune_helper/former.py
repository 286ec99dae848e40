"""What stood before a kept trial: it may be put back, also where the table does not offer it.

An undo brings back a scheduler's own options, and a limit set by hand to what the table calls too
little. A client may ask for nothing of that but what this helper itself has read from the kernel,
and put in the journal, before it changed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_helper import messages

if TYPE_CHECKING:
    from aitune_helper.journal import Journal

_TRIALS_MAX = 1000


class Former:
    """Tells values that stood before a kept trial; the journal is read when first asked.

    Args:
        journal: What tells of the trials.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: frozenset[tuple[str, str, str]] | None = None

    def __call__(self, knob: str, instance: str, value: str) -> bool:
        """Whether a target held this value before a kept trial changed it."""
        if self._known is None:
            self._known = frozenset(self._read())
        return (knob, instance, value) in self._known

    def _read(self) -> set[tuple[str, str, str]]:
        found = set()
        for trial in self._journal.history(_TRIALS_MAX).trials:
            if trial.state != messages.KEPT:
                continue
            for item in trial.items:
                found.add((item.knob, item.instance, item.old))
                found.update((other.knob, other.instance, other.old) for other in item.along)
        return found
