"""The keys at the bottom: those of the focused panel, with the live object in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_tui.present_settings import all_counts
from aitune_widgets.footer_bar import KeyHint

if TYPE_CHECKING:
    from textual.widget import Widget

    from aitune_tui.screens.page import Page
    from aitune_tui.view import View

ALWAYS = (KeyHint(":", "commands"), KeyHint("?", "help"), KeyHint("q", "quit"))
Hints = tuple[tuple[KeyHint, ...], tuple[KeyHint, ...]]


def footer(view: View, page: Page, focused: Widget | None) -> Hints:
    """The left group and the right one."""
    state = view.state
    if state.writing:
        return (KeyHint("c", "stop and put back"),), ALWAYS
    more = (KeyHint("M", "get more pages"),) if state.offer is not None else ()
    if state.pending is not None:
        return (
            (
                KeyHint("K", "keep"),
                KeyHint("R", "put back now"),
                *more,
                *(hint for hint in page.hints(view, focused) if hint.key in {"↑↓", "Tab", "←↑↓→"}),
                KeyHint("i", "why"),
                KeyHint("p", "plan, after the trial", possible=False),
            ),
            ALWAYS,
        )
    staged = all_counts(state).staged
    plan = KeyHint("p", f"plan {staged}" if staged else "plan", possible=bool(staged))
    last = state.undoable
    undo = KeyHint("u", f"undo {last.number}" if last else "undo", possible=last is not None)
    connect: tuple[KeyHint, ...] = ()
    if state.helper in {"asleep", "not installed"} and not state.locked:
        connect = (KeyHint("w", "connect root helper"),)
    if state.helper == "outdated":
        connect = (KeyHint("w", "replace root helper"),)
    if view.is_compact:
        undo = KeyHint("u", "undo", possible=last is not None)
    own = page.hints(view, focused)
    plans = () if any(hint.key == "p" for hint in own) else (plan,)
    if view.is_compact:
        own = tuple(hint for hint in own if hint.key != "Tab")
        first = 2 if plans else len(own)
        keys = (*more, *plans, *connect, undo, KeyHint("i", "why"))
        return (*own[:first], *keys, *own[first:]), ALWAYS
    rest = (
        KeyHint("i", "why"),
        KeyHint("m", ("fewer" if state.unfolded else "all settings") if page.folds else "zoom"),
        KeyHint("/", "filter"),
        KeyHint("y", "copy command"),
        KeyHint("g", "goal"),
        KeyHint("f", "freeze"),
    )
    return (*own, *more, *plans, *connect, undo, *rest), ALWAYS
