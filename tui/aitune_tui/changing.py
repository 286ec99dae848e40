"""From a staged value to a kept one, and back: what the operator's keys do to the machine.

It holds no values of its own: it asks the dialogs, queues jobs for the helper, and takes over what
came of them into the app's state.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from aitune_backends import at_boot
from aitune_backends import sentences as shared
from aitune_backends.helper_errors import HelperError
from aitune_helper.knobs import table_hash
from aitune_helper.messages import AS_WANTED, KEPT, PENDING, REVERTED_TRIAL
from aitune_tui import jobs, sentences
from aitune_tui import state as rules
from aitune_tui.requests import EditInPlan, PlanRequest
from aitune_tui.selection import Selection, Target, select
from aitune_tui.words import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.findings.finding import Finding
    from aitune_backends.targets import TargetStatus
    from aitune_helper.messages import Trial
    from aitune_tui.board import Board
    from aitune_tui.events import ActionDone, HelperAnswered, HelperRefused, StepDone
    from aitune_tui.screens.edit import Wanted


class Changing:
    """The flows of changing settings, for one dashboard."""

    def __init__(self, app: Board) -> None:
        self._app = app
        self._desk = (
            jobs.HelperDesk(app.machine.link, app.post_message) if app.machine.link else None
        )
        self._waiting: jobs.Job | None = None

    def close(self, patience: float) -> None:
        """End the session; an open trial stays with its guardian."""
        if self._desk is not None:
            self._desk.close(patience)

    @property
    def desk(self) -> jobs.HelperDesk | None:
        """What does jobs, None where nothing can be written from here."""
        return self._desk

    # Staging

    def toggle(self, selection: Selection) -> None:
        """Space: stage the advised values, or take back what is staged."""
        app = self._app
        after = rules.toggle_advised(app.state, selection)
        if after is app.state:
            advised = any(status.advised is not None for status in selection.statuses)
            app.note("info", sentences.ALREADY_ADVISED if advised else sentences.NO_ADVICE)
            return
        app.set_state(after)

    def stage_all(self, statuses: tuple[TargetStatus, ...]) -> None:
        """Stage every advised value among some targets that differ from it."""
        wanted = [
            (Target(s.knob, s.instance), s.advised)
            for s in statuses
            if s.state == "differs" and s.advised is not None
        ]
        self._app.set_state(rules.stage(self._app.state, wanted))

    def stage_profile(self, name: str) -> None:
        """Stage what a profile wants, and open its plan."""
        from aitune_backends import changes, profiles

        app = self._app
        try:
            profile = profiles.load(name)
            fitted = profiles.fit(app.machine.host, profile.wanted)
        except (profiles.ProfileError, changes.ChangeError) as error:
            app.note("failed", str(error))
            return
        if fitted.absent:
            app.note("info", ". ".join(map(str, fitted.absent)) + ".")
        values = [(Target(c.knob, c.instance), c.value) for c in fitted.changes]
        fresh = rules.clear_staged(app.state)
        app.set_state(rules.stage(fresh, values, title=f"profile {profile.name}"))
        if app.state.staged:
            self.plan()
        else:
            app.note("info", f"The machine is as profile {profile.name} wants it.")

    def stage_fix(self, finding: Finding, *, plan: bool) -> None:
        """Stage what mends a finding, or take it back; or stage it and open the plan."""
        from aitune_backends.changes import ChangeError, expand

        app = self._app
        try:
            wanted = expand(app.machine.host, finding.fix)
        except ChangeError as error:
            app.note("info", str(error))
            return
        values = [(Target(c.knob, c.instance), c.value) for c in wanted]
        if not plan and all(app.state.staged.get(target) == value for target, value in values):
            app.set_state(rules.unstage(app.state, (target for target, _ in values)))
            return
        app.set_state(rules.stage(app.state, values))
        if plan:
            self.plan()

    def edit(self, selection: Selection, then: Callable[[], None] | None = None) -> None:
        """Choose another value; `then` is called when one was staged."""
        app = self._app
        if not selection.statuses or all(s.value is None for s in selection.statuses):
            reason = next((s.reason for s in selection.statuses if s.reason), "")
            app.note("info", reason or "This machine does not have it.")
            return
        staged = [app.state.staged.get(target) for target in selection.targets]

        def chosen(values: Wanted | None) -> None:
            if values:
                app.set_state(rules.stage(app.state, values))
            if then is not None:
                then()

        from aitune_tui.screens.edit import edit_dialog

        app.push_screen(edit_dialog(selection, staged), chosen)

    # Planning

    def plan(self) -> None:
        """Open the plan of what is staged."""
        app = self._app
        if app.state.pending is not None:
            app.note("differs", self._busy(app.state.pending))
            return
        if not app.state.staged:
            app.note("info", sentences.NOTHING_STAGED)
            return
        self._open(PlanRequest(app.state.changes, app.state.staged_title, why_not=self._why_not))

    def _busy(self, trial: Trial) -> str:
        return sentences.busy(trial, self._app.seconds_left, uid=os.geteuid())

    @property
    def _why_not(self) -> str:
        return self._app.machine.why_not_writable if self._desk is None else ""

    def _open(self, request: PlanRequest) -> None:
        from aitune_tui.screens.plan import PlanDialog

        app = self._app
        dialog = PlanDialog(app.machine.host, request, app.wall())

        def answered(answer: jobs.Apply | EditInPlan | None) -> None:
            if isinstance(answer, jobs.Apply):
                self.do(answer)
            elif isinstance(answer, EditInPlan):
                key = answer.target.text
                self.edit(select(key, app.state.statuses), then=self.plan)

        app.push_screen(dialog, answered)

    def left_out(self, target: Target) -> None:
        """A target was left out of the plan: it is not staged any more."""
        self._app.set_state(rules.unstage(self._app.state, (target,)))

    def undo(self, trial_id: str = "") -> None:
        """Open the plan that puts a kept trial back, by default the last one."""
        app = self._app
        if app.state.pending is not None:
            app.note("differs", self._busy(app.state.pending))
            return
        from aitune_backends import undo

        found = app.state.undoable
        if trial_id:
            found = next((t for t in app.state.trials if t.id == trial_id), None)
        if found is None or found.state != KEPT:
            app.note("info", sentences.NOTHING_TO_UNDO if not trial_id else sentences.NOT_KEPT)
            return
        planned = undo.plan_undo_of(app.machine.host, found)
        if not planned.changes:
            app.note("info", sentences.nothing_left(found, drifted=bool(planned.drifted)))
            return
        note = ""
        if planned.drifted:
            names = ", ".join(net.knob for net in planned.drifted)
            note = f"Left alone, changed since: {names}."
        title = f"undo {found.number}, {shared.title(found)}"
        self._open(PlanRequest(planned.changes, title, found.id, self._why_not, note))

    # Writing

    def do(self, job: jobs.Job) -> None:
        """Have the helper do a job, or say why there is none."""
        if self._desk is None:
            self._app.note("differs", self._why_not)
            return
        if isinstance(job, jobs.Apply):
            app = self._app
            app.set_state(replace(app.state, writing=sentences.WRITING, offer=None))
        self._desk.do(job)

    def stop(self) -> bool:
        """Stop the apply that runs, between two of its steps; False where none of ours does."""
        if self._desk is None or not self._app.state.writing:
            return False
        self._desk.stop()
        return True

    def stepped(self, event: StepDone) -> None:
        """The apply that runs went on."""
        app = self._app
        said = sentences.writing(event.done, event.total, event.item)
        app.set_state(replace(app.state, writing=said))

    def more_pages(self) -> None:
        """Say what may bring the huge pages that were not to be had, and do what is chosen."""
        app = self._app
        offer, pending = app.state.offer, app.state.pending
        if offer is None:
            app.note("info", sentences.NO_OFFER)
            return

        def chosen(action: str | None) -> None:
            if not action:
                return
            if pending is not None and app.state.pending is not None:
                self.do(jobs.PutBack(pending.id))
            self.do(jobs.Act(action, offer.change))

        from aitune_tui.screens.more_pages import MorePagesDialog

        app.push_screen(MorePagesDialog(offer, pending), chosen)

    def keep(self) -> None:
        """Keep the open trial, unless the countdown has only just appeared."""
        trial = self._answerable()
        if trial is not None:
            self.do(jobs.Keep(trial.id, trial.persist))

    def put_back(self) -> None:
        """Put the open trial back."""
        trial = self._answerable()
        if trial is not None:
            self.do(jobs.PutBack(trial.id))

    def _answerable(self) -> Trial | None:
        app = self._app
        if app.state.pending is None:
            app.note("info", shared.NOTHING_PENDING)
            return None
        if app.state.pending.owner_uid != os.geteuid():
            app.note("differs", sentences.of_another(app.state.pending))
            return None
        return app.state.pending if rules.may_answer_trial(app.state, app.clock()) else None

    # What came of it

    def answered(self, event: HelperAnswered) -> None:
        """A helper said hello."""
        from aitune_backends.helper_bundle import bundle_sha256

        app = self._app
        ours = event.hello.bundle_sha256 in {"", bundle_sha256()}
        known = event.hello.knob_hash == table_hash()
        stands: rules.HelperState = "ready" if ours and known else "outdated"
        app.set_state(replace(app.state, helper=stands, hello=event.hello))
        if event.hello.pending is not None:
            after, _ = rules.see_trial(
                app.state, event.hello.pending, app.state.trials, app.clock()
            )
            app.set_state(after)

    def refused(self, event: HelperRefused) -> None:
        """A job was not done: come by the helper first, or say why."""
        app, error = self._app, event.error
        app.set_state(replace(app.state, writing=""))
        if error.code == "not-elevated" and app.can_step_aside:
            self._waiting = event.job
            self.connect()
        elif error.code in {"not-installed", "outdated", "protocol"}:
            app.set_state(replace(app.state, helper="not installed"))
            self._waiting = event.job
            app.ask_install(error.message)
        else:
            kind: rules.NoticeKind = "differs" if error.code in {"busy", "stale"} else "failed"
            if error.code in {"gone", "no-answer"}:
                app.set_state(replace(app.state, helper="asleep"))
            app.note(kind, sentences.refusal(error))
        app.looker.hurry()

    def look_after_helper(self, at_start: Callable[[], rules.HelperState]) -> None:
        """Say so once where the helper has ended by itself, having had nothing to do.

        Args:
            at_start: Tells where a helper stands that nobody has asked for.
        """
        app = self._app
        was_up = app.state.helper in {"ready", "outdated"} and not app.state.writing
        if not was_up or self._desk is None or not self._desk.is_over():
            return
        app.set_state(replace(app.state, helper=at_start()))
        if app.state.pending is None and app.state.helper == "asleep":
            app.note("info", sentences.HELPER_ENDED)

    def connect(self) -> None:
        """Start the root helper; sudo asks on the terminal, from which we step aside."""
        app = self._app
        link = app.machine.link
        if link is None or self._desk is None:
            app.note("differs", self._why_not)
            return
        if app.state.helper == "not installed":
            app.ask_install("")
            return
        if app.state.helper == "outdated":
            self.install()
            return
        if app.state.helper == "ready":
            app.note("info", sentences.HELPER_READY)
            return
        try:
            session = app.step_aside(lambda: link.connect(ask=True))
        except SuspendNotSupported:
            self._desk.do(jobs.Connect())
            return
        except HelperError as error:
            self._waiting = None
            if error.code == "not-installed":
                app.set_state(replace(app.state, helper="not installed"))
            app.note("differs", sentences.refusal(error))
            return
        except KeyboardInterrupt:
            self._waiting = None
            app.note("differs", sentences.NEEDS_ROOT)
            return
        self._desk.adopt(session)
        job, self._waiting = self._waiting, None
        self.do(job if job is not None else jobs.ReadHistory())

    def install(self) -> None:
        """Install the helper on the operator's terminal, then go on with what waited for it."""
        from aitune_backends import installer

        app = self._app
        try:
            place = app.step_aside(lambda: installer.install(ask=True))
        except SuspendNotSupported:
            app.note("failed", sentences.NO_TERMINAL)
            return
        except HelperError as error:
            self._waiting = None
            app.note("failed", sentences.refusal(error))
            return
        except KeyboardInterrupt:
            self._waiting = None
            app.note("differs", sentences.NEEDS_ROOT)
            return
        app.note("ok", f"The helper is installed: {place}.")
        self._app.set_state(replace(self._app.state, helper="asleep"))
        self.connect()

    def acted(self, event: ActionDone) -> None:
        """The kernel did something once; what waited for it is planned now."""
        app = self._app
        app.note("ok", shared.acted(event.action))
        app.looker.hurry()
        if event.then is not None:
            target = Target(event.then.knob, event.then.instance)
            fresh = rules.clear_staged(replace(app.state, offer=None))
            app.set_state(rules.stage(fresh, ((target, event.then.value),)))
            self.plan()

    def applied(self, trial: Trial) -> None:
        """A plan was applied: what was staged is on trial now, or everything is back."""
        from aitune_backends import offers

        app = self._app
        offer = offers.of(app.machine.host, trial.items)
        app.set_state(replace(app.state, writing="", offer=offer))
        if trial.state == PENDING:
            after, _ = rules.see_trial(app.state, trial, app.state.trials, app.clock())
            app.set_state(rules.clear_staged(after))
            asks = sentences.question(trial)
            if asks:
                app.note("differs", asks)
        elif shared.was_stopped(trial):
            app.note("ok" if trial.complete else "failed", shared.stopped(trial))
        else:
            why = shared.not_as_wanted(trial.items)
            app.note("failed", f"{why} {shared.rolled_back(trial)}".strip())
        app.looker.hurry()

    def kept(self, trial: Trial, files: tuple[str, ...]) -> None:
        """A trial was kept."""
        app = self._app
        after, _ = rules.see_trial(app.state, None, (trial, *app.state.trials), app.clock())
        app.set_state(replace(self._without(after, trial), writing=""))
        app.history.mark(app.clock(), "ok", f"kept {sentences.short_title(trial)}", "ok")
        fell_short = any(item.status not in AS_WANTED for item in trial.items)
        trial = at_boot.noted(app.machine.host, trial)
        text = sentences.undone(trial, files) if trial.undo_of else shared.kept(trial, files)
        app.note("differs" if fell_short else "ok", text)
        app.looker.hurry()

    def _without(self, state: rules.State, trial: Trial) -> rules.State:
        """The state without what the trial wrote among what is staged."""
        targets = (Target(item.knob, item.instance) for item in trial.items)
        return rules.unstage(
            state, (rules.shown_as(target, state.default_pool_kib) for target in targets)
        )

    def went_back(self, trial: Trial, *, by_time: bool) -> None:
        """A trial went back, by the operator or by its timer."""
        app = self._app
        after, _ = rules.see_trial(app.state, None, (trial, *app.state.trials), app.clock())
        app.set_state(after)
        text = sentences.put_back(trial, app.wall(), by_time=by_time)
        app.note("ok" if trial.complete else "failed", text)
        app.looker.hurry()

    def ended_elsewhere(self, trial: Trial) -> None:
        """The trial that was shown ended without a key of ours: by its timer, or by another."""
        if trial.state == REVERTED_TRIAL:
            self.went_back(trial, by_time=True)
        elif trial.state == KEPT:
            text = f"{trial.owner_name} kept trial {trial.number} at {clock(self._app.wall())}."
            self._app.note("info", text)
