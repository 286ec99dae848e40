"""One state, one way to change it, one way to draw it; and what the threads report to it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from textual.app import App, ScreenStackError

from aitune_backends.public_state import seconds_left
from aitune_tui import drifting, events, sentences, signals
from aitune_tui import state as rules
from aitune_tui.changing import Changing
from aitune_tui.exercising import Exercising
from aitune_tui.history import History
from aitune_tui.looking import Looker
from aitune_tui.measuring import Measuring
from aitune_tui.present_load import LoadTrack
from aitune_tui.profiling import Profiling
from aitune_tui.screens.dialog import Dialog
from aitune_tui.screens.main import MainScreen
from aitune_tui.state import State
from aitune_tui.timing import Timing
from aitune_tui.view import View, layout_for
from aitune_widgets.theme import AITUNE_ANSI, AITUNE_DARK, AITUNE_MONO, THEMES

if TYPE_CHECKING:
    from aitune_backends.loads.store import Store
    from aitune_backends.machine import Machine
    from aitune_tui.screens.profiles import ProfilesPage
    from aitune_tui.selection import Selection

T = TypeVar("T")
Clock: TypeAlias = Callable[[], float]
_TICK = 1.0
_JOB_SECONDS = 1.0
_UNDO_SECONDS = 30.0
DEFAULT_WINDOW = 300


class Board(App[int]):
    """Owns the state of the dashboard; screens draw it, threads report to it.

    Args:
        machine: What is looked at and perhaps changed.
        goal: What it is for.
        interval: Seconds between two samples.
        slow_link: Few bytes for the terminal.
        clock: Monotonic seconds.
        wall: Seconds since the epoch.
        live: Read on from a thread; tests call `looker.look` instead.
    """

    CSS_PATH = "app.tcss"
    TITLE = "aitune-tui"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        machine: Machine,
        *,
        goal: str,
        interval: float = 1.0,
        slow_link: bool = False,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
        live: bool = True,
    ) -> None:
        theme = theme_for(os.environ)
        # Told before the theme is: else NO_COLOR would be made of shades of grey, which the
        # terminal's own colours are not.
        super().__init__(ansi_color=None if theme == AITUNE_DARK.name else True)
        self.machine = machine
        self.interval = interval
        self.clock, self.wall = clock, wall
        self._slow_link = slow_link
        self._live = live
        self._drawn = float("-inf")
        self._painted = False
        self._explained: tuple[object, ...] = ()
        self.chart_seconds = DEFAULT_WINDOW
        self.state = State(
            goal=goal,
            locked=machine.why_not_writable,
            helper=helper_at_start(machine),
            default_pool_kib=machine.identity.default_huge_page_kib,
        )
        self.measuring = Measuring()
        self.history = History(interval)
        self.track = LoadTrack()
        self.looker = Looker(
            machine, goal, self.post_message, interval=interval, clock=clock, wall=wall
        )
        self.changing = Changing(self)
        self.timing = Timing(self)
        self.exercising = Exercising(self)
        self.profiling = Profiling(self)
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme

    @cached_property
    def store(self) -> Store:
        """Where results of load tests are kept."""
        from aitune_backends.loads.store import Store
        from aitune_backends.places import user_places

        places = user_places()
        with contextlib.suppress(OSError):
            places.make_state()
        return Store(places)

    def get_default_screen(self) -> MainScreen:
        """The one screen behind all dialogs."""
        return MainScreen(layout_for(*self.size))

    # Beginning and end

    def on_mount(self) -> None:
        """Begin to look; what is not needed for the first picture comes after it."""
        signals.restore_terminal_on(asyncio.get_running_loop(), self, self._let_go)
        self.set_interval(_TICK, self._tick)
        self.call_after_refresh(self._after_first_paint)

    def _after_first_paint(self) -> None:
        self._painted = True
        if not gc.isenabled():  # the command line let the start go without it
            gc.freeze()
            gc.enable()
        if self._live:
            # Not before: its first reading would hold the first picture up, not fill it.
            self.looker.start()
            self._hotplug = signals.watch_disks(asyncio.get_running_loop(), self.looker.hurry)
            self.timing.read_results()

    def close(self) -> None:
        """Let go of threads and sessions; an open trial stays with its guardian."""
        self.timing.cancel()
        self.exercising.cancel()
        self.looker.stop()
        # An exercise that was cut short undoes itself; the guardian is for worse endings.
        self.changing.close(_UNDO_SECONDS if self.measuring.exercising else _JOB_SECONDS)

    def step_aside(self, work: Callable[[], T]) -> T:
        """Give the terminal to sudo while `work` runs: it asks there, and we come back afterwards.

        We come back however `work` ends; what it raises is raised after that.

        Raises:
            SuspendNotSupported: There is no terminal to give away.
        """
        failure: BaseException | None = None
        with self.suspend():
            # Textual's own context manager would leave the terminal to nobody.
            try:
                with signals.interrupt_for_the_child():
                    result = work()
            except BaseException as error:  # noqa: BLE001 - raised below, when we are back
                failure = error
        if failure is not None:
            raise failure
        return result

    def ask_install(self, why: str) -> None:
        """Offer to install the helper, after the operator asked for something that needs it."""
        raise NotImplementedError

    @property
    def can_step_aside(self) -> bool:
        """Whether there is a terminal that sudo could ask on."""
        return not self.is_headless and not self.is_web

    def _let_go(self) -> None:
        """Leave nothing behind, for an end that the rest of the program does not live to see."""
        self.close()
        self.machine.close()

    # State and its picture

    def set_state(self, state: State) -> None:
        """Replace the state, and draw it."""
        self.state = state
        self.redraw()

    def set_measuring(self, measuring: Measuring) -> None:
        """Replace what is known of load tests, and draw it."""
        self.measuring = measuring
        self.redraw()

    def note(self, kind: rules.NoticeKind, text: str) -> None:
        """Say something at the bottom of the body; it also lands in Changes."""
        self.set_state(rules.notify(self.state, kind, text, self.clock(), self.wall()))

    @property
    def seconds_left(self) -> float | None:
        """Until the open trial goes back."""
        return seconds_left(self.state.pending) if self.state.pending is not None else None

    def view(self) -> View:
        """One moment."""
        sample, left = self.state.sample, self.seconds_left
        return View(
            machine=self.machine,
            state=self.state,
            history=self.history,
            track=self.track,
            measuring=self.measuring,
            layout=layout_for(*self.size),
            width=self.size.width,
            height=self.size.height,
            now=self.clock(),
            wall=sample.wall if sample is not None else self.wall(),
            seconds_left=left,
            # Rounded: the sum of two clocks that tick together must not waver between two seconds.
            ends=round(self.wall() + (left or 0.0)),
            interval=self.interval,
            chart_seconds=self.chart_seconds,
            slow_link=self._slow_link,
            uid=os.geteuid(),
            painted=self._painted,
        )

    def redraw(self) -> None:
        """Draw the present moment on every screen."""
        if not self.is_running:
            return
        self._drawn = self.clock()
        view = self.view()
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen | Dialog) and screen.is_mounted:
                screen.redraw(view, self.main.page_key)

    @property
    def main(self) -> MainScreen:
        """The screen behind all dialogs."""
        screen = self.screen_stack[0]
        if not isinstance(screen, MainScreen):
            raise ScreenStackError("the dashboard's own screen is not there")
        return screen

    def _tick(self) -> None:
        """Move clocks and countdowns on when no sample does."""
        if self.clock() - self._drawn > 0.9 * _TICK:
            self.redraw()

    def on_resize(self) -> None:
        """Another size may be another layout."""
        self.call_after_refresh(self.redraw)

    def on_opened(self) -> None:
        """A dialog opened: it shows the present moment too."""
        self.redraw()

    # What the threads report

    def on_sample_taken(self, event: events.SampleTaken) -> None:
        """One tick was read."""
        state = self.state
        if state.frozen is None:
            self.history.add(event.sample)
            self.track.add(event.sample)
            state = replace(state, sample=event.sample)
        before = self.state
        state, ended = rules.see_public(state, event.public, self.clock())
        self.state = state
        for trial in rules.kept_elsewhere(before, state):
            self.note("info", sentences.kept_elsewhere(trial))
        if ended is not None:
            self.changing.ended_elsewhere(ended)
        self.changing.look_after_helper(lambda: helper_at_start(self.machine))
        self.redraw()

    def on_survey_taken(self, event: events.SurveyTaken) -> None:
        """Every setting was read and judged."""
        if self.state.frozen is not None:
            return
        state = drifting.see(self.state, event.found, event.statuses)
        self.set_state(
            replace(
                state,
                statuses=event.statuses,
                facts=event.facts,
                owners=event.owners,
                surveyed=event.wall,
            )
        )
        self.profiling.surveyed()
        for drift, count in drifting.together(event.found.drifts):
            self.note("failed", sentences.drifted(drift, count))

    def on_ground_read(self, event: events.GroundRead) -> None:
        """What the selected setting needs to be explained in full was read."""
        self.set_state(
            replace(self.state, ground=rules.GroundOf(event.selection, event.wanted, event.ground))
        )

    def explain_fully(self, selection: Selection) -> None:
        """Have read what has to be read to explain the selected setting, once for each."""
        wanted = rules.wanted_of(self.state, selection)
        first = selection.statuses[0]
        asked = (selection.knob, first.instance, len(selection.statuses), first.value, wanted)
        if asked != self._explained:
            self._explained = asked
            self.looker.ask(selection, wanted)

    def on_pools_seen(self, event: events.PoolsSeen) -> None:
        """The pools of huge pages were looked at."""
        if self.state.frozen is None:
            self.set_state(replace(self.state, outlooks=event.outlooks, huge_users=event.users))

    def on_findings_made(self, event: events.FindingsMade) -> None:
        """What this machine cannot do was looked up."""
        self.set_state(replace(self.state, findings=event.findings))

    def on_look_failed(self, event: events.LookFailed) -> None:
        """A reading thread met a fault."""
        if not any(notice.text == event.sentence for notice in self.state.notices[:1]):
            self.note("failed", event.sentence)

    def on_helper_answered(self, event: events.HelperAnswered) -> None:
        """A helper said hello."""
        self.changing.answered(event)

    def on_helper_refused(self, event: events.HelperRefused) -> None:
        """A job was not done."""
        self.changing.refused(event)

    def on_step_done(self, event: events.StepDone) -> None:
        """A running apply went on."""
        self.changing.stepped(event)

    def on_action_done(self, event: events.ActionDone) -> None:
        """The kernel did something once."""
        self.changing.acted(event)

    def on_trial_applied(self, event: events.TrialApplied) -> None:
        """A plan was applied."""
        self.changing.applied(event.trial)

    def on_trial_kept(self, event: events.TrialKept) -> None:
        """A trial was kept."""
        self.changing.kept(event.trial, event.files)

    def on_trial_put_back(self, event: events.TrialPutBack) -> None:
        """A trial was put back by a key."""
        self.changing.went_back(event.trial, by_time=False)

    def on_history_read(self, event: events.HistoryRead) -> None:
        """The journal was read."""
        after, _ = rules.see_trial(self.state, self.state.pending, event.trials, self.clock())
        self.set_state(after)
        if event.damaged:
            lines = f"{event.damaged} lines of the journal are damaged"
            self.note("failed", f"{lines} and are left out.")

    def on_noted(self, event: events.Noted) -> None:
        """Something is to be said."""
        self.note(event.kind, event.text)

    def on_load_test_reported(self, event: events.LoadTestReported) -> None:
        """A load test went on."""
        self.timing.heard(event.event)

    def on_exercise_stepped(self, event: events.ExerciseStepped) -> None:
        """An exercise went on."""
        self.exercising.stepped(event.step)

    def on_profiles_page_profile_chosen(self, event: ProfilesPage.ProfileChosen) -> None:
        """The cursor stands on another profile."""
        self.profiling.choose(event.name)

    def on_profiles_page_row_staged(self, event: ProfilesPage.RowStaged) -> None:
        """Space on a setting of a profile."""
        self.profiling.toggle(event.key)

    def on_profiles_listed(self, event: events.ProfilesListed) -> None:
        """Which profiles there are was looked up."""
        self.set_state(replace(self.state, known_profiles=event.known))

    def on_profile_compared(self, event: events.ProfileCompared) -> None:
        """The machine was compared with a profile."""
        self.profiling.compared(event)

    def on_profile_exported(self, event: events.ProfileExported) -> None:
        """A profile was put into the form of another tool."""
        self.profiling.exported(event)

    def on_results_read(self, event: events.ResultsRead) -> None:
        """What was timed earlier was read."""
        self.set_measuring(replace(self.measuring, results=event.results))


def helper_at_start(machine: Machine) -> rules.HelperState:
    """Where the helper stands before anybody asked for it; looks at files only."""
    link = machine.link
    if link is None:
        return "none"
    if link.name == "root":
        return "root"
    if link.name != "sudo":
        return "ready"
    from aitune_backends.elevation import HELPERS

    return "asleep" if any(file.exists() for file in HELPERS) else "not installed"


def theme_for(environ: Mapping[str, str]) -> str:
    """The theme that fits the terminal: true colours, sixteen, or none at all."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term in {"dumb", "vt100", "vt220"}:
        return AITUNE_MONO.name
    if term == "linux" or (not environ.get("COLORTERM") and "256" not in term):
        return AITUNE_ANSI.name
    return AITUNE_DARK.name
