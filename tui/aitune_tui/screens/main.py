"""The one screen behind all dialogs: the frame, the pages, the trial, what was said, the keys."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input

from aitune_helper.messages import PENDING
from aitune_tui import hints
from aitune_tui.present_cpu import core_setting_key
from aitune_tui.screens.dialog import press
from aitune_tui.screens.frame import Frame, set_layout
from aitune_tui.screens.overview import Overview
from aitune_tui.screens.page import Page
from aitune_tui.screens.panel import Panel
from aitune_tui.selection import Selection, select
from aitune_tui.sentences import OUTDATED, too_small
from aitune_tui.state import shown_notice
from aitune_widgets.footer_bar import FooterBar, HintChosen
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock
from aitune_widgets.navigation_bar import NavigationBar
from aitune_widgets.trial_band import TrialBand

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from aitune_tui.state import NoticeKind
    from aitune_tui.view import Layout, View
    from aitune_widgets.theme import Tone


_MODULES = {
    "0": ("overview", "Overview"),
    "1": ("memory", "MemoryPage"),
    "2": ("cpu", "CpuPage"),
    "3": ("block", "BlockPage"),
    "4": ("measure", "LoadPage"),
    "5": ("measure", "ComparePage"),
    "6": ("changes", "ChangesPage"),
    "7": ("doctor", "DoctorPage"),
    "P": ("profiles", "ProfilesPage"),
}


def make_page(key: str) -> Page:
    """Make the page of a digit. Its module is imported then, not before the first picture."""
    module, name = _MODULES[key]
    page: type[Page] = getattr(importlib.import_module(f"aitune_tui.screens.{module}"), name)
    return page(id=f"page-{key}")


_NOTICE_TONES: dict[NoticeKind, Tone] = {
    "ok": "fg",
    "differs": "differs-bold",
    "failed": "failed-bold",
    "info": "fg",
}
_BELL_SECONDS = 10.0


class Operator(Protocol):
    """What the screen asks of the app; the app decides and redraws."""

    def view(self) -> View:
        """One moment."""

    def page_opened(self, key: str) -> None:
        """Another page is open."""

    def point(self) -> None:
        """The selection moved."""

    def set_filter(self, text: str) -> None:
        """Show only what matches."""

    def explain_fully(self, selection: Selection) -> None:
        """Have read what has to be read to explain the selected setting."""

    def action_unfold(self) -> None:
        """Show what is seldom looked for too, or fold it away again."""

    def acknowledge_drift(self, selection: Selection | None) -> bool:
        """Take the mark from a setting that drifted; False where it had none."""


class MainScreen(Screen[None]):
    """Holds the pages, of which one is open; pages are made when they are first opened.

    Attributes:
        page_key: Digit of the open page.
        selected: Key of the selected row, "" before the operator or a survey chose one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(digit, f"page('{digit}')", show=False) for digit in _MODULES),
        Binding("g", "app.next_goal", priority=True, show=False),
        Binding("i", "why", show=False),
        Binding("m", "zoom", show=False),
        Binding("slash", "filter", show=False),
        Binding("minus", "fold", show=False),
        Binding("escape", "back", show=False),
        Binding("exclamation_mark", "app.differs_only", show=False),
        Binding("f", "app.freeze", show=False),
        Binding("left_square_bracket", "app.window(-1)", show=False),
        Binding("right_square_bracket", "app.window(1)", show=False),
        Binding("p", "app.plan", show=False),
        Binding("u", "app.undo", show=False),
        Binding("S", "app.stage_page", show=False),
        Binding("y", "app.copy_command", show=False),
        Binding("w", "app.connect", show=False),
        Binding("M", "app.more_pages", show=False),
        Binding("K", "app.keep", show=False),
        Binding("R", "app.put_back", show=False),
        Binding("H", "app.read_journal", show=False),
        Binding("x", "app.export_profile", show=False),
        Binding("l", "app.load_test", show=False),
        Binding("o", "app.choose_files", show=False),
        Binding("e", "app.next_engine", show=False),
        Binding("s", "app.next_file_state", show=False),
        Binding("n", "app.next_runs", show=False),
        Binding("c", "app.cancel", show=False),
        Binding("colon", "app.command_palette", show=False),
        Binding("question_mark", "app.help", show=False),
        Binding("q", "app.ask_quit", show=False),
    ]

    AUTO_FOCUS = ""

    def __init__(self, layout: Layout = "normal") -> None:
        # The layout from the start: a class that comes later has every style worked out again.
        super().__init__(id="main", classes=f"-{layout}")
        self.page_key = "0"
        self.selected = ""
        self._total_seconds = 0.0
        self._rung = ""
        self._moved = False

    @property
    def operator(self) -> Operator:
        """The app, as this screen needs it."""
        return cast("Operator", self.app)

    def compose(self) -> ComposeResult:
        """Frame, pages, and what lies over them at the bottom."""
        yield Frame()
        with Container(id="pages"):
            yield Overview(id="page-0")
        yield TextBlock(id="too-small")
        yield TextBlock(id="notice")
        yield TrialBand(id="trial")
        yield Input(placeholder="filter settings", id="filter", compact=True)
        yield FooterBar(id="footer")

    def on_mount(self) -> None:
        """Everything that is not needed yet stays away."""
        self.query_one("#filter").display = False
        self.query_one("#trial").display = False
        self.query_one("#notice").display = False
        self.query_one("#too-small").display = False

    # Pages

    @property
    def page(self) -> Page:
        """The open page."""
        return self.query_one(f"#page-{self.page_key}", Page)

    async def action_page(self, key: str, row: str = "") -> None:
        """Open a page, with the cursor on `row` where it has it."""
        if not self.query(f"#page-{key}"):
            await self.query_one("#pages").mount(make_page(key))
        self._moved = self._moved or key != "0"
        self.page_key = key
        for page in self.query(Page):
            page.display = page is self.page
        self.remove_class("-zoom")
        self._close_why()
        view = self.operator.view()
        self.page.show(view)
        home = self.page.home()
        if home is not None:
            home.focus()
        self.selected = self.page.selected_key
        self.redraw(view)
        if row and self.page.point_at(row):  # last: it may give the focus to another table
            self.selected = row
            self.show_selection(view)
        self.operator.page_opened(key)

    def redraw(self, view: View, page: str = "") -> None:
        """Show one moment."""
        set_layout(self, view)
        self.query_one(Frame).show(view, self.page_key)
        self._show_trial(view)
        self._show_notice(view)
        tiny = self.query_one("#too-small", TextBlock)
        tiny.display = view.layout == "tiny"
        if view.layout == "tiny":
            tiny.show((((too_small(view.width, view.height), "fg"),),))
            return
        self.page.show(view)
        if not self.selected and view.state.surveyed:
            self.selected = self.page.selected_key
        self.show_selection(view)
        self._settle_focus()
        shown = hints.footer(view, self.page, self.focused)
        self.query_one(FooterBar).show(*shown)

    def _settle_focus(self) -> None:
        """Something on the page always has the focus, also after another layout hid it."""
        focused = self.focused
        if focused is None or not all(w.display for w in focused.ancestors_with_self):
            home = self.page.home()
            if home is not None:
                home.focus()

    # What is selected

    def selection(self, view: View) -> Selection | None:
        """The targets of the selected row, None where it is no setting."""
        key = self.selected
        if key.startswith("cpu:"):
            key = core_setting_key(view.state.sample, int(key[4:]))
        if not key:
            return None
        found = select(key, view.state.statuses)
        return found if found.statuses else None

    def show_selection(self, view: View) -> None:
        """The Why of the selected row; without rights first what works all the same."""
        introduced = self._moved or view.state.helper in {"ready", "root"}
        selection = self.selection(view) if introduced else None
        self.page.show_selection(view, selection)
        if selection is not None:
            self.operator.explain_fully(selection)
        if self.has_class("-why"):
            self._fill_why(self.query_one("#why-page", Inspector))

    @on(Page.Pointed)
    def _pointed(self, event: Page.Pointed) -> None:
        event.stop()
        self._moved = self._moved or (bool(self.selected) and event.key != self.selected)
        self.selected = event.key
        view = self.operator.view()
        self.show_selection(view)
        self.query_one(FooterBar).show(*hints.footer(view, self.page, self.focused))

    @on(Overview.PageAsked)
    async def _open(self, event: Overview.PageAsked) -> None:
        event.stop()
        await self.action_page(event.page, event.key)

    @on(NavigationBar.TabChosen)
    async def _tab(self, event: NavigationBar.TabChosen) -> None:
        event.stop()
        await self.action_page(event.key)

    @on(HintChosen)
    async def _hint(self, event: HintChosen) -> None:
        event.stop()
        await press(self, event.key)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Another panel took the focus: other keys work now."""
        self.query_one(FooterBar).show(*hints.footer(self.operator.view(), self.page, event.widget))

    # Looking

    def action_why(self) -> None:
        """All that is known of the selected row, over the page where it has no room for it."""
        if self.has_class("-why"):
            self._close_why()
            return
        inspector = Inspector(id="why-page")
        self.add_class("-why")
        self.query_one("#pages").mount(inspector)
        self._fill_why(inspector)
        inspector.focus()

    def _close_why(self) -> None:
        self.remove_class("-why")
        self.query("#why-page").remove()

    def _fill_why(self, inspector: Inspector) -> None:
        from aitune_tui.screens.memory import show_inspector

        view = self.operator.view()
        show_inspector(inspector, view, self.selection(view))

    def action_zoom(self) -> None:
        """Give the focused panel the whole page, or its table all its rows; or take it back."""
        if self.page.folds:
            self.operator.action_unfold()
        elif self.has_class("-zoom"):
            self.remove_class("-zoom")
        elif self.focused is not None:
            panel = next(
                (w for w in (self.focused, *self.focused.ancestors) if isinstance(w, Panel)), None
            )
            if panel is None:
                return
            for other in self.query(Panel):
                other.set_class(other is panel, "-zoomed")
            for column in self.query("#left, #middle, #right"):
                column.set_class(panel in column.query(Panel), "-zoomed")
            self.add_class("-zoom")

    def action_fold(self) -> None:
        """Fold the trial to one line, or unfold it."""
        band = self.query_one(TrialBand)
        band.folded = not band.folded

    async def action_back(self) -> None:
        """Esc: filter, Why, zoom, notice, the mark of a drift, the page; one at a time."""
        app = self.operator
        view = app.view()
        field = self.query_one("#filter", Input)
        if field.display or view.state.filter_text:
            field.value = ""
            field.display = False
            app.set_filter("")
            home = self.page.home()
            if home is not None:
                home.focus()
        elif self.has_class("-why"):
            self.action_why()
        elif self.has_class("-zoom"):
            self.action_zoom()
        elif shown_notice(view.state, view.now) is not None:
            await self.run_action("app.dismiss_notice")
        elif app.acknowledge_drift(self.selection(view)):
            pass
        elif self.page_key != "0":
            await self.action_page("0")

    def action_filter(self) -> None:
        """Show only the settings whose name holds what is typed."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _filter(self, event: Input.Changed) -> None:
        self.operator.set_filter(event.value)

    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = bool(field.value)
        home = self.page.home()
        if home is not None:
            home.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While the filter is typed, letters are letters."""
        return not (action == "next_goal" and self.focused is self.query_one("#filter"))

    # What lies over the page

    def _show_trial(self, view: View) -> None:
        band = self.query_one(TrialBand)
        trial, left = view.state.pending, view.seconds_left
        # While it is still being applied there is nothing to keep yet, nor a time to count down.
        band.display = trial is not None and left is not None and trial.state == PENDING
        if trial is None or left is None or trial.state != PENDING:
            self._total_seconds = 0.0
            return
        self._total_seconds = max(self._total_seconds, left)
        from aitune_tui import present_plan  # with the first trial, not with the first picture

        shown = present_plan.trial_view(
            view.state,
            left,
            self._total_seconds,
            view.ends,
            short=view.is_compact,
            owner=trial.owner_uid == view.uid,
        )
        if shown is not None:
            band.show(shown)
        if left <= _BELL_SECONDS and self._rung != trial.id:
            self._rung = trial.id
            self.app.bell()

    def _show_notice(self, view: View) -> None:
        notice, writing = shown_notice(view.state, view.now), view.state.writing
        line = self.query_one("#notice", TextBlock)
        line.display = bool(writing) or notice is not None or view.state.helper == "outdated"
        if writing:
            line.show((((writing, "fg"), ("   c", "focus-bold"), (" stop and put back", "fg")),))
        elif notice is None:
            line.show((((OUTDATED, "differs-bold"), ("   w", "focus-bold"), (" replace", "fg")),))
        else:
            tone = _NOTICE_TONES[notice.kind]
            end = (("   Esc", "focus-bold"),) if notice.kind == "failed" else ()
            line.show((((notice.text, tone), *end),))
        for over in (line, self.query_one("#filter")):
            over.set_class(view.state.pending is not None, "-above-trial")
