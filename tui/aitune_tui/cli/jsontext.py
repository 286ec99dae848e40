"""Trials, items and plans as the JSON of `--json`; the schemas lie under docs/json/."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aitune_backends.public_state import seconds_left
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import PENDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.describe import ChangeText
    from aitune_helper.messages import Account, Item, Trial

Json = dict[str, object]


def item_json(item: Item) -> Json:
    """One target's outcome; values are the kernel's own text."""
    knob = KNOBS.get(item.knob)
    return {
        "knob": item.knob,
        "instance": item.instance,
        "path": item.path,
        "unit": knob.unit if knob else "",
        "old": item.old,
        "requested": item.requested,
        "effective": item.effective,
        "status": item.status,
        "errno": item.errno,
        "note": item.note,
        "undo": item.undo,
        "parts": [part._asdict() for part in item.parts],
    }


def items_json(items: Sequence[Item]) -> list[Json]:
    """All outcomes, in order."""
    return [item_json(item) for item in items]


def planned_json(item: Item, text: ChangeText) -> Json:
    """One planned change with what it means."""
    return {
        **item_json(item),
        "risk": text.risk,
        "effect": text.effect,
        "danger": text.danger,
        "evidence": text.evidence,
        "stars": text.stars,
        "undo_text": text.undo,
        "inert": text.inert,
    }


def trial_json(trial: Trial) -> Json:
    """A trial without its items."""
    left = seconds_left(trial) if trial.state == PENDING else None
    return {
        "id": trial.id,
        "number": trial.number,
        "state": trial.state,
        "title": trial.title,
        "message": trial.message,
        "owner": trial.owner_name,
        "owner_uid": trial.owner_uid,
        "attested": trial.attested,
        "tty": trial.tty,
        "started": _timestamp(trial.started),
        "seconds_left": None if left is None else round(left, 1),
        "persist": trial.persist,
        "persisted": trial.persisted,
        "complete": trial.complete,
        "undo_of": trial.undo_of,
    }


def past_json(trial: Trial, account: Account) -> Json:
    """A trial of the journal: its items, who began and who ended it, on which kernel and boot."""
    return {
        **trial_json(trial),
        "items": items_json(trial.items),
        "boot_id": account.boot_id,
        "kernel": account.kernel,
        "begun_by": None if account.begun is None else account.begun._asdict(),
        "ended_by": None if account.ended is None else account.ended._asdict(),
        "ended": None if account.ended_at is None else _timestamp(account.ended_at),
    }


def _timestamp(wall: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall))
