"""The plan: what would be written and what that means. Nothing is written before `a`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from aitune_backends import at_boot, describe, undo
from aitune_helper import plan as planning
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import PLANNED, STALE, Change, Plan
from aitune_tui import events, present_plan, sentences
from aitune_tui.jobs import Apply
from aitune_tui.requests import EditInPlan, PlanRequest
from aitune_tui.screens.dialog import Dialog
from aitune_tui.selection import Target
from aitune_tui.words import clock, counted
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.lines import TextBlock
from aitune_widgets.plan_view import HowField, PlanView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.widget import Widget

    from aitune_backends.describe import ChangeText
    from aitune_backends.host import Host
    from aitune_tui.view import View
    from aitune_widgets.text import Line

TRY_SECONDS = (0, 30, 60, 120)
DEFAULT_TRY = 60


class PlanDialog(Dialog["Apply | EditInPlan"]):
    """Shows a plan; its answer is what to do with it.

    Args:
        kernel: The machine; read in a thread of its own.
        request: What is wanted.
        wall: Seconds since the epoch.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", show=False),
        Binding("t", "next_try", show=False),
        Binding("s", "toggle_save", show=False),
        Binding("e", "edit", show=False),
        Binding("x", "leave_out", show=False),
        Binding("y", "copy", show=False),
        Binding("i", "show_all", show=False),
    ]

    class LeftOut(Message):
        """A target was left out of the plan.

        Attributes:
            target: Which.
        """

        def __init__(self, target: Target) -> None:
            super().__init__()
            self.target = target

    def __init__(self, kernel: Host, request: PlanRequest, wall: float) -> None:
        super().__init__(f"Plan · {request.title}" if request.title else "Plan", id="plan-dialog")
        self._kernel = kernel
        self._request = request
        self._changes = request.changes
        self._wall = wall
        self._plan: Plan | None = None
        self._meanings: tuple[ChangeText, ...] = ()
        self._refusal = ""
        self._try: int | None = None
        self._files: tuple[str, ...] = ()
        self._save = False
        self._unlocked = False
        self._compact = False
        self._said = ""

    def body(self) -> Iterator[Widget]:
        """The plan, and where the name of a high-risk setting is typed."""
        yield PlanView(id="plan")
        yield TextBlock(id="plan-refused")
        yield Input(id="plan-name", compact=True)

    def on_mount(self) -> None:
        """Begin reading."""
        super().on_mount()
        self.query_one("#plan-name").display = False
        self._read()

    def _read(self) -> None:
        """Check the changes against the machine, away from the screen: disks may be slow."""
        changes = self._changes
        is_undo = self._request.undo_of is not None
        former = undo.puts_back(changes) if is_undo else planning.never

        def check() -> None:
            try:
                made = planning.make_plan(self._kernel, changes, former=former)
            except (planning.Refusal, OSError) as error:
                self.post_message(events.PlanMade(refusal=str(error)))
                return
            facts = describe.gather(self._kernel, made.items, read_at=clock(self._wall))
            meanings = present_plan.texts(made, facts)
            files = at_boot.files_for(self._kernel, made.items)
            self.post_message(events.PlanMade(made, meanings, files=files))

        threading.Thread(target=check, name="planning", daemon=True).start()

    def on_plan_made(self, event: events.PlanMade) -> None:
        """The changes were checked."""
        self._plan, self._meanings = event.plan, event.meanings
        self._refusal, self._files = event.refusal, event.files
        if self._plan is not None and self._try is None:
            self._try = 0 if self._keeps_at_once(self._plan) else DEFAULT_TRY
        self._draw()

    def _keeps_at_once(self, plan: Plan) -> bool:
        """A single low-risk setting is kept in one step; anything else counts down."""
        settings = {(item.knob, item.requested) for item in plan.items}
        return len(settings) == 1 and present_plan.overall_risk(self._meanings) == "low"

    def redraw(self, view: View, page: str) -> None:
        """Show one moment."""
        super().redraw(view, page)
        self._wall = view.wall
        if self._compact != view.is_compact:
            self._compact = view.is_compact
            self._draw()

    @property
    def _stale(self) -> bool:
        return self._plan is not None and any(item.status == STALE for item in self._plan.items)

    @property
    def _needs_name(self) -> str:
        """The setting whose name has to be typed first: the first one of high risk."""
        if self._plan is None or self._unlocked:
            return ""
        for item, meaning in zip(self._plan.items, self._meanings, strict=True):
            if meaning.risk == "high" and item.status == PLANNED:
                return item.knob.rpartition(".")[2] if item.knob in KNOBS else item.knob
        return ""

    def _draw(self) -> None:
        view, refused = self.query_one(PlanView), self.query_one("#plan-refused", TextBlock)
        plan = self._plan
        refused.display = plan is None
        view.display = plan is not None
        if plan is None:
            text = f"Refused: {self._refusal.rstrip('.')}." if self._refusal else "Reading …"
            tone: Line = ((text, "failed-bold" if self._refusal else "dim"),)
            nothing: Line = (("Nothing is written.", "dim"),) if self._refusal else ()
            refused.show((tone, (), nothing, (), (("Esc", "focus-bold"), (" back", "fg"))))
            return
        first = present_plan.first_line(plan, self._meanings)
        if self._request.note:
            first = (*first, (f"  {self._request.note}", "differs"))
        said, self._said = self._said, ""
        if said:
            first = (*first, (f"  {said}", "strong"))
        rows = present_plan.plan_rows(plan, self._meanings, short=self._compact)
        view.show(first, rows, self._how(plan), self._keys(), (KeyHint("Esc", self._leave_verb),))
        if view.display and self.focused is None:
            view.focus()

    @property
    def _leave_verb(self) -> str:
        if self._request.undo_of is not None or self._compact:
            return "back"
        return "back, stays staged"

    def _how(self, plan: Plan) -> tuple[HowField, ...]:
        """Try, save, order."""
        seconds = self._try or 0
        if seconds:
            what = "then back by itself" if self._compact else "then everything goes back by itself"
            tried: Line = ((f"{seconds} s", "strong"), (f", {what} unless you keep it", "fg"))
        else:
            tried = (("off", "strong"), (": kept as soon as it reads back as wanted", "fg"))
        if not self._files:
            saved: Line = (("no", "strong"), (": a reboot undoes it", "fg"))
        elif self._save:
            saved = (
                ("yes", "strong"),
                (f": {present_plan.saved_to(self._files)} when it is kept", "fg"),
            )
        else:
            saved = (("no", "strong"), (": a reboot undoes it", "fg"))
            if not self._compact:
                saved = (*saved, (f".  Yes would write {present_plan.saved_to(self._files)}", "fg"))
        fields = [
            HowField("t", "Try", tried),
            HowField("s" if self._files else "", "Save", saved),
        ]
        if not self._compact and len(plan.items) > 1:
            order = ", ".join(str(index + 1) for index in range(min(3, len(plan.items))))
            more = ", …" if len(plan.items) > 3 else ""
            text = f"{order}{more}. If one fails, those before it are put back."
            fields.append(HowField("", "Order", ((text, "fg"),)))
        if not self._compact:
            fields += [
                HowField("", "Note", ((f"{w[0].upper()}{w[1:]}.", "fg"),)) for w in plan.warnings
            ]
        return tuple(fields)

    def _keys(self) -> tuple[KeyHint, ...]:
        seconds = self._try or 0
        verb = f"try for {seconds} s" if seconds else "apply and keep"
        blocked = bool(self._request.why_not) or self._stale
        if name := self._needs_name:
            verb = f"type {name} first"
        apply = KeyHint("a", verb, possible=not blocked, filled=not blocked)
        return (
            apply,
            *(() if self._request.undo_of else (KeyHint("e", "edit"),)),
            KeyHint("x", "leave out"),
            KeyHint("y", "copy" if self._compact else "copy as shell"),
        )

    def action_next_try(self) -> None:
        """Try for longer, or not at all."""
        if self._plan is not None:
            index = TRY_SECONDS.index(self._try or 0)
            self._try = TRY_SECONDS[(index + 1) % len(TRY_SECONDS)]
            self._draw()

    def action_toggle_save(self) -> None:
        """Also set it at boot, or not."""
        if self._files:
            self._save = not self._save
            self._draw()

    def action_show_all(self) -> None:
        """All that is known of the selected change, to be scrolled, where only a part fits."""
        self.query_one(PlanView).toggle_all()

    def _selected(self) -> Target | None:
        key = self.query_one(PlanView).cursor_key
        if self._plan is None or key is None:
            return None
        item = self._plan.items[int(key)]
        return Target(item.knob, item.instance)

    @on(PlanView.Chosen)
    def action_edit(self) -> None:
        """Choose another value for the selected target; an undo has none but the old one."""
        target = self._selected()
        if target is not None and self._request.undo_of is None:
            self.dismiss(EditInPlan(target))

    def action_leave_out(self) -> None:
        """Take the selected target out of the plan."""
        target = self._selected()
        if target is None:
            return
        self._changes = tuple(c for c in self._changes if (c.knob, c.instance) != tuple(target))
        self.post_message(self.LeftOut(target))
        if self._changes:
            self._read()
        else:
            self.post_message(events.Noted("info", sentences.NOTHING_LEFT))
            self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the plan as shell lines (OSC 52)."""
        if self._plan is not None:
            self.app.copy_to_clipboard(present_plan.copied(self._plan))
            count = counted(len(self._plan.items), "line")
            self._said = f"Copied {count} of shell."
            self._draw()

    def action_apply(self) -> None:
        """Write it: the only key that does."""
        plan = self._plan
        if plan is None or self._stale:
            return
        if self._request.why_not:
            self.post_message(events.Noted("differs", self._request.why_not))
            return
        if self._needs_name:
            field = self.query_one("#plan-name", Input)
            field.display = True
            field.placeholder = f"type {self._needs_name}, then Enter"
            field.focus()
            return
        self.dismiss(
            Apply(
                changes=tuple(
                    Change(item.knob, item.instance, item.requested, item.old)
                    for item in plan.items
                ),
                plan_hash=plan.hash,
                try_seconds=float(self._try or 0),
                persist=self._save,
                title=self._request.title,
                undo_of=self._request.undo_of,
            )
        )

    @on(Input.Submitted, "#plan-name")
    def _unlock(self, event: Input.Submitted) -> None:
        """The name of the risky setting was typed; the key that writes is live now."""
        if event.value.strip() == self._needs_name:
            self._unlocked = True
            event.input.display = False
            self.query_one(PlanView).focus()
            self._draw()
