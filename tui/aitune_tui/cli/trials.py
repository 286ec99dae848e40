"""Where the command line learns of past trials: the journal, what is public, or the helper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.journal_file import Journal, read_journal
from aitune_tui.cli import rooted

if TYPE_CHECKING:
    from aitune_backends.machine import Machine
    from aitune_helper.messages import Trial

# More than any journal holds before its oldest part is dropped.
_ALL = 100_000


def recent(machine: Machine) -> tuple[Trial, ...]:
    """The last trials, as far as they can be known without root; the newest first."""
    own = _own_journal(machine)
    if own is not None:
        return own.trials
    state = machine.link.state() if machine.link is not None else None
    return state.recent if state is not None else ()


def all_of_them(machine: Machine, asking: rooted.Asking, *, as_json: bool) -> Journal:
    """Every trial in the journal; through the helper where we may not read it.

    Raises:
        Failure: Neither we nor the helper can; status 4.
    """
    own = _own_journal(machine)
    if own is not None:
        return own
    link = rooted.require_link(machine)
    with rooted.connected(link, asking, as_json=as_json) as session:
        return Journal(*session.history(_ALL))


def _own_journal(machine: Machine) -> Journal | None:
    """This machine's journal if we may read it; the demo's lies with its helper."""
    if machine.origin != "live":
        return None
    try:
        return read_journal()
    except OSError:
        return None
