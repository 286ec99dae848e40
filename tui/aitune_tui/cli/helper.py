"""`aitune-tui helper`: the part that runs as root. Run without sudo; it asks by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from aitune_backends import confinement, installer, sentences
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_backends.helper_errors import HelperError
from aitune_backends.sentences import title
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Attempt, HelloReply, to_object
from aitune_tui.cli import rooted
from aitune_tui.cli.common import (
    DONE,
    NOT_AS_WANTED,
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    note,
    open_machine,
    pass_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.helper_client import HelperLink, Session
    from aitune_backends.machine import Machine
    from aitune_helper.messages import Trial


class Settled(NamedTuple):
    """What a removal took back first: the number of a trial, and files of ours."""

    reverted: int | None = None
    files: tuple[str, ...] = ()


class SelfTest(NamedTuple):
    """What a helper said of its confinement, and what it could not do."""

    hello: HelloReply
    attempts: tuple[Attempt, ...]

    @property
    def held(self) -> bool:
        """Whether something was tried, and all of it was refused."""
        return bool(self.attempts) and all(attempt.held for attempt in self.attempts)

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "guardian": self.hello.guardian,
            "layers": [to_object(layer) for layer in self.hello.sandbox],
            "attempts": [to_object(attempt) for attempt in self.attempts],
            "held": self.held,
        }

    def lines(self) -> Iterator[str]:
        """The same for people."""
        yield f"Guardian: {confinement.guardian(self.hello)}."
        for layer in self.hello.sandbox:
            yield f"  {confinement.layer(layer)}"
        if not self.attempts:
            yield confinement.NOT_CONFINED if not self.hello.sandbox else "Nothing was tried."
            return
        yield "Ways out that it tried:"
        for attempt in self.attempts:
            yield f"  {confinement.attempt(attempt)}"
        out = [attempt.name for attempt in self.attempts if not attempt.held]
        count = len(self.attempts)
        yield f"{len(out)} of {count} led out: {', '.join(out)}." if out else f"All {count} held."
        if not all(layer.held for layer in self.hello.sandbox):
            yield "A layer that is missing on this kernel is no failure by itself."


@click.group(name="helper")
def command() -> None:
    """Install, inspect or remove the part of aitune-tui that runs as root."""


@command.command(name="install")
@rooted.asking_options
@pass_options
def install(options: Options, yes: bool, non_interactive: bool) -> None:
    """Install the helper as a root-owned file, by one `sudo install`."""
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        _require_this_machine(machine)
    with rooted.failures():
        place = installer.target()
        note(f"Writes {place}, {len(bundle())} bytes.", as_json=options.json)
        note(f"SHA-256 {bundle_sha256()}", as_json=options.json)
        known = sum(knob.offered for knob in KNOBS.values())
        note(
            f"It may write {known} settings and its own files, nothing else:", as_json=options.json
        )
        for line in _may_write():
            note(f"  {line}", as_json=options.json)
        asking.confirm("Install it?")
        installed = installer.install(ask=asking.terminal, to=place)
    if options.json:
        emit_json("helper", _status_json(installer.status()))
    else:
        echo(f"{installed} is installed and reads back as sent.")
        for line in _rule(installer.status()):
            echo(line)


@command.command(name="status")
@click.option("--self-test", is_flag=True, help="Let the helper try to break out of its sandbox.")
@click.option("--non-interactive", is_flag=True, help="Never ask; implied without a terminal.")
@pass_options
@click.pass_context
def status(ctx: click.Context, options: Options, self_test: bool, non_interactive: bool) -> None:
    """Say which helper is installed, whether it may be started, and how to spare the password.

    --self-test starts it, which sudo may ask a password for, and shows every layer of its sandbox
    and every way out that it tried. Status 1 if one of them led out; a layer that this kernel does
    not have is said, and no failure as long as all attempts are refused.
    """
    found = installer.status()
    tested = _self_test(options, non_interactive=non_interactive) if self_test else None
    if options.json:
        more = {} if tested is None else {"self_test": tested.as_json()}
        emit_json("helper", {**_status_json(found), **more})
    elif tested is not None:
        for line in tested.lines():
            echo(line)
    else:
        echo(f"The helper: {found.sentence}")
        echo(f"SHA-256 of this program's: {found.own_sha256}")
        if found.path is not None and not found.is_current:
            echo(f"SHA-256 installed:         {found.sha256 or 'cannot be read'}")
        for line in _rule(found):
            echo(line)
    good = found.is_usable if tested is None else tested.held
    ctx.exit(DONE if good else NOT_AS_WANTED)


def _self_test(options: Options, *, non_interactive: bool) -> SelfTest:
    """Start the helper and let it try to get out.

    Raises:
        Failure: There is none to be had; status 4.
    """
    asking = rooted.Asking(yes=True, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = rooted.require_link(machine)
        with rooted.connected(link, asking, as_json=options.json) as session:
            return SelfTest(session.hello, session.self_test())


@command.command(name="remove")
@rooted.asking_options
@pass_options
def remove(options: Options, yes: bool, non_interactive: bool) -> None:
    """Put back an open trial, take our files out of /etc, and remove the installed helper.

    The values in force stay as they are, and so do files that were edited by hand.
    """
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = _require_this_machine(machine)
        asking.require()
        found, trial = installer.status(), rooted.pending_trial(link)
        for line in _removes(found, trial):
            note(line, as_json=options.json)
        if found.path is not None or trial is not None:
            asking.confirm("Remove it?")
        settled = Settled()
        if trial is not None or (installer.leftovers() and _can_start(found, link)):
            with rooted.connected(link, asking, as_json=options.json) as session:
                settled = _settle(session, trial, as_json=options.json)
    with rooted.failures():
        removed = installer.remove(ask=asking.terminal)
    left = [str(file) for file in installer.leftovers()]
    if options.json:
        body = {
            **_status_json(installer.status()),
            "reverted": settled.reverted,
            "taken_out": list(settled.files),
            "leftovers": left,
        }
        emit_json("helper", body)
        return
    if settled.files:
        echo(f"Nothing of ours is set at boot any more by: {', '.join(settled.files)}.")
    gone = ", ".join(str(file) for file in removed)
    echo(f"Removed: {gone}." if removed else "No helper was installed.")
    if left:
        echo(f"Left, and still read at boot: {', '.join(left)}.")
    echo("The journal stays in /var/lib/aitune.")


def _removes(found: installer.Status, trial: Trial | None) -> list[str]:
    """What a removal does, before anybody is asked."""
    lines = []
    if trial is not None:
        lines.append(f"Puts back trial {trial.number} of {trial.owner_name}, {title(trial)}.")
    lines += [f"Takes what we wrote out of {file}." for file in installer.leftovers()]
    if found.path is not None:
        lines.append(f"Removes {found.path}.")
    return lines


def _can_start(found: installer.Status, link: HelperLink) -> bool:
    """Whether a helper can be had to tidy up: the installed one, or root's own copy."""
    return found.is_usable or link.name == "root"


def _settle(session: Session, trial: Trial | None, *, as_json: bool) -> Settled:
    """Leave nothing behind that only the helper could take back.

    Raises:
        Failure: Going back fell short, so the helper stays: status 1.
    """
    ended = None if trial is None else _put_back(session, trial)
    if ended is not None:
        note(sentences.reverted(ended, time.time()), as_json=as_json)
    files: tuple[str, ...] = ()
    try:
        files = session.unpersist(())
    except HelperError as error:
        if error.code != "persist":
            raise
        note(error.message, as_json=as_json)
    return Settled(None if ended is None else ended.number, files)


def _put_back(session: Session, trial: Trial) -> Trial | None:
    """Put a trial back, all of it; None where it was over by then."""
    try:
        ended = session.revert(trial.id)
    except HelperError as error:
        if error.code == "nothing-pending":
            return None
        raise
    if not ended.complete:
        fail(NOT_AS_WANTED, "incomplete", sentences.incomplete(ended), "The helper stays.")
    return ended


def _may_write() -> Iterator[str]:
    """What an operator is asked to let root write, from the helper's own tables."""
    yield from installer.kernel_files()
    yield ", ".join(map(str, installer.DROP_INS))
    yield "  once a change is kept with --persist"
    yield "/run/aitune and /var/lib/aitune (its record and its journal)"


def _rule(found: installer.Status) -> Iterator[str]:
    """The line that spares a group the password, and what visudo says of it; never installed."""
    if not found.command:
        return
    rule = installer.sudo_rule(found.command)
    yield "A line for /etc/sudoers.d that lets a group change settings without a password:"
    yield f"  {rule}"
    complaint = installer.check_rule(rule)
    if complaint is None:
        yield "There is no visudo here to check it."
    else:
        yield f"visudo does not take it: {complaint}." if complaint else "visudo takes it."


def _require_this_machine(machine: Machine) -> HelperLink:
    link = rooted.require_link(machine)
    if machine.origin != "live":
        fail(USAGE, "demo", "The demo brings a helper of its own; there is nothing to install.")
    return link


def _status_json(found: installer.Status) -> dict[str, object]:
    rule = installer.sudo_rule(found.command) if found.command else None
    complaint = installer.check_rule(rule) if rule else None
    return {
        "installed": found.path is not None,
        "path": None if found.path is None else str(found.path),
        "sha256": found.sha256 or None,
        "own_sha256": found.own_sha256,
        "current": found.is_current,
        "usable": found.is_usable,
        "problem": found.problem,
        "command": list(found.command),
        "sudo_rule": rule,
        "sudo_rule_checked": None if complaint is None else not complaint,
    }
