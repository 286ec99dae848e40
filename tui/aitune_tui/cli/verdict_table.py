"""What `verify` and `profiles import` share: opening settings, and the table of verdicts."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from aitune_backends.changes import brief_list
from aitune_tui.cli.common import USAGE, fail, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.host import Host
    from aitune_backends.lens import Imported
    from aitune_backends.profiles import Verdict

_LONGEST_WHY = 150


def opened(name: str, host: Host) -> Imported:
    """A profile of ours, or settings of another tool.

    Raises:
        Failure: It cannot be read; status 2.
    """
    from aitune_backends.lens import LensError
    from aitune_backends.lens.picking import open_settings
    from aitune_backends.profiles import ProfileError

    try:
        return open_settings(name, host)
    except (LensError, ProfileError) as error:
        fail(USAGE, "profile", str(error))


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Each setting with what is wanted, what is there, and why that matters."""
    from aitune_backends.profiles.verdicts import grouped

    rows = [
        (
            _label(group),
            " ".join(filter(None, (group[0].want.bound, group[0].wanted))),
            group[0].found if group[0].found is not None else "–",
            group[0].state,
            _why(group[0]),
        )
        for group in grouped(verdicts)
    ]
    return table(("SETTING", "WANTED", "ACTUAL", "STATE", "WHY"), rows)


def _label(group: Sequence[Verdict]) -> str:
    if len(group) == 1:
        return group[0].target
    return f"{group[0].knob} on {brief_list([verdict.instance for verdict in group])}"


def _why(verdict: Verdict) -> str:
    """One line: what a profile says at length, `profiles show` prints."""
    return textwrap.shorten(verdict.why, _LONGEST_WHY, placeholder=" …")


def verdict_json(verdict: Verdict) -> dict[str, object]:
    """One target of `verify --json` and `profiles import --json`."""
    return {
        "knob": verdict.knob,
        "instance": verdict.instance,
        "wanted": verdict.wanted,
        "bound": verdict.want.bound,
        "found": verdict.found,
        "ok": verdict.ok,
        "state": verdict.state,
        "note": verdict.why,
        "place": verdict.want.place,
    }
