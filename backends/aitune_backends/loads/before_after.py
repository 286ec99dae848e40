"""Two blocks of runs, one before and one after a change, shown beside each other.

Shown, and no more: the same setting has moved by a third between two blocks a few minutes apart,
so a percentage or a verdict would be an invention. Only interleaved runs make a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aitune_backends.loads.records import LoadResult

SENTENCE = "Two blocks of runs are not a comparison."


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """Both results, and the sentence that always stands beside them."""

    before: LoadResult
    after: LoadResult
    sentence: str = SENTENCE


def pair(before: LoadResult, after: LoadResult) -> BeforeAfter:
    """Put two results beside each other.

    Raises:
        ValueError: They did not do the same work.
    """
    if before.request.work != after.request.work:
        raise ValueError("Before and after did not read the same files in the same way.")
    return BeforeAfter(before, after)
