"""What a number of huge pages means while it is typed: what it leaves, and whether it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends import planner_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitune_backends.planner import PoolOutlook
    from aitune_tui.selection import Selection
    from aitune_tui.state import State
    from aitune_widgets.text import Line


def outlook_of(state: State, knob: str) -> PoolOutlook | None:
    """The pool that a setting sizes, as it was last looked at; None for any other setting."""
    return next((o for o in state.outlooks if knob == f"hugepages.{o.size_kib}kB"), None)


def wanted(selection: Selection, values: Sequence[str]) -> Mapping[int | None, int]:
    """The pages of each node, or of the machine under None, from what stands in the lines."""
    if not selection.each:
        only = selection.statuses[0].instance if selection.statuses else ""
        return {_node(only): int(values[0])}
    return {
        _node(status.instance): int(value)
        for status, value in zip(selection.statuses, values, strict=True)
    }


def _node(instance: str) -> int | None:
    return int(instance.removeprefix("node")) if instance else None


def refused(outlook: PoolOutlook, numbers: Mapping[int | None, int]) -> str:
    """Why the plan would refuse it, or ""."""
    return planner_words.refused(outlook, planner_words.growth(outlook, numbers))


def lines(outlook: PoolOutlook, numbers: Mapping[int | None, int]) -> tuple[Line, ...]:
    """`64 pages = 128 MiB`, then what it leaves."""
    first, *rest = planner_words.typed(outlook, numbers)
    return (((first, "fg"),), *(((line, "dim"),) for line in rest))
