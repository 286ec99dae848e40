"""What a plan is opened for, and one of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aitune_helper.messages import Change
    from aitune_tui.selection import Target


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What the dialog is opened for.

    Attributes:
        changes: What is wanted.
        title: What it is: `profile classic`, `undo 16`, or "".
        undo_of: Id of the kept trial that this puts back.
        why_not: Why it cannot be applied from here, or "".
        note: A sentence to be said above the list, or "".
    """

    changes: tuple[Change, ...]
    title: str = ""
    undo_of: str | None = None
    why_not: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class EditInPlan:
    """The operator wants another value for one target of the plan."""

    target: Target
