"""The planner's part of `explain`: what a pool could become, what that costs, who uses it."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING

from aitune_backends import hugepage_users, planner, planner_words
from aitune_backends.catalogue.huge_pages import size_text
from aitune_helper.knobs import POOLS
from aitune_tui.cli.common import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.host import Host
    from aitune_backends.hugepage_users import HugePageUsers
    from aitune_backends.planner import PoolOutlook

_LABEL = 11
_TEXT_WIDTH = 88  # as the rest of the page


@dataclasses.dataclass(frozen=True, slots=True)
class Planned:
    """A pool, and who uses huge pages on its machine."""

    outlook: PoolOutlook
    users: HugePageUsers


def plan_for(host: Host, knob: str) -> Planned | None:
    """Look at the pool that a setting sizes; None where it sizes none, or the machine lacks it."""
    if knob not in POOLS:
        return None
    outlook = planner.plan_pool(host, int(knob.removeprefix("hugepages.").removesuffix("kB")))
    return Planned(outlook, hugepage_users.read(host)) if outlook is not None else None


def lines(planned: Planned) -> Iterator[str]:
    """The section: a table of nodes, then labelled texts."""
    outlook = planned.outlook
    yield f"Planner: pages of {size_text(outlook.size_kib)}, estimated from what is free now"
    yield ""
    yield table(planner_words.HEADINGS, tuple(planner_words.rows(outlook)))
    yield ""
    said = (*planner_words.said(outlook), *planner_words.users_said(planned.users, outlook))
    for label, text in said:
        if label == planner_words.REMOVE:
            yield " " * _LABEL + text
            continue
        yield from textwrap.wrap(
            text,
            _LABEL + _TEXT_WIDTH,
            initial_indent=label.ljust(_LABEL),
            subsequent_indent=" " * _LABEL,
            break_long_words=False,
            break_on_hyphens=False,
        )


def body(planned: Planned | None) -> dict[str, object] | None:
    """The same for programs: `planner` of docs/json/explain-1.json."""
    if planned is None:
        return None
    outlook, users = planned.outlook, planned.users
    return {
        "page_kib": outlook.size_kib,
        "total": outlook.total,
        "free": outlook.free,
        "reserved": outlook.reserved,
        "surplus": outlook.surplus,
        "at_once": outlook.at_once,
        "at_most": outlook.at_most,
        "most_safe": outlook.most_safe,
        "gigantic": outlook.gigantic,
        "boot_words": outlook.boot_words(4 * max(1, len(outlook.nodes))),
        "nodes": [dataclasses.asdict(node) for node in outlook.nodes],
        "left_out": list(outlook.left_out),
        "kubelet": outlook.kubelet,
        "vmemmap_optimized": outlook.optimized,
        "step": dataclasses.asdict(outlook.costs(planner_words.next_step(outlook))),
        "users": [dataclasses.asdict(user) for user in users.users],
        "files": [
            {**dataclasses.asdict(file), "orphan": file in users.orphans} for file in users.files
        ],
        "segments": [dataclasses.asdict(segment) for segment in users.segments],
        "unseen": users.unseen,
        "certain": users.certain,
    }
