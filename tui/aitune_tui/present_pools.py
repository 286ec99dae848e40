"""What the pools of huge pages could become and who uses them: lines of the Memory page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.foreign import clean
from aitune_backends.planner_words import number
from aitune_tui.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.hugepage_users import HugePageUsers
    from aitune_backends.planner import PoolOutlook
    from aitune_tui.state import State
    from aitune_widgets.text import Line, Segment

_LABEL = 16
_MOST_NODES = 4
_MOST_USERS = 3


def lines(state: State) -> Iterator[Line]:
    """Free blocks of the size that programs ask for first, then the users of huge pages."""
    outlook = main_outlook(state)
    if outlook is not None and outlook.nodes:
        yield _blocks(outlook)
    if state.huge_users is not None and any(pool.total for pool in state.outlooks):
        yield _users(state.huge_users)


def main_outlook(state: State) -> PoolOutlook | None:
    """The pool of the default size; without one the first."""
    for outlook in state.outlooks:
        if outlook.size_kib == state.default_pool_kib:
            return outlook
    return next(iter(state.outlooks), None)


def _blocks(outlook: PoolOutlook) -> Line:
    """`Free blocks  node0 98,211  node1 102,930  of 2 MiB at once, an estimate`."""
    shown: list[Segment] = []
    for node in outlook.nodes[:_MOST_NODES]:
        shown += [(f"node{node.node} ", "dim"), (f"{number(node.at_once)}  ", "fg")]
    more = "…  " if len(outlook.nodes) > _MOST_NODES else ""
    size = size_text(outlook.page)
    return (
        ("Free blocks".ljust(_LABEL), "dim-bold"),
        *shown,
        (f"{more}of {size}, about", "dim"),
    )


def _users(found: HugePageUsers) -> Line:
    """`Used by  vllm (48211) 12 GiB   qemu (771) 4 GiB`."""
    if not found.users:
        return (("Used by".ljust(_LABEL), "dim-bold"), ("no process has huge pages mapped", "dim"))
    shown: list[Segment] = []
    for user in found.users[:_MOST_USERS]:
        shown += [
            (f"{clean(user.command)} ({user.pid}) ", "dim"),
            (f"{size_text(user.bytes)}   ", "fg"),
        ]
    rest = len(found.users) - _MOST_USERS
    more = f"and {rest} more" if rest > 0 else ""
    return (("Used by".ljust(_LABEL), "dim-bold"), *shown, (more, "dim"))
