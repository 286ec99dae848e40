"""`aitune-tui exercise`: a profile between two blocks of load tests, and all of it undone."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import click

from aitune_backends import sentences
from aitune_backends.exercise import (
    After,
    Applied,
    Before,
    Exercise,
    Kept,
    Planned,
    Shown,
    Stopped,
    Undone,
    Verified,
)
from aitune_backends.helper_errors import HelperError
from aitune_backends.loads.records import Finished, result_as_json
from aitune_tui.cli import load_runs
from aitune_tui.cli.common import (
    DONE,
    INTERRUPTED,
    NOT_AS_WANTED,
    Failure,
    Options,
    emit_json,
    note,
    open_machine,
    pass_options,
    table,
)
from aitune_tui.cli.loadtest import load_options
from aitune_tui.cli.proposal import propose, show_plan
from aitune_tui.cli.rooted import (
    Asking,
    asking_options,
    connected,
    failures,
    require_force_in_container,
    require_link,
    require_nothing_pending,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.exercise import Step
    from aitune_backends.exercise_checks import Check
    from aitune_backends.loads.before_after import BeforeAfter


@click.command(name="exercise")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--profile", default="classic", show_default=True, metavar="NAME")
@load_options
@asking_options
@pass_options
@click.pass_context
def command(
    ctx: click.Context,
    options: Options,
    paths: tuple[str, ...],
    profile: str,
    engine: str,
    state: str,
    threads: int,
    runs: int,
    yes: bool,
    non_interactive: bool,
) -> None:
    """Time a load before and after a profile, show both, and undo everything.

    The profile is planned, applied, verified, set at boot and verified there too; at the end every
    value and the file are put back, and read back. Should this program die in between, the
    guardian puts the values back within a minute.
    """
    load_runs.require_this_machine(options)
    asking = Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = require_link(machine)
        request = load_runs.request_for(load_runs.model_at(paths), engine, state, threads, runs)
        proposal = propose(machine, (), profile, force=False)
        show_plan(
            machine,
            proposal.plan,
            try_s=None,
            persist=True,
            as_json=options.json,
            ending="In the end all of it is undone, the file that sets it at boot too.",
        )
        asking.require()
        require_force_in_container(machine, force=False)
        require_nothing_pending(link)
        asking.confirm("Begin?")
        with connected(link, asking, as_json=options.json) as session:
            exercise = Exercise(
                session,
                machine.host,
                proposal.plan,
                request,
                proposal.title,
                connect=lambda: link.connect(ask=asking.terminal),
            )
            report = Report(options)
            with _cancelled_by_signals(exercise):
                for step in exercise.steps():
                    report.show(step)
    ctx.exit(report.end())


@contextlib.contextmanager
def _cancelled_by_signals(exercise: Exercise) -> Iterator[None]:
    """Let Ctrl-C, a hangup and SIGTERM end the exercise in order: nothing interrupts the undo."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = {one: signal.signal(one, lambda *_: exercise.cancel()) for one in signals}
    try:
        yield
    finally:
        for one, handler in earlier.items():
            signal.signal(one, handler)


class Report:
    """Shows the steps as they come, and knows in the end how it went."""

    def __init__(self, options: Options) -> None:
        self._json = options.json
        self._stopped: Stopped | None = None
        self._undone: Undone | None = None
        self._pair: BeforeAfter | None = None
        self._trial: str | None = None
        self._verified: list[Check] = []

    def show(self, step: Step) -> None:
        """Show one step."""
        if isinstance(step, Planned):
            for truth in step.truths:
                self._say(truth)
        elif isinstance(step, Before | After):
            load_runs.show_event(step.event)
            if isinstance(step.event, Finished):
                when = "before" if isinstance(step, Before) else "after"
                self._say(f"Timed {when}: {load_runs.summary(step.event.result)}.")
        elif isinstance(step, Applied):
            self._trial = step.trial.id
            items = sentences.counted(len(step.trial.items), "setting")
            self._say(f"Applied as trial {step.trial.number}: {items}, each read back.")
        elif isinstance(step, Verified):
            self._verified.extend(step.checks)
            self._say(_checks_table(step.checks, "WANTED"))
        elif isinstance(step, Kept):
            self._say(sentences.kept(step.trial, step.files))
        elif isinstance(step, Shown):
            self._pair = step.pair
            self._say(_pair_table(step.pair))
            self._say(step.pair.sentence)
        elif isinstance(step, Stopped):
            self._stopped = step
        else:
            self._undone = step
            self._say(step.sentence)
            self._say(_checks_table(step.checks, "BEFORE"))

    def end(self) -> int:
        """Say how it ended, and give the exit status."""
        undone, stopped = self._undone, self._stopped
        if undone is not None and not undone.complete:
            wrong = [check for check in undone.checks if not check.ok]
            listed = "; ".join(f"{one.what} is {one.found}, was {one.wanted}" for one in wrong)
            raise Failure(
                NOT_AS_WANTED,
                "not-as-before",
                f"NOT AS BEFORE: {listed}.",
                "`aitune-tui journal` lists what was done, `aitune-tui undo` puts it back.",
            )
        self._say("Everything is as it was, the file too.")
        if stopped is not None and stopped.code == "cancelled":
            raise Failure(INTERRUPTED, "interrupted", stopped.sentence)
        if stopped is not None and stopped.code in ("load", "verify", "apply"):
            raise Failure(NOT_AS_WANTED, stopped.code, stopped.sentence, stopped.hint)
        if stopped is not None:
            with failures():
                raise HelperError(stopped.code, stopped.sentence, stopped.hint)
        if self._json and self._pair is not None and undone is not None:
            emit_json("exercise", self._body(self._pair, undone))
        return DONE

    def _body(self, pair: BeforeAfter, undone: Undone) -> dict[str, object]:
        return {
            "trial": self._trial,
            "verified": [_check_object(check) for check in self._verified],
            "before": result_as_json(pair.before),
            "after": result_as_json(pair.after),
            "sentence": pair.sentence,
            "undone": [_check_object(check) for check in undone.checks],
            "as_before": undone.complete,
        }

    def _say(self, text: str) -> None:
        note(text, as_json=self._json)


def _checks_table(checks: tuple[Check, ...], head: str) -> str:
    return table(
        ("WHAT", "READ FROM", head, "IS", ""),
        [
            (check.what, check.where, check.wanted, check.found, "ok" if check.ok else "DIFFERS")
            for check in checks
        ],
    )


def _pair_table(pair: BeforeAfter) -> str:
    return table(
        ("", "MEDIAN", "FROM", "TO", "SPREAD", "RUNS", "STATE"),
        [
            (
                name,
                f"{result.median_gb_per_s:.2f} GB/s",
                f"{min(result.speeds):.2f} GB/s",
                f"{max(result.speeds):.2f} GB/s",
                f"{result.spread:.0%}",
                str(len(result.runs)),
                load_runs.states_of(result.runs),
            )
            for name, result in (("before", pair.before), ("after", pair.after))
        ],
    )


def _check_object(check: Check) -> dict[str, object]:
    return {
        "what": check.what,
        "where": check.where,
        "wanted": check.wanted,
        "found": check.found,
        "ok": check.ok,
    }
