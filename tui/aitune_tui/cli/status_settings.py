"""The table of settings that `status` prints: what is alike shares a line, the rest is counted."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from aitune_backends.absence import NOT_CAPTURED
from aitune_backends.catalogue import ENTRIES
from aitune_backends.targets import ABSENT, DIFFERS, INERT, INFO, OK, UNREAD
from aitune_backends.value_words import in_words
from aitune_tui.cli.naming import named
from aitune_tui.cli.output import table
from aitune_tui.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.targets import TargetStatus

# Knob, value, unit, advice, state, reason, owner, and what sets it again.
_Likeness = tuple[str, str | None, str, str | None, str, str, str | None, tuple[str, ...]]

_SIGNS = {OK: "✓", DIFFERS: "▲", INERT: "○", ABSENT: "–", INFO: "·", UNREAD: "✗"}
# How what is left out is counted, in this order.
_COUNTED = {
    OK: "as advised",
    INFO: "without advice",
    INERT: "without effect here",
    ABSENT: "not here",
}


def settings_table(targets: Sequence[TargetStatus]) -> str:
    """Every target; neighbours that are alike in everything share a line."""
    rows: list[tuple[str, ...]] = []
    for likeness, group in groupby(targets, _likeness):
        alike = list(group)
        first = alike[0]
        shared = likeness[5]
        reason = first.reason if len(alike) == 1 and shared else shared
        word = f"{_SIGNS.get(first.state, '?')} {first.state}"
        sets = (first.owner or "", *first.overwritten_by)
        why = " · ".join(filter(None, (*sets, reason)))
        name = named(first.knob, [target.instance for target in alike])
        rows.append((name, _now(first), _advised(first), word, why))
    return table(("SETTING", "NOW", "ADVISED", "STATE", "OWNER, OR WHY"), rows)


def _now(target: TargetStatus) -> str:
    """The value as people read it: `60`, `128 KiB`, `3.8 GHz`, `no limit`, `3000 × 1/100 s`."""
    if target.value is None:
        return UNKNOWN
    value, unit = in_words(target.knob, target.value, target.unit)
    return f"{value} {'× ' if unit[:1].isdigit() else ''}{unit}".strip()


def _advised(target: TargetStatus) -> str:
    """The advised value; with its unit only where that is not the one of the file."""
    value, unit = in_words(target.knob, target.advised or "", target.unit)
    return value if unit == target.unit else f"{value} {unit}"


def settings_overview(targets: Sequence[TargetStatus]) -> str:
    """What is worth a line, and how many others there are."""
    speaking = {target.knob for target in targets if _speaks(target)}
    shown = [target for target in targets if target.knob in speaking]
    left = {target.knob: target.state for target in targets if target.knob not in speaking}
    parts = [settings_table(shown)] if shown else []
    if left:
        states = Counter(left.values())
        counts = ", ".join(f"{states[s]} {word}" for s, word in _COUNTED.items() if states[s])
        verb = "settings have" if len(left) > 1 else "setting has"
        parts.append(f"{len(left)} more {verb} nothing to say ({counts}): `status --all`.")
    return "\n".join(parts)


def _speaks(target: TargetStatus) -> bool:
    """Whether a setting belongs to what an operator looks for first, or has something to say."""
    if target.state in (DIFFERS, UNREAD) or target.owner or target.overwritten_by:
        return True
    return not ENTRIES[target.knob].minor and target.reason != NOT_CAPTURED


def _likeness(target: TargetStatus) -> _Likeness:
    # A reason that names the instance itself would part a group that is alike otherwise.
    reason = target.reason if target.state != OK else ""
    if target.instance:
        reason = reason.replace(target.instance, "it")
        reason = reason[:1].upper() + reason[1:]
    return (
        target.knob, target.value, target.unit, target.advised, target.state, reason,
        target.owner, target.overwritten_by,
    )  # fmt: skip
