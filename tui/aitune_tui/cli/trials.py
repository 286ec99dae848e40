"""Where the command line learns of past trials: the journal, what is public, or the helper."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aitune_backends import undo
from aitune_backends.journal_file import gather, read_page
from aitune_backends.public_state import read_boot_id
from aitune_tui.cli import rooted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitune_backends.journal_file import ReadPage
    from aitune_backends.machine import Machine
    from aitune_helper.messages import Past, Trial


def recent(machine: Machine) -> tuple[Trial, ...]:
    """The last trials, as far as they can be known without root; the newest first."""
    read = _own_journal(machine)
    if read is not None:
        return read(1000, 0).trials
    state = machine.link.state() if machine.link is not None else None
    return state.recent if state is not None else ()


def until(
    machine: Machine,
    asking: rooted.Asking,
    is_enough: Callable[[Past], bool],
    *,
    as_json: bool,
) -> Past:
    """The newest trials in the journal, through the helper where we may not read it.

    Args:
        machine: The machine.
        asking: Who may be asked for a password.
        is_enough: Looks at what was read so far; the whole journal is read if it never is.
        as_json: Whether the command speaks JSON.

    Raises:
        Failure: Neither we nor the helper can; status 4.
    """
    with _reader(machine, asking, as_json=as_json) as read:
        return gather(read, is_enough)


def of_this_boot(machine: Machine, asking: rooted.Asking, *, as_json: bool) -> tuple[Trial, ...]:
    """Every trial since the machine booted."""
    boot_id = read_boot_id()
    past = until(machine, asking, lambda so_far: undo.reaches_beyond(so_far, boot_id),
                 as_json=as_json)  # fmt: skip
    return undo.of_boot(past, boot_id)


@contextlib.contextmanager
def _reader(machine: Machine, asking: rooted.Asking, *, as_json: bool) -> Iterator[ReadPage]:
    own = _own_journal(machine)
    if own is not None:
        yield own
        return
    link = rooted.require_link(machine)
    with rooted.connected(link, asking, as_json=as_json) as session:
        yield session.history_page


def _own_journal(machine: Machine) -> ReadPage | None:
    """This machine's journal if we may read it; the demo's lies with its helper."""
    if machine.origin != "live":
        return None
    try:
        read_page(1)
    except OSError:
        return None
    return read_page
