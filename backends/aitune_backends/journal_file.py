"""Reading the helper's journal without the helper, for those whose group may.

A line is `CRC32 SP JSON LF`; those that speak of a trial carry it whole, as it stood then.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.foreign import read_json
from aitune_helper.messages import Trial, from_object

if TYPE_CHECKING:
    from collections.abc import Iterable

JOURNAL = Path("/var/lib/aitune/journal.jsonl")
_ROTATED = 5


class Journal(NamedTuple):
    """What the journal holds.

    Attributes:
        trials: Each as its last line has it, the newest first.
        damaged: How many lines could not be read.
    """

    trials: tuple[Trial, ...]
    damaged: int


def read_journal(path: Path = JOURNAL) -> Journal:
    """Read the journal and what was rotated from it.

    Raises:
        OSError: It is there and may not be read. That there is none is no error.
    """
    files = [path.with_name(f"{path.name}.{number}") for number in range(_ROTATED, 0, -1)]
    lines: list[bytes] = []
    for file in (*files, path):
        try:
            lines += file.read_bytes().split(b"\n")
        except FileNotFoundError:
            continue
    return parse_journal(lines)


def parse_journal(lines: Iterable[bytes]) -> Journal:
    """Read lines, the oldest first, without their line feeds."""
    trials: dict[str, Trial] = {}
    damaged = 0
    for line in filter(None, lines):
        entry = _entry(line)
        if entry is None:
            damaged += 1
            continue
        if entry.get("trial") is None:
            continue
        try:
            trial = from_object(Trial, entry["trial"])
        except ValueError:
            damaged += 1
            continue
        trials[trial.id] = trial
    newest = sorted(trials.values(), key=lambda trial: trial.number, reverse=True)
    return Journal(tuple(newest), damaged)


def _entry(line: bytes) -> dict[str, object] | None:
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        entry = read_json(body)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
