"""The journal of trials, page by page: from its file for those whose group may, else the helper."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from aitune_backends.foreign import read_json
from aitune_helper import past
from aitune_helper.messages import Past

JOURNAL = Path("/var/lib/aitune/journal.jsonl")
# Trials read from the file at once; the helper gives as many as fit a frame.
PAGE = 1000

# What gives the trials below a number (0: the newest), as many as are asked for or fewer.
ReadPage = Callable[[int, int], Past]


def read_page(limit: int = PAGE, before: int = 0, path: Path = JOURNAL) -> Past:
    """Read the journal and what was rotated from it.

    Args:
        limit: Most trials.
        before: Only trials of a lower number; 0 for the newest.
        path: The file.

    Raises:
        OSError: It is there and may not be read. That there is none is no error.
    """
    with contextlib.suppress(FileNotFoundError):
        path.open("rb").close()
    return past.read_page(str(path), limit=limit, before=before, loads=read_json)


def gather(read: ReadPage, is_enough: Callable[[Past], bool], limit: int = PAGE) -> Past:
    """Put pages together, the newest first, until there is enough or nothing more.

    Args:
        read: Gives a page.
        is_enough: Looks at what was gathered so far.
        limit: What is asked for at once.
    """
    so_far = read(limit, 0)
    while so_far.more and so_far.trials and not is_enough(so_far):
        page = read(limit, so_far.trials[-1].number)
        so_far = so_far._replace(
            trials=so_far.trials + page.trials,
            accounts=so_far.accounts + page.accounts,
            more=page.more and bool(page.trials),
        )
    return so_far
