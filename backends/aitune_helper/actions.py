"""The closed table of what may be done once: nothing is set by it, and nothing can take it back.

An action is written to the journal before it is done, is never part of a plan or a profile, and
needs no trial: there is no value that could be put back.
"""

from __future__ import annotations

from typing import NamedTuple


class Action(NamedTuple):
    """One thing the kernel does when a number is written to a file that nobody can read.

    Attributes:
        id: The name by which everybody calls it: that of the sysctl.
        path: The file; mode 0200, so there is nothing to read back.
        value: The only number that is ever written to it.
        effect: What it does, for a question: one sentence.
        cost: What it costs meanwhile or afterwards: one sentence.
    """

    id: str
    path: str
    value: str
    effect: str
    cost: str


# Linux Documentation/admin-guide/sysctl/vm.rst. Of drop_caches only 1: a 2 would also take the
# directory entries and inodes of every file system, which frees little and is slow to come back.
ACTIONS: dict[str, Action] = {
    action.id: action
    for action in (
        Action(
            "compact_memory",
            "/proc/sys/vm/compact_memory",
            "1",
            "The kernel moves pages together in all zones, so that free memory lies in larger "
            "blocks.",
            "It takes seconds, on a large machine minutes, of one core; no page is lost.",
        ),
        Action(
            "drop_caches",
            "/proc/sys/vm/drop_caches",
            "1",
            "The kernel forgets the clean pages of its page cache, those of every file and every "
            "process.",
            "What is read next comes from the disks again; unwritten data and programs stay.",
        ),
    )
}
