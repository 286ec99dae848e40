"""Taking turns: of many things that need no reading every tick, a few each tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Turns(Generic[T]):
    """A ring of items; what was served longest ago is next."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._at = 0
        self._owed = 0.0

    def set(self, items: Iterable[T]) -> None:
        """Put other items into the ring; the place reached is kept as well as may be."""
        self._items = list(items)
        self._at = self._at % len(self._items) if self._items else 0

    def next(self, most: int) -> list[T]:
        """The next items, each at most once."""
        count = min(most, len(self._items))
        turn = (self._items[self._at :] + self._items[: self._at])[:count]
        if self._items:
            self._at = (self._at + count) % len(self._items)
        return turn

    def due(self, since_s: float, every_s: float, most: int) -> list[T]:
        """The items due after `since_s` more seconds, so that each comes every `every_s`.

        Never more than `most`: a ring too long for that takes longer to go round.
        """
        self._owed = min(self._owed + len(self._items) * since_s / every_s, float(most))
        count = int(self._owed)
        self._owed -= count
        return self.next(count)
