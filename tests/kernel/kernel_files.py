"""Files of this kernel as tests read them, and the queue of a loop device of our own."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kernel.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

# In the order in which they go back: a scheduler resets the length, a size the read-ahead.
QUEUE_FILES = (
    "scheduler", "nr_requests", "max_sectors_kb", "read_ahead_kb", "nomerges", "rq_affinity",
    "iostats", "wbt_lat_usec",
)  # fmt: skip
# <linux/loop.h>
_LOOP_CTL_ADD, _LOOP_CTL_REMOVE = 0x4C80, 0x4C81


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


@contextlib.contextmanager
def new_loop_queue(image: Path) -> Iterator[Path]:
    """The queue of a loop device that was never there before: nothing of it was set by hand."""
    image.touch()
    os.truncate(image, 16 << 20)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    number = 1 + max(int(path.name[4:]) for path in Path("/sys/block").glob("loop*"))
    try:
        fcntl.ioctl(control, _LOOP_CTL_ADD, number)
        device = f"/dev/loop{number}"
        subprocess.run(["losetup", device, image], check=True)
        try:
            yield Path("/sys/block", f"loop{number}", "queue")
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)
    finally:
        _remove_loop(control, number)
        os.close(control)


def _remove_loop(control: int, number: int) -> None:
    """Take a loop device away, as soon as nobody looks at it any more."""
    until(lambda: _is_removed(control, number))


def _is_removed(control: int, number: int) -> bool:
    try:
        fcntl.ioctl(control, _LOOP_CTL_REMOVE, number)
    except OSError as error:
        return error.errno == errno.ENODEV
    return True
