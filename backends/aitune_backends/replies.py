"""What a reply of the root helper has to hold, call by call, and reading one so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aitune_backends import helper_errors
from aitune_helper.messages import Attempt, Item, Plan, Trial, from_object, to_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_helper.messages import ArmChanges, Change

R = TypeVar("R", bound=tuple)  # type: ignore[type-arg]  # any record of the protocol


class Planned(NamedTuple):
    """The reply of `Plan`."""

    plan: Plan


class Tried(NamedTuple):
    """The reply of `Apply`, `Switch`, `Extend` and `Revert`."""

    trial: Trial


class Kept(NamedTuple):
    """The reply of `Keep`."""

    trial: Trial
    files: tuple[str, ...]


class Files(NamedTuple):
    """The reply of `Unpersist`."""

    files: tuple[str, ...]


class Tested(NamedTuple):
    """The reply of `SelfTest`."""

    attempts: tuple[Attempt, ...]


class Step(NamedTuple):
    """What is told on the way of an `Apply`."""

    done: int
    total: int
    item: Item


def objects(records: Sequence[Change] | Sequence[ArmChanges]) -> list[object]:
    """Records as they travel in a call."""
    return [to_object(record) for record in records]


def read(record: type[R], reply: object) -> R:
    """Read a reply, or a part of one, as a record.

    Raises:
        HelperError: `protocol`: it is not of that shape.
    """
    try:
        return from_object(record, reply)
    except ValueError as error:
        raise helper_errors.malformed(error) from error
