"""The guardian: what puts a trial back at its deadline when everybody else is gone.

A process of its own, in a session of its own, one for a machine; started before anything is
written, told of a trial over a socket in the private directory, and gone when no helper is
connected and nothing is pending. In-process uses (demo, tests) have a thread instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Callable, Protocol

from aitune_helper import files
from aitune_helper.state import LockedError, hold, loud
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from aitune_helper.places import Places
    from aitune_helper.trial import Trials

# A service of a busy systemd needs a second or two; a change can wait for its guardian.
ACKNOWLEDGE_S = 5.0
# After so long without an answer another one is asked for.
AGAIN_S = 1.0
_LOOK_S = 0.25
# How long a guardian that a service manager started waits for its first helper.
_FIRST_S = 10.0
_SYSTEMD_RUN = "/usr/bin/systemd-run"
_ID_MAX = 64
_MCL_CURRENT = 1

_libc = ctypes.CDLL(None, use_errno=True)


class Guardian(Protocol):
    """What `Apply` needs of a guardian."""

    kind: str

    def start(self) -> None:
        """Make sure that one is coming up; does not wait for it."""

    def meet(self) -> None:
        """Let it know that a helper is here, if it is up by now; does not wait for it."""

    def arm(self, trial_id: str) -> None:
        """Return once it watches this trial; raise the fault `NoGuardian` after five seconds."""

    def close(self) -> None:
        """This helper has ended; a trial that is open is watched on."""


def look(trials: Trials) -> float | None:
    """Put back what is overdue.

    Returns:
        Seconds after which to look again, None where nothing is pending.
    """
    try:
        record = trials.current()
        if record is None:
            return None
        left = trials.left(record)
        if left > 0:
            return min(left, _LOOK_S)
        trials.expire()
    except Exception as error:  # noqa: BLE001 (whatever it is, giving up would break the promise)
        loud(f"a trial could not be looked at or put back yet: {error!r}")
    return _LOOK_S


def watch(places: Places, trials: Trials, first: socket.socket | None = None) -> None:
    """Be the guardian, until no helper is connected and nothing is pending.

    Returns at once where a live guardian already holds the lock.

    Args:
        places: Where lock and socket lie.
        trials: What to watch.
        first: The connection of the helper that started us, if it did so itself.
    """
    try:
        with hold(places.guard_lock):
            files.remove(places.guard_socket)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with listener:
                listener.bind(places.guard_socket)
                listener.listen(16)
                _watch(listener, trials, [] if first is None else [first])
                files.remove(places.guard_socket)
    except LockedError:
        return


def _watch(listener: socket.socket, trials: Trials, helpers: list[socket.socket]) -> None:
    """Answer helpers and look at the record; the wait ends with whichever comes first."""
    first_by = time.monotonic() + (0.0 if helpers else _FIRST_S)
    while True:
        wait = look(trials)
        if wait is None and not helpers:
            if time.monotonic() >= first_by:
                return
            wait = _LOOK_S
        ready, _, _ = select.select([listener, *helpers], [], [], wait)
        for found in ready:
            if found is listener:
                with contextlib.suppress(OSError):
                    helpers.append(listener.accept()[0])
            elif not _answer(found, trials):
                helpers.remove(found)
                found.close()


def _answer(helper: socket.socket, trials: Trials) -> bool:
    """Say `armed ID` to who asks for the trial that the record holds; False when it is gone."""
    with contextlib.suppress(OSError):
        asked = helper.recv(_ID_MAX)
        if asked:
            record = trials.current()
            armed = record is not None and record.trial.id.encode("ascii") == asked
            helper.send(b"armed" if armed else b"nothing")
            return True
    return False


class ProcessGuardian:
    """A guardian in another process.

    Args:
        places: Where lock and socket lie.
        trials: Made anew in the child, before it is needed.
        command: How to start it as a service where systemd runs, else None.
    """

    def __init__(
        self,
        places: Places,
        trials: Callable[[], Trials],
        command: tuple[str, ...] | None = None,
    ) -> None:
        self._places = places
        self._trials = trials
        self._command = command
        self._link: socket.socket | None = None
        self._asked = 0.0
        self._services = 0
        self._asking = 0
        self._trouble = ""
        self.kind = "systemd" if command else "process"

    def start(self) -> None:
        """Ask for one; if another is alive by then it ends by itself."""
        self._asked = time.monotonic()
        if self._command is not None and self.kind == "systemd":
            self._services += 1
            unit = f"aitune-guard-{os.getpid()}-{self._services}"
            self._trouble = f"the service {unit} does not answer"
            self._asking = _start_service(unit, self._command)
            if self._asking:
                return
            self.kind = "process"
        self._trouble = "it does not answer"
        try:
            self._fork()
        except OSError as error:
            self._trouble = error.strerror or "it cannot be started"

    def meet(self) -> None:
        """Connect to it if it is up by now."""
        if self._link is None:
            with contextlib.suppress(OSError):
                self._connect()

    def arm(self, trial_id: str) -> None:
        """Wait until the guardian says that it watches this trial; ask for another if it is gone.

        Where systemd runs it, no other way is tried but where systemd itself could not be asked:
        a fork of ours would lie in the operator's session, and end with it.
        """
        give_up = time.monotonic() + ACKNOWLEDGE_S
        while True:
            with contextlib.suppress(OSError):
                self.meet()
                if self._ask(trial_id, give_up) == b"armed":
                    return
            self.close()
            now = time.monotonic()
            if now >= give_up:
                raise Fault("NoGuardian", {"reason": self._trouble})
            if self._is_refused() or now - self._asked > AGAIN_S:
                self.start()
            time.sleep(0.01)

    def close(self) -> None:
        """Let go of the guardian."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connect(self) -> None:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            link.connect(self._places.guard_socket)
        except OSError:
            link.close()
            raise
        self._link = link

    def _ask(self, trial_id: str, give_up: float) -> bytes:
        if self._link is None:
            return b""
        self._link.settimeout(max(0.01, give_up - time.monotonic()))
        self._link.send(trial_id.encode("ascii"))
        return self._link.recv(_ID_MAX)

    def _is_refused(self) -> bool:
        """Whether systemd could not be asked; from then on we fork."""
        if not self._asking:
            return False
        pid, status = os.waitpid(self._asking, os.WNOHANG)
        if pid:
            self._asking = 0
        if pid and status:
            self.kind = "process"
        return bool(pid and status)

    def _fork(self) -> None:
        """Double fork into a session of its own; the child never returns."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if child:
            theirs.close()
            self._link = ours
            os.waitpid(child, 0)
            return
        status = 1
        try:
            os.setsid()
            if os.fork() == 0:
                first = _detach(theirs)
                stay()
                watch(self._places, self._trials(), first)
            status = 0
        except BaseException as error:  # noqa: BLE001 (a forked child must end here, not return)
            loud(f"guardian: {error!r}")
        finally:
            os._exit(status)


class ThreadGuardian:
    """A guardian within this process, for the demo and for tests: it dies with the process.

    Args:
        trials: What it watches.
    """

    kind = "thread"

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="guardian", daemon=True)
            self._thread.start()

    def meet(self) -> None:
        """It is here."""

    def arm(self, trial_id: str) -> None:
        """Look at once; the thread is alive as long as the process is."""
        del trial_id
        self.start()
        self._wake.set()

    def close(self) -> None:
        """End the thread; an open trial is no longer watched."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            wait = look(self._trials)
            self._wake.wait(wait)
            self._wake.clear()


def _detach(helper: socket.socket) -> socket.socket:
    """Let go of the client: its socket must see the end of the helper, not be held by us.

    Returns:
        The connection to our helper, the one thing we keep.
    """
    kept = os.dup2(helper.detach(), 3)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(4, 256)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    return socket.socket(fileno=kept)


def _start_service(unit: str, command: tuple[str, ...]) -> int:
    """Ask systemd, without waiting, to run the guardian outside of any session.

    Returns:
        The process that asks, which fails where systemd does not take it; 0 for none.
    """
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    arguments = [
        _SYSTEMD_RUN,
        "--quiet",
        "--collect",
        "--no-block",
        f"--unit={unit}",
        "--slice=system.slice",
        "--property=OOMScoreAdjust=-900",
        "--property=Restart=on-failure",
        "--property=TimeoutStopSec=2",
        "--description=aitune: puts a trial back at its deadline",
        *command,
    ]
    try:
        return os.posix_spawn(_SYSTEMD_RUN, arguments, {}, file_actions=null)
    except OSError:
        return 0


def stay() -> None:
    """Do not be paged out or killed when memory runs short: that is when this is needed."""
    with contextlib.suppress(OSError, ValueError):
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
    _libc.mlockall(_MCL_CURRENT)
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"-900")
        finally:
            os.close(fd)
