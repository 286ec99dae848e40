"""What is true now, in /run: the lock, the write-ahead record of the open trial, the public state.

The record holds every value a trial touches as it was before, coupled and per-node ones too. It is
on disk before the first write, and whoever finds it can put the machine back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import files, messages, past
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import PublicState, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_helper.places import Places

RECORD_VERSION = 2
RECENT_MAX = 10
_LOCK_LOOK_S = 0.02
_KILL_WAIT_S = 5.0


class Slot(NamedTuple):
    """One value of the kernel that a trial touches, directly or through a coupling.

    Attributes:
        knob, instance: The target; per node for a pool's total.
        identity: Which device it was, or "".
        old: The value to go back to.
        after: The value after our write, None while that is not known.
        item: Index of the trial's item that touches it first.
        drifted: Somebody else's value was found and is being left.
        touched: Whether a write of ours may have changed it; on record before that write.
    """

    knob: str
    instance: str
    identity: str
    old: str
    after: str | None
    item: int
    drifted: bool = False
    touched: bool = False


class Terms(NamedTuple):
    """What a trial was begun under; it holds for every arm that comes into force.

    Attributes:
        ttl_s: Seconds from the last write to the deadline.
        on_partial: `rollback` or `accept` fewer pages than asked.
        force: Leave out the guard for memory.
    """

    ttl_s: float = 60.0
    on_partial: str = messages.ROLLBACK
    force: bool = False


class Record(NamedTuple):
    """The write-ahead record.

    Attributes:
        version: Of this layout.
        boot_id: The boot whose values these are.
        trial: The trial as it stands; its deadline holds while applying too. One that is `kept`
            already is so in the journal too, and only has to be finished.
        slots: Every value that the trial may touch.
        terms: What it was begun under.
        switches: How often another arm has come into force.
        kept: What the journal's line of keeping says of files, once that is written.
    """

    version: int
    boot_id: str
    trial: Trial
    slots: tuple[Slot, ...]
    terms: Terms = Terms()
    switches: int = 0
    kept: dict[str, object] | None = None

    def to_bytes(self) -> bytes:
        """As a line like those of the journal: a wrong old value must not be written."""
        made = messages.to_object(self)
        return past.encode(made if isinstance(made, dict) else {})


class LockedError(Exception):
    """Somebody else holds the lock."""


class NewerError(Exception):
    """The record is of a newer helper: it is for that one, and its guardian, to read."""

    def __init__(self) -> None:
        super().__init__(
            "a newer helper has a trial open here: that one, or its guardian, keeps it or puts it "
            "back; until then this helper writes nothing"
        )


class CorruptError(Exception):
    """A state file is not what we wrote; `path` is where it was moved."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class State:
    """The files in /run.

    Args:
        places: Where they lie.
        boot_id: The running boot.
    """

    def __init__(self, places: Places, boot_id: str) -> None:
        self._places = places
        self.boot_id = boot_id

    @contextlib.contextmanager
    def locked(self, wait_s: float, unless: Callable[[], bool] | None = None) -> Iterator[None]:
        """Hold the lock; the file names the holder, by pid and start time.

        Raises:
            LockedError: It is still held by another after `wait_s` seconds, or `unless` is true.
        """
        with hold(self._places.lock, wait_s, unless=unless) as fd:
            with contextlib.suppress(OSError):  # a lock without a name on it is a lock
                os.pwrite(fd, f"{os.getpid()} {start_time(os.getpid())}\n".encode("ascii"), 0)
            yield

    def kill_holder(self) -> None:
        """Kill a process that sits on the lock, by a descriptor of it: never a reused pid."""
        try:
            text = (files.read_file(self._places.lock) or b"").split()
            pid, started = int(text[0]), text[1].decode("ascii")
        except (OSError, ValueError, IndexError):
            return
        if pid == os.getpid():
            return
        with contextlib.suppress(OSError):
            fd = os.pidfd_open(pid)
            try:
                if start_time(pid) == started:
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
            finally:
                os.close(fd)

    def read(self) -> Record | None:
        """The record of the open trial, or None.

        Raises:
            CorruptError: It is damaged; it has been moved aside.
            NewerError: It says what this helper does not know; it is left where it is.
            OSError: It cannot be read.
        """
        data = files.read_file(self._places.trial)
        if data is None:
            return None
        try:
            return _parse_record(data)
        except ValueError as error:
            raise CorruptError(files.move_aside(self._places.trial)) from error

    def damaged(self) -> list[str]:
        """Records that were moved aside and not taken away since."""
        return files.moved_aside(self._places.trial)

    def write(self, record: Record, *, sync: bool = False) -> None:
        """Replace the record; `sync` before the first write to the kernel."""
        files.replace_file(self._places.trial, record.to_bytes(), 0o600, sync=sync)

    def renew(self, record: Record) -> None:
        """Replace the record where that is no condition of what follows; a failure is said."""
        try:
            self.write(record)
        except OSError as error:
            number = record.trial.number
            loud(f"the record of trial {number} cannot be renewed: {error.strerror}")

    def drop(self) -> None:
        """Remove the record: the trial is over."""
        files.remove(self._places.trial)

    def public(self) -> PublicState:
        """What public.json says; one that is damaged or no file of ours counts as empty."""
        try:
            data = files.read_file(self._places.public)
        except OSError as error:
            loud(f"{self._places.public} cannot be read: {error.strerror}")
            data = None
        if data is not None:
            try:
                return messages.from_object(PublicState, json.loads(data))
            except ValueError:
                loud(f"damaged, moved to {files.move_aside(self._places.public)}")
        return PublicState(self.boot_id, None)

    def publish(self, pending: Trial | None, ended: Trial | None = None) -> None:
        """Tell everybody; a failure is said and changes nothing."""
        try:
            recent = self.public().recent
            if ended is not None:
                recent = (ended, *(trial for trial in recent if trial.id != ended.id))
            state = PublicState(self.boot_id, pending, recent[:RECENT_MAX])
            data = json.dumps(messages.to_object(state), separators=(",", ":")).encode("ascii")
            files.replace_file(self._places.public, data, 0o644, sync=False)
        except OSError as error:
            loud(f"{self._places.public} cannot be written: {error.strerror}")


@contextlib.contextmanager
def hold(
    path: str,
    wait_s: float = 0.0,
    *,
    shared: bool = False,
    unless: Callable[[], bool] | None = None,
) -> Iterator[int]:
    """Hold a flock on `path`, made private; exclusive unless `shared`; yields its descriptor.

    Raises:
        LockedError: Another still holds it after `wait_s` seconds, or as soon as `unless` is true.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600)
    try:
        give_up = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up or (unless is not None and unless()):
                    raise LockedError(path) from None
                time.sleep(_LOCK_LOOK_S)
        yield fd
    finally:
        os.close(fd)


def _parse_record(data: bytes) -> Record:
    """Read a record of this version, or of the first.

    Raises:
        NewerError: It is of a later version, or names a knob that is not in our table.
        ValueError: It is no record.
    """
    # The first version had no checksum.
    is_first = data.startswith(b"{")
    value: object = json.loads(data) if is_first else past.decode(data.rstrip(b"\n"))
    version = value.get("version") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(version, int):
        raise ValueError("not a record")
    if is_first != (version == 1):
        raise ValueError("a record without its checksum")
    if version > RECORD_VERSION:
        raise NewerError
    boot_id, slots, switches = value.get("boot_id"), value.get("slots"), value.get("switches", 0)
    if not isinstance(boot_id, str) or not isinstance(slots, list) or not isinstance(switches, int):
        raise ValueError("a field is missing")
    kept = value.get("kept")
    if not isinstance(kept, (dict, type(None))):
        raise ValueError("a field is of another type")
    trial = messages.from_object(Trial, value.get("trial"))
    terms = messages.from_object(Terms, value.get("terms", {}))
    parsed = tuple(messages.from_object(Slot, slot) for slot in slots)
    if any(slot.knob not in KNOBS for slot in parsed):
        raise NewerError
    if is_first:
        parsed = _marked(parsed, value.get("step"))
    return Record(RECORD_VERSION, boot_id, trial, parsed, terms, switches, kept)


def _marked(slots: tuple[Slot, ...], step: object) -> tuple[Slot, ...]:
    """The slots of a record of the first version, which held how far the writing had come."""
    if not isinstance(step, int):
        raise ValueError("a field is missing")
    return tuple(slot._replace(touched=slot.item <= step) for slot in slots)


def start_time(pid: int) -> str:
    """Clock ticks from boot to the start of a process, as /proc has it; "" when it is gone."""
    try:
        data = files.read_file(f"/proc/{pid}/stat") or b""
    except OSError:
        return ""
    return data.rpartition(b")")[2].split()[19].decode("ascii") if data else ""


def boot_id() -> str:
    """The id of the running boot, or "" where the kernel does not say."""
    try:
        return (files.read_file("/proc/sys/kernel/random/boot_id") or b"").decode("ascii").strip()
    except OSError:
        return ""


def boottime() -> float:
    """Seconds since boot, suspend included: the clock of deadlines."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def loud(sentence: str) -> None:
    """Say what an operator must know on stderr, whatever becomes of stderr.

    It may repeat a path or an error of others: whatever is not printable ASCII is escaped, and
    each line is marked as ours.
    """
    lines = [f"aitune-helper: {ascii(line)[1:-1]}\n" for line in sentence.rstrip().split("\n")]
    with contextlib.suppress(OSError, ValueError):
        os.write(2, "".join(lines).encode("ascii"))


Clock = Callable[[], float]
