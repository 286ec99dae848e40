"""The dashboard: what each key of the operator does."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console
from textual.binding import Binding, BindingType

from aitune_backends import sentences as shared
from aitune_backends.catalogue import GOALS
from aitune_backends.shell import command
from aitune_tui import drifting, sentences
from aitune_tui import measuring as measures
from aitune_tui import state as rules
from aitune_tui.board import Board
from aitune_tui.jobs import Act, Keep, ReadHistory
from aitune_tui.present_chart import WINDOWS
from aitune_tui.present_pages import FOLD_KEY
from aitune_tui.present_settings import panel_of
from aitune_tui.selection import Target
from aitune_widgets.glyphs import use_ascii

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.command import Provider

    from aitune_backends.loads.model_files import ModelFiles
    from aitune_tui.cli.common import Options
    from aitune_tui.events import ExercisePlanned
    from aitune_tui.screens.changes import ChangesPage
    from aitune_tui.screens.doctor import DoctorPage
    from aitune_tui.screens.page import Page
    from aitune_tui.screens.plan import PlanDialog
    from aitune_tui.selection import Selection
    from aitune_widgets.text import Line

READ_ONLY_VARIABLE = "AITUNE_READONLY"
_TRACE_COLUMNS = 100
_NO_TERMINAL = 2


def all_commands() -> type[Provider]:
    """Every action by its name; imported when the palette is opened."""
    from aitune_tui.commands import AllCommands

    return AllCommands


class Dashboard(Board):
    """Turns keys, clicks and commands into changes of the state and jobs for the helper."""

    COMMANDS: ClassVar = {all_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "ask_quit", show=False, priority=True),
        Binding("ctrl+c", "ask_quit", show=False, priority=True),
    ]

    # Rows

    def on_page_edit_asked(self, event: Page.EditAsked) -> None:
        """Enter on a setting, or on the line that unfolds more of them."""
        if event.key == FOLD_KEY:
            self.action_unfold()
            return
        self.main.selected = event.key
        if (selection := self.selection()) is not None:
            self.changing.edit(selection)

    def on_page_stage_asked(self, event: Page.StageAsked) -> None:
        """Space on a setting."""
        self.main.selected = event.key
        if (selection := self.selection()) is not None:
            self.changing.toggle(selection)

    def on_plan_dialog_left_out(self, event: PlanDialog.LeftOut) -> None:
        """`x` in a plan."""
        self.changing.left_out(event.target)

    async def on_changes_page_undo_asked(self, event: ChangesPage.UndoAsked) -> None:
        """Enter on a change: its undo, its plan, or the row of what drifted."""
        drift = drifting.of_key(self.state, event.key)
        if drift is not None:
            target = Target(*drift.target)
            await self.main.action_page(panel_of(target.knob), target.text)
        elif event.key == "staged":
            self.changing.plan()
        else:
            self.changing.undo(event.key)

    def on_doctor_page_fix_asked(self, event: DoctorPage.FixAsked) -> None:
        """Enter or Space on a finding."""
        from aitune_tui.present_doctor import find

        finding = find(self.state, event.key)
        if finding is None or not finding.fix:
            self.note("info", sentences.NO_FIX)
        else:
            self.changing.stage_fix(finding, plan=event.plan)

    def selection(self) -> Selection | None:
        """The targets of the selected row."""
        return self.main.selection(self.view())

    # Changing

    def action_plan(self) -> None:
        """Open the plan of what is staged; of a profile, of all that differs."""
        if self.main.page_key == "P":
            self.profiling.stage_all()
        self.changing.plan()

    def action_undo(self) -> None:
        """Open the plan that undoes the last kept change, or the one selected in Changes."""
        chosen = self.main.page.selected_trial
        self.changing.undo("" if drifting.of_key(self.state, chosen) else chosen)

    def action_stage_page(self) -> None:
        """Stage everything advised on this page."""
        page = self.main.page_key
        self.changing.stage_all(
            tuple(s for s in self.state.statuses if page in {"0", panel_of(s.knob)})
        )

    def action_forget_staged(self) -> None:
        """Forget everything staged."""
        self.set_state(rules.clear_staged(self.state))

    def action_keep(self) -> None:
        """Keep the open trial."""
        self.changing.keep()

    def action_put_back(self) -> None:
        """Put the open trial back."""
        self.changing.put_back()

    def action_more_pages(self) -> None:
        """Offer what may bring more huge pages, after a pool came out short."""
        self.changing.more_pages()

    def ask_act(self, action: str) -> None:
        """Ask before the kernel does something once."""
        from aitune_helper.actions import ACTIONS
        from aitune_tui.screens.questions import ConfirmDialog

        chosen = ACTIONS[action]
        lines: tuple[Line, ...] = (
            ((chosen.effect, "fg"),),
            ((chosen.cost, "fg"),),
            (),
            (("Writes   ", "dim"), (f"{chosen.value} to {chosen.path}", "strong")),
            ((shared.NO_WAY_BACK, "dim"),),
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.changing.do(Act(action))

        self.push_screen(ConfirmDialog(sentences.ACTION_TITLES[action], lines, "do it"), answered)

    def action_connect(self) -> None:
        """Start the root helper."""
        self.changing.connect()

    def action_copy_command(self) -> None:
        """Copy the shell line for the selected setting (OSC 52)."""
        selection = self.selection()
        if selection is None:
            return
        lines = [
            command(target.knob, target.instance, value)
            for target, status in zip(selection.targets, selection.statuses, strict=True)
            if (value := self.state.staged.get(target, status.advised or status.value))
        ]
        if lines:
            self.copy_to_clipboard("\n".join(lines) + "\n")
            self.note("info", f"Copied: {lines[0]}" + (" …" if len(lines) > 1 else ""))

    def action_read_journal(self) -> None:
        """Read the whole journal through the helper."""
        self.changing.do(ReadHistory())

    def ask_install(self, why: str) -> None:
        """Offer to install the helper, after the operator asked for something that needs it."""
        from aitune_backends import installer
        from aitune_backends.helper_bundle import bundle_sha256
        from aitune_backends.helper_errors import HelperError
        from aitune_tui.screens.questions import ConfirmDialog

        try:
            target = installer.target()
        except HelperError as error:
            self.note("failed", sentences.refusal(error))
            return
        lines: tuple[Line, ...] = (
            ((why or shared.NO_HELPER, "fg"),),
            (),
            (("Target   ", "dim"), (str(target), "strong")),
            (("sha256   ", "dim"), (bundle_sha256(), "fg")),
            (("Writes   ", "dim"), (sentences.WHAT_THE_HELPER_WRITES, "fg")),
            (),
            (("sudo asks for your password once, here in this terminal.", "dim"),),
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.changing.install()

        self.push_screen(ConfirmDialog("Install the helper", lines, "install"), answered)

    def stage_profile(self, name: str) -> None:
        """Stage what a profile wants, and open its plan."""
        self.changing.stage_profile(name)

    def page_opened(self, key: str) -> None:
        """Profiles are read when their page is opened, not before."""
        if key == "P":
            self.profiling.open()

    def action_export_profile(self) -> None:
        """Ask in which form the profile that is shown is copied."""
        self.profiling.ask_export()

    # Looking

    def action_next_goal(self) -> None:
        """Judge by the next goal."""
        goal = GOALS[(GOALS.index(self.state.goal) + 1) % len(GOALS)]
        self.looker.set_goal(goal)
        self.set_state(replace(self.state, goal=goal))
        self.note("info", f"Advice is now for {goal}.")

    def action_unfold(self) -> None:
        """Show what is seldom looked for too, or fold it away again."""
        self.set_state(replace(self.state, unfolded=not self.state.unfolded))

    def acknowledge_drift(self, selection: Selection | None) -> bool:
        """Take the mark from a setting that drifted, after the operator has seen it."""
        after = drifting.acknowledge(self.state, selection.targets if selection else ())
        if after is self.state:
            return False
        self.set_state(after)
        return True

    def action_differs_only(self) -> None:
        """Show only what differs, or everything again."""
        self.set_state(replace(self.state, differs_only=not self.state.differs_only))

    def set_filter(self, text: str) -> None:
        """Show only the settings whose name holds the text."""
        if text != self.state.filter_text:
            self.set_state(replace(self.state, filter_text=text))

    def action_freeze(self) -> None:
        """Hold the screen still, or let it go on."""
        frozen = None if self.state.frozen is not None else self.view().wall
        self.set_state(replace(self.state, frozen=frozen))

    def action_window(self, step: int) -> None:
        """Show a longer or a shorter span in the charts."""
        index = WINDOWS.index(self.chart_seconds) + step
        self.chart_seconds = WINDOWS[max(0, min(len(WINDOWS) - 1, index))]
        self.redraw()

    def action_dismiss_notice(self) -> None:
        """Take the notice from the screen."""
        self.set_state(rules.dismiss(self.state, self.clock()))

    # Measuring

    async def action_load_test(self) -> None:
        """Time a load of the files chosen."""
        if self.machine.origin != "live":
            self.note("info", sentences.ONLY_LIVE)
            return
        if self.main.page_key not in {"4", "5"}:
            await self.main.action_page("4")
        if not self.timing.start():
            self.action_choose_files()

    def action_choose_files(self) -> None:
        """Choose model files for a load test."""
        if self.machine.origin != "live":
            self.note("info", sentences.ONLY_LIVE)
            return
        self._ask_files(self.timing.choose)

    def _ask_files(self, chosen: Callable[[ModelFiles | None], None]) -> None:
        from aitune_tui.screens.questions import FilesDialog

        self.push_screen(FilesDialog(self._model_path()), chosen)

    def _model_path(self) -> str:
        model = self.measuring.model
        return str(model.files[0].parent) if model is not None else ""

    def action_next_engine(self) -> None:
        """Read with the other engine."""
        if self.main.page_key == "4":
            self.set_measuring(measures.next_engine(self.measuring))

    def action_next_file_state(self) -> None:
        """Read cold or warm."""
        if self.main.page_key == "4":
            self.set_measuring(measures.next_state(self.measuring))

    def action_next_runs(self) -> None:
        """Read more often."""
        if self.main.page_key == "4":
            self.set_measuring(measures.next_runs(self.measuring))

    def action_cancel(self) -> None:
        """Stop the apply that runs, else the load test, or the exercise."""
        if not self.changing.stop():
            self.timing.cancel()
            self.exercising.cancel()

    def begin_exercise(self, profile: str) -> None:
        """Time a load before and after a profile, show both, and undo everything."""
        if self.machine.origin != "live" or self.changing.desk is None:
            self.note("info", self.machine.why_not_writable or sentences.ONLY_LIVE)
            return

        def chosen(model: ModelFiles | None) -> None:
            self.timing.choose(model)
            if model is not None:
                self.exercising.ask(profile)

        if self.measuring.model is None:
            self._ask_files(chosen)
        else:
            self.exercising.ask(profile)

    async def on_exercise_planned(self, event: ExercisePlanned) -> None:
        """Ask before an exercise begins; show it on the page of both blocks."""
        from aitune_tui.screens.questions import ConfirmDialog

        def answered(yes: bool | None) -> None:
            if yes:
                self.exercising.begin(event.title, event.plan)

        await self.main.action_page("5")
        lines = self.exercising.question(event.plan, event.truths)
        title = f"Exercise · {event.title}"
        self.push_screen(ConfirmDialog(title, lines, "begin"), answered)

    # Around

    def action_command_palette(self) -> None:
        """Every action by its plain name."""
        from aitune_tui.screens.palette import Palette

        if not any(isinstance(screen, Palette) for screen in self.screen_stack):
            self.push_screen(Palette(id="--command-palette"))

    def action_help(self) -> None:
        """All keys."""
        from aitune_tui.screens.questions import HelpDialog

        self.push_screen(HelpDialog())

    def action_ask_quit(self) -> None:
        """Leave; ask first where something would be forgotten or left to its timer."""
        from aitune_tui.screens.questions import QuitDialog

        if isinstance(self.screen, QuitDialog):
            self.exit(0)
            return
        pending, left = self.state.pending, self.seconds_left
        asks: list[str] = []
        if pending is not None and left is not None:
            asks.append(sentences.quit_in_trial(pending, self.view().ends))
        if self.state.staged:
            asks.append(sentences.quit_staged(len(self.state.staged)))
        if self.measuring.running:
            asks.append(sentences.QUIT_IN_TEST)
        if not asks:
            self.exit(0)
            return

        def answered(answer: str | None) -> None:
            if answer == "quit":
                self.exit(0)
            elif answer == "keep" and pending is not None:
                self.changing.do(Keep(pending.id, pending.persist))

        self.push_screen(QuitDialog(asks, can_keep=pending is not None), answered)


def run_dashboard(options: Options) -> int:
    """Open the machine the options name and show it until the operator leaves.

    Returns:
        The exit status: 0, 2 without a terminal, 70 after a fault of ours, 128 + n after signal n.

    Raises:
        HostError: There is no such machine.
    """
    from aitune_backends.machine import open_machine

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        _say("The dashboard needs a terminal.")
        return _NO_TERMINAL
    use_ascii(os.environ.get("TERM") == "linux")  # its console has no glyphs for the rest
    readonly = options.readonly or bool(os.environ.get(READ_ONLY_VARIABLE))
    with open_machine(demo=options.demo, root=options.root, readonly=readonly) as machine:
        app = Dashboard(
            machine, goal=options.goal, interval=options.interval, slow_link=options.slow_link
        )
        # Textual prints the trace of a fault at the end; ours goes to the log.
        trace = io.StringIO()
        app.error_console = Console(file=trace, width=_TRACE_COLUMNS)
        try:
            app.run()
        finally:
            app.close()
    if app.return_code == 1:
        return _fault(trace.getvalue(), debug=options.debug)
    return app.return_code or app.return_value or 0


def _fault(trace: str, *, debug: bool) -> int:
    """Say in one sentence that the program is at fault, and keep the trace."""
    from aitune_tui.cli.common import FAULT, write_log

    lines = [line for line in trace.splitlines() if line.strip() and not line.startswith("NOTE:")]
    log = write_log(trace)
    where = f"The trace is in {log}." if log else "Its trace could not be written to a log."
    _say(f"This is a fault of aitune-tui: {lines[-1].strip() if lines else 'unknown'}. {where}")
    if debug:
        _say(trace)
    return FAULT


def _say(text: str) -> None:
    """Speak on stderr: the dashboard is not on the screen."""
    print(text, file=sys.stderr)  # noqa: T201 - there is no screen to draw on
