"""What the commands share that go through the root helper: connecting, waiting, and the outcome."""

from __future__ import annotations

import contextlib
import sys
import time
from itertools import groupby
from typing import TYPE_CHECKING

import click

from aitune_backends import sentences
from aitune_backends.helper_errors import HelperError
from aitune_backends.public_state import seconds_left
from aitune_helper.messages import KEPT
from aitune_helper.messages import PARTIAL as PARTIAL_ITEM
from aitune_tui.cli import output
from aitune_tui.cli.common import (
    BUSY,
    FAULT,
    NOT_AS_WANTED,
    NOT_PERMITTED,
    USAGE,
    Failure,
    fail,
    has_terminal,
    note,
    table,
)
from aitune_tui.cli.naming import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_backends.helper_client import HelperLink, Session
    from aitune_backends.machine import Machine
    from aitune_helper.messages import Item, Trial

# What a command ends with when the helper says no; everything else is a matter of rights. A helper
# that dies in the middle of a call is a fault of ours, and no outcome: its guardian ends the rest.
_STATUS = {
    "stale": NOT_AS_WANTED,
    "expired": NOT_AS_WANTED,
    "nothing-pending": NOT_AS_WANTED,
    "persist": NOT_AS_WANTED,
    "corrupt": NOT_AS_WANTED,
    "not-as-sent": NOT_AS_WANTED,
    "not-removed": NOT_AS_WANTED,
    "not-done": NOT_AS_WANTED,
    "journal": NOT_AS_WANTED,
    "no-guardian": NOT_AS_WANTED,
    "gone": FAULT,
    "refused": USAGE,
    "busy": BUSY,
}


class Asking:
    """Who can be asked, and whether they have answered beforehand.

    Attributes:
        yes: `--yes`: the question is answered.
        terminal: Whether anybody can be asked: there is a terminal and no `--non-interactive`.
    """

    def __init__(self, *, yes: bool, non_interactive: bool) -> None:
        self.yes = yes
        self.terminal = has_terminal() and not non_interactive

    def require(self) -> None:
        """Refuse a command that writes where nobody can be asked and nobody has answered.

        Raises:
            Failure: Status 2.
        """
        if not (self.yes or self.terminal):
            fail(
                USAGE,
                "needs-yes",
                "This command writes, and there is no terminal to ask on. Nothing is written.",
                "--yes answers beforehand.",
            )

    def confirm(self, question: str) -> None:
        """Ask; return only if the answer is yes.

        Raises:
            Failure: Status 1 when the answer is no.
        """
        self.require()
        if self.yes:
            return
        output.prompt(f"{question} [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            fail(NOT_AS_WANTED, "declined", "Nothing is written.")


def asking_options(function: click.decorators.FC) -> click.decorators.FC:
    """`--yes` and `--non-interactive`, for every command that writes."""
    function = click.option(
        "--non-interactive", is_flag=True, help="Never ask; implied without a terminal."
    )(function)
    return click.option("--yes", is_flag=True, help="Do not ask before writing.")(function)


def require_link(machine: Machine) -> HelperLink:
    """The way to the machine's helper.

    Raises:
        Failure: Nothing can be changed from here, as in a capture; status 2.
    """
    if machine.link is None:
        fail(USAGE, "read-only", machine.why_not_writable)
    return machine.link


def require_force_in_container(machine: Machine, *, force: bool) -> None:
    """Refuse to write in a container, unless the operator insists.

    Raises:
        Failure: Status 2.
    """
    if machine.identity.container and not force:
        fail(
            USAGE,
            "container",
            sentences.CONTAINER,
            "Run aitune-tui on the host; --force writes all the same.",
        )


def pending_trial(link: HelperLink | None) -> Trial | None:
    """The trial that is open on the machine, as anybody may know it."""
    state = link.state() if link is not None else None
    return state.pending if state is not None else None


def say_pending(trial: Trial | None, *, as_json: bool = False) -> None:
    """Mention the open trial, where there is one."""
    if trial is not None:
        note(sentences.busy(trial, seconds_left(trial)), as_json=as_json)


def require_nothing_pending(link: HelperLink) -> None:
    """Refuse while a trial is open, before any password is asked for.

    Raises:
        Failure: Status 5; number, who and seconds left.
    """
    trial = pending_trial(link)
    left = seconds_left(trial) if trial is not None else None
    # An overdue one is put back by the helper as it starts.
    if trial is not None and (left is None or left > 0):
        fail(
            BUSY,
            "busy",
            sentences.busy(trial, left),
            "Keep it or put it back first: `aitune-tui keep`, `aitune-tui revert`.",
        )


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Turn what the helper does not do into the command's ending."""
    try:
        yield
    except HelperError as error:
        status = _STATUS.get(error.code, NOT_PERMITTED)
        raise Failure(status, error.code, error.message, error.hint) from error


@contextlib.contextmanager
def connected(link: HelperLink, asking: Asking, *, as_json: bool) -> Iterator[Session]:
    """A session with the helper; what it found at its start is passed on.

    Raises:
        Failure: There is none to be had; status 4.
    """
    with failures(), link.connect(ask=asking.terminal) as session:
        for notice in session.hello.notices:
            note(notice, as_json=as_json)
        if session.is_outdated:
            note(
                "The installed helper is of another version; `aitune-tui helper install` "
                "replaces it.",
                as_json=as_json,
            )
        yield session


class Steps:
    """Shows how far an apply is, on stderr: one line that is rewritten on a terminal.

    Elsewhere only a pool that grows for long is told of, in a line for each tenth of it.
    """

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._tenth = (-1, 0)

    def __call__(self, done: int, total: int, item: Item) -> None:
        """One target was written and read back, or one step of it."""
        growing = sentences.is_growing(item)
        if self._shown and (growing or total > 1):
            text = sentences.growth(item) if growing else sentences.target(item)
            output.progress(f"{done} of {total}  {text}" if total > 1 else text)
        elif growing and not self._shown:
            reached = (done, 10 * int(item.effective or 0) // max(1, int(item.requested)))
            if reached != self._tenth:
                self._tenth = reached
                output.error(sentences.growth(item))

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            output.progress("")


def outcome_table(items: Sequence[Item]) -> str:
    """What became of each target; neighbours that came out alike share a line."""
    rows = []
    for (knob, old, requested, effective, status, said), alike in groupby(items, _outcome):
        name = named(knob, [item.instance for item in alike])
        rows.append((name, old, requested, "–" if effective is None else effective, status, said))
    return table(("SETTING", "WAS", "WANTED", "IS", "OUTCOME", "NOTE"), rows)


def _outcome(item: Item) -> tuple[str, str, str, str | None, str, str]:
    return item.knob, item.old, item.requested, item.effective, item.status, item.note


def is_kept(trial: Trial) -> bool:
    """Whether a trial ended with its values in force."""
    return trial.state == KEPT


def is_partial(trial: Trial) -> bool:
    """Whether some target got less than was asked, and was left so."""
    return any(item.status == PARTIAL_ITEM for item in trial.items)


def put_back_at(trial: Trial) -> str:
    """When the guardian puts a trial back, as a time of day."""
    return sentences.clock(time.time() + (seconds_left(trial) or 0.0))
