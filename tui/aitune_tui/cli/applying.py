"""The way from a plan to its outcome: question, helper, read-back, kept or put back.

`apply` and `undo` are this with different plans.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import at_boot, offers, sentences, undo
from aitune_backends.helper_client import Interrupted
from aitune_backends.helper_errors import HelperError
from aitune_helper.messages import ACCEPT, PENDING, ROLLBACK, Trial
from aitune_tui.cli import jsontext, proposal, rooted
from aitune_tui.cli.common import (
    DONE,
    INTERRUPTED,
    NOT_AS_WANTED,
    PARTIAL,
    PROGRAM,
    Options,
    echo,
    emit_json,
    fail,
)

if TYPE_CHECKING:
    from aitune_backends.helper_client import Session
    from aitune_backends.machine import Machine
    from aitune_tui.cli.proposal import Proposal

# What is applied and kept in one go lies under a guardian for the time between.
_BETWEEN_S = 60


@dataclass(frozen=True, slots=True)
class Manner:
    """How a plan is to be applied.

    Attributes:
        command: The command's name, for its JSON.
        question: What is asked before anything is written.
        try_s: Seconds of a trial that is not kept here; None keeps it at once.
        persist: Whether keeping it writes the files that set it at boot.
        accept_partial: Whether less than was asked may stay.
        message: The operator's reason.
        force: Pass the guards.
        is_undo: Whether it puts back what was kept.
        undo_of: Id of the one trial that this puts back, its boot files too.
        then_undo: Earlier trials whose boot files go back after it, the newest first.
    """

    command: str
    question: str
    try_s: int | None = None
    persist: bool = False
    accept_partial: bool = False
    message: str = ""
    force: bool = False
    is_undo: bool = False
    undo_of: str | None = None
    then_undo: tuple[Trial, ...] = ()


class Outcome(NamedTuple):
    """How it came out.

    Attributes:
        trial: As it ended or stands.
        files: What was written to set it at boot.
        offer: What may still bring the pages that were not to be had.
    """

    trial: Trial
    files: tuple[str, ...]
    offer: offers.Offer | None = None


def run(
    machine: Machine,
    options: Options,
    made: Proposal,
    manner: Manner,
    asking: rooted.Asking,
) -> int:
    """Show a plan, ask, apply it, and say how it came out.

    Returns:
        The exit status.

    Raises:
        Failure: Nothing was written.
    """
    link = rooted.require_link(machine)
    rooted.require_force_in_container(machine, force=manner.force)
    asking.require()
    rooted.require_nothing_pending(link)
    if proposal.nothing_to_do(made.plan) and not manner.persist and manner.undo_of is None:
        return _say_nothing_to_do(options, made, manner)
    proposal.show_plan(
        machine,
        made.plan,
        try_s=manner.try_s,
        persist=manner.persist,
        as_json=options.json,
    )
    asking.confirm(manner.question)
    with rooted.connected(link, asking, as_json=options.json) as session:
        outcome = _apply(session, made, manner)
        if rooted.is_kept(outcome.trial):
            also = _boot_files_back(session, machine, manner)
            outcome = outcome._replace(files=tuple(dict.fromkeys((*outcome.files, *also))))
    outcome = outcome._replace(
        trial=at_boot.noted(machine.host, outcome.trial),
        offer=None if manner.is_undo else offers.of(machine.host, outcome.trial.items),
    )
    return _say(options, made, manner, outcome)


def _apply(session: Session, made: Proposal, manner: Manner) -> Outcome:
    steps = rooted.Steps()
    try:
        trial = session.apply(
            made.changes,
            made.plan.hash,
            ttl_s=manner.try_s or _BETWEEN_S,
            on_partial=ACCEPT if manner.accept_partial else ROLLBACK,
            persist=manner.persist,
            message=manner.message,
            title=made.title,
            force=manner.force,
            undo_of=manner.undo_of,
            progress=steps,
        )
    except Interrupted as stop:
        fail(INTERRUPTED, "interrupted", f"Interrupted. {sentences.stopped(stop.trial)}")
    finally:
        steps.end()
    if trial.state != PENDING or manner.try_s is not None:
        return Outcome(trial, ())
    try:
        return Outcome(*session.keep(trial.id, manner.persist))
    except BaseException as stop:
        # Whatever stopped us here, Ctrl-C too: half-way is no place to stay. The guardian would
        # do the same a little later.
        _say_where_it_stands(session, trial, stop)
        raise


def _boot_files_back(session: Session, machine: Machine, manner: Manner) -> list[str]:
    """Take back what earlier trials set at boot, by trials that write nothing else."""
    written: list[str] = []
    for earlier in manner.then_undo:
        changes = undo.as_it_is(machine.host, earlier)
        trial = session.apply(
            changes,
            session.plan(changes, force=manner.force).hash,
            ttl_s=_BETWEEN_S,
            message=manner.message,
            title=f"undo of {earlier.number}, at boot",
            force=manner.force,
            undo_of=earlier.id,
        )
        written += session.keep(trial.id)[1]
    return written


def _say_where_it_stands(session: Session, trial: Trial, stop: BaseException) -> None:
    """Put a trial back, unless it was kept before we could: then say that.

    Raises:
        Failure: Ctrl-C came, and the trial is known to be kept or put back; status 130.
    """
    try:
        said = sentences.reverted(session.revert(trial.id), time.time())
    except HelperError as error:
        if error.code != "nothing-pending":
            return  # it is gone: the guardian, or the next helper, ends what it left
        said = f"It was kept by then: `{PROGRAM} undo {trial.number}` puts it back."
    if isinstance(stop, KeyboardInterrupt):
        fail(INTERRUPTED, "interrupted", f"Interrupted. {said}")


def _say(options: Options, made: Proposal, manner: Manner, outcome: Outcome) -> int:
    trial, files, offer = outcome
    status = _status(trial, manner)
    if options.json:
        body: jsontext.Json = {
            "trial": jsontext.trial_json(trial),
            "items": jsontext.items_json(trial.items),
            "warnings": list(made.plan.warnings),
            "files": list(files),
        }
        if offer is not None:
            body["offer"] = {"actions": list(offer.actions), "boot": offer.boot}
        emit_json(manner.command, body)
        return status
    echo(rooted.outcome_table(trial.items))
    for line in _sentences(trial, files, manner):
        echo(line)
    for line in _offered(offer, trial) if offer else ():
        echo(line)
    return status


def _offered(offer: offers.Offer, trial: Trial) -> list[str]:
    """What may still bring the pages that were not to be had, as commands to type."""
    again = f"{PROGRAM} apply {sentences.target(offer.item)}={offer.item.requested}"
    lines = ["", "More may be had:"]
    if trial.state == PENDING:
        lines[-1] = f"More may be had, after {PROGRAM} revert {trial.number}:"
    firsts = (action.replace("_", "-") for action in offer.actions)
    lines += [f"  {PROGRAM} act {first} && {again}" for first in firsts]
    if not offer.actions:
        lines.append(f"  {again} --force  passes the floor; the journal says so")
    if offer.boot:
        lines.append(f"  at boot, on the kernel's command line: {offer.boot}")
    return lines


def _sentences(trial: Trial, files: tuple[str, ...], manner: Manner) -> list[str]:
    amiss = sentences.not_as_wanted(trial.items)
    lines = [amiss] if amiss else []
    if trial.state == PENDING:
        when = rooted.put_back_at(trial)
        lines.append(
            f"Trial {trial.number} is on: everything is put back at {when} unless it is kept."
        )
        lines.append(f"aitune-tui keep {trial.number} · aitune-tui revert {trial.number}")
    elif rooted.is_kept(trial):
        lines.append(_said_of_kept(trial, files, manner))
    else:
        lines.append(sentences.rolled_back(trial))
    return lines


def _said_of_kept(trial: Trial, files: tuple[str, ...], manner: Manner) -> str:
    """An undo that was kept is a going back: it says so, and not that it holds."""
    if not manner.is_undo:
        return sentences.kept(trial, files)
    if rooted.is_partial(trial):
        return "Not all of it is as it was."
    written = f" Taken out of {', '.join(files)}." if files else ""
    return sentences.reverted(trial, time.time()) + written


def _status(trial: Trial, manner: Manner) -> int:
    as_it_should = trial.state == PENDING if manner.try_s is not None else rooted.is_kept(trial)
    if not as_it_should or trial.persisted == "failed":
        return NOT_AS_WANTED
    if rooted.is_partial(trial):
        return NOT_AS_WANTED if manner.is_undo else PARTIAL
    return DONE


def _say_nothing_to_do(options: Options, made: Proposal, manner: Manner) -> int:
    if options.json:
        items = jsontext.items_json(made.plan.items)
        body = {"trial": None, "items": items, "warnings": [], "files": []}
        emit_json(manner.command, body)
    else:
        echo(f"Nothing to change: {sentences.already(made.plan.items)}")
    return DONE
