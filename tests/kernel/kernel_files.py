"""Files of this kernel as tests read them, and the queue of a loop device of our own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# In the order in which they go back: a scheduler resets the length, a size the read-ahead.
QUEUE_FILES = ("scheduler", "nr_requests", "max_sectors_kb", "read_ahead_kb")


def value(path: Path) -> str:
    """What a file says; of a list, the word in brackets."""
    text = path.read_text().strip()
    return text.partition("[")[2].partition("]")[0] if "[" in text else text


def other(path: Path, *choices: str) -> str:
    """A value that is not there now."""
    return next(choice for choice in choices if choice != value(path))


@contextlib.contextmanager
def loop_queue(image: Path) -> Iterator[Path]:
    """The queue of a loop device of our own, which keeps its settings when it is detached."""
    image.touch()
    os.truncate(image, 16 << 20)
    device = subprocess.run(
        ["losetup", "--find", "--show", image], capture_output=True, text=True, check=True
    ).stdout.strip()
    queue = Path("/sys/block", Path(device).name, "queue")
    before = {name: value(queue / name) for name in QUEUE_FILES}
    try:
        yield queue
    finally:
        for name, text in before.items():
            if value(queue / name) != text:
                (queue / name).write_text(text)
        subprocess.run(["losetup", "--detach", device], check=True)
