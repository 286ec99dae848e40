"""The exercise from the dashboard: a profile between two blocks of loads, and all of it undone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aitune_backends import sentences as shared
from aitune_tui import events
from aitune_tui import measuring as measures
from aitune_tui.sentences import outcome
from aitune_tui.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.exercise import Exercise, Step
    from aitune_backends.helper_client import HelperLink, Session
    from aitune_backends.host import Host
    from aitune_backends.loads.records import LoadRequest
    from aitune_helper.messages import Plan
    from aitune_tui.board import Board
    from aitune_widgets.text import Line
    from aitune_widgets.theme import Tone


@dataclass(frozen=True, slots=True)
class RunExercise:
    """A job for the helper's thread: run one exercise to its end.

    Attributes:
        plan: What was shown to the operator.
        request: The load that is timed.
        title: What is exercised: `profile classic`.
        kernel: The machine, for reading back.
        begun: Told the exercise before its first step, so that it can be cancelled.
    """

    plan: Plan
    request: LoadRequest
    title: str
    kernel: Host
    begun: Callable[[Exercise], None]

    def run(self, session: Session, link: HelperLink, post: Callable[[Step], object]) -> None:
        """Take every step; the last one says that everything is undone."""
        from aitune_backends.exercise import Exercise

        exercise = Exercise(
            session,
            self.kernel,
            self.plan,
            self.request,
            self.title,
            connect=lambda: link.connect(ask=False),
        )
        self.begun(exercise)
        for step in exercise.steps():
            post(step)


class Exercising:
    """The flow of an exercise, for one dashboard."""

    def __init__(self, app: Board) -> None:
        self._app = app
        self._exercise: Exercise | None = None

    def cancel(self) -> None:
        """Stop soon, and undo."""
        if self._exercise is not None:
            self._exercise.cancel()

    def ask(self, profile: str) -> None:
        """Plan the profile away from the screen, then ask whether to begin."""
        app = self._app

        def check() -> None:
            from aitune_backends import changes, profiles
            from aitune_backends.exercise import truths
            from aitune_helper.plan import Refusal, make_plan

            try:
                found = profiles.load(profile)
                fitted = profiles.fit(app.machine.host, found.wanted)
                plan = make_plan(app.machine.host, fitted.changes)
                said = truths(app.machine.host, plan)
            except (profiles.ProfileError, changes.ChangeError, Refusal, OSError) as error:
                app.post_message(events.Noted("failed", str(error)))
                return
            app.post_message(events.ExercisePlanned(f"profile {found.name}", plan, said))

        threading.Thread(target=check, name="exercise-plan", daemon=True).start()

    def question(self, plan: Plan, truths: tuple[str, ...]) -> tuple[Line, ...]:
        """What the operator is asked before anything is written."""
        request = self._app.measuring.request
        lines: list[Line] = [
            (("Load     ", "dim"), (_load_text(request), "fg")),
            *((("Change   ", "dim"), (outcome(item), "fg")) for item in plan.items),
            (),
            *(((truth, "dim"),) for truth in truths),
            (),
            (("Before and after are timed; both are shown; then everything is undone, ", "fg"),),
            (("the file too. Should this program die, the guardian puts the values back.", "fg"),),
        ]
        return tuple(lines)

    def begin(self, title: str, plan: Plan) -> None:
        """The operator agreed."""
        app = self._app
        request = app.measuring.request
        if request is None:
            return
        app.set_measuring(measures.exercise_began(app.measuring, title))
        app.changing.do(RunExercise(plan, request, title, app.machine.host, self._took_begin))

    def _took_begin(self, exercise: Exercise) -> None:
        self._exercise = exercise

    def stepped(self, step: Step) -> None:
        """The exercise went on; called with every step."""
        from aitune_backends.exercise import After, Before, Undone
        from aitune_backends.loads.records import Finished

        app = self._app
        if isinstance(step, Before | After):
            app.set_measuring(measures.heard(app.measuring, step.event))
            if isinstance(step.event, Finished):
                app.timing.save(step.event.result)
                app.set_measuring(replace(app.measuring, running=True))
        said = describe(step)
        if said is not None:
            app.set_measuring(measures.exercise_said(app.measuring, *said))
        if isinstance(step, Undone):
            self._exercise = None
            app.set_measuring(replace(app.measuring, running=False, exercising=False))
            app.note("ok" if step.complete else "failed", ending(step.complete))


def _load_text(request: LoadRequest | None) -> str:
    if request is None:
        return ""
    runs = counted(request.runs, "run")
    return f"{request.name}, {request.engine}, {request.state}, {runs} before and {runs} after"


def ending(complete: bool) -> str:
    """How an exercise ended."""
    if complete:
        return "The exercise is over. Everything is as it was, the file too. 5 shows both blocks."
    return "The exercise is over and NOT everything is as before. 5 shows what differs."


def describe(step: Step) -> tuple[str, Tone] | None:
    """One step in a sentence, None for those that need none."""
    from aitune_backends import exercise as steps
    from aitune_backends.loads.records import Finished

    match step:
        case steps.Planned():
            return "Planned. Nothing is written yet.", "fg"
        case steps.Before(event=Finished(result=result)):
            return f"Timed before: {result.median_gb_per_s:.2f} GB/s, median.", "fg"
        case steps.After(event=Finished(result=result)):
            return f"Timed after: {result.median_gb_per_s:.2f} GB/s, median.", "fg"
        case steps.Applied(trial=trial):
            items = shared.counted(len(trial.items), "setting")
            return f"Applied as trial {trial.number}: {items}, each read back.", "fg"
        case steps.Verified(checks=checks):
            where = ", ".join(dict.fromkeys(check.where for check in checks))
            return f"Verified {counted(len(checks), 'value')} in {where}.", "fg"
        case steps.Kept(trial=trial, files=files):
            return shared.kept(trial, files), "fg"
        case steps.Stopped(sentence=sentence):
            return sentence, "differs"
        case steps.Undone(sentence=sentence, checks=checks):
            wrong = [check for check in checks if not check.ok]
            if not wrong:
                return f"{sentence} Everything is as it was, the file too.", "ok"
            named = "; ".join(f"{c.what} is {c.found}, was {c.wanted}" for c in wrong)
            return f"{sentence} NOT as before: {named}.", "failed"
        case _:
            return None
