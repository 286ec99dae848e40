"""The guardian: what puts a trial back at its deadline when everybody else is gone.

A process of its own, in a session of its own, one for a machine; started before anything is
written, told of a trial over a socket in the private directory, and gone when no helper is
connected and nothing is pending. In-process uses (demo, tests) have a thread instead.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable, Protocol

from aitune_helper import files, landlock, libc
from aitune_helper.messages import Layer
from aitune_helper.state import LockedError, hold, loud
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_helper.places import Places
    from aitune_helper.service import Service
    from aitune_helper.trial import Trials

# A service of a busy systemd needs a second or two, on an emulated machine more than five; a change
# can wait for its guardian.
ACKNOWLEDGE_S = 15.0
# After so long without an answer another one is forked.
AGAIN_S = 1.0
_LOOK_S = 0.25
_ID_MAX = 64
_OOM = "/proc/self/oom_score_adj"
_OOM_SCORE = -900
_MCL_CURRENT = 1
_MCL_FUTURE = 2


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
    """Be the guardian, until no helper lives and nothing is pending.

    Returns at once where a live guardian already holds the lock. That no helper lives is held fast
    until the lock is given back: one that starts meanwhile finds its own guardian taken.

    Args:
        places: Where lock and socket lie.
        trials: What to watch.
        first: The connection of the helper that started us, if it did so itself.
    """
    try:
        with contextlib.ExitStack() as alone, hold(places.guard_lock):
            files.remove(places.guard_socket)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with listener:
                listener.bind(places.guard_socket)
                for _ in _rounds(listener, trials, [] if first is None else [first]):
                    with contextlib.suppress(LockedError):
                        alone.enter_context(hold(places.helpers_lock))
                        break
                files.remove(places.guard_socket)
    except LockedError:
        return


def _rounds(
    listener: socket.socket, trials: Trials, helpers: list[socket.socket]
) -> Iterator[None]:
    """Answer helpers and look at the record; yields whenever nobody seems to need us."""
    while True:
        wait = look(trials)
        if wait is None and not helpers:
            yield
            wait = _LOOK_S
        ready, _, _ = select.select([listener, *helpers], [], [], wait)
        for found in ready:
            if found is listener:
                helpers += _met(listener)
            elif not _answer(found, trials):
                helpers.remove(found)
                found.close()


def _met(listener: socket.socket) -> list[socket.socket]:
    """The lines to us that a helper has brought: confined as it is, it can connect to nobody."""
    with contextlib.suppress(OSError):
        _, brought, _, _ = socket.recv_fds(listener, 1, 1, socket.MSG_DONTWAIT)
        return [socket.socket(fileno=fd) for fd in brought]
    return []


def _answer(helper: socket.socket, trials: Trials) -> bool:
    """Say `armed ID` to who asks for the trial that the record holds; False when it is gone."""
    with contextlib.suppress(OSError):
        asked = helper.recv(_ID_MAX)
        if asked:
            record = trials.current()
            armed = record is not None and record.trial.id.encode("ascii") == asked
            # One that does not listen must not keep us from a deadline.
            helper.send(b"armed" if armed else b"nothing", socket.MSG_DONTWAIT)
            return True
    return False


class ProcessGuardian:
    """A guardian in another process.

    Args:
        places: Where lock and socket lie.
        trials: Made anew in the child, before it is needed.
        service: How to start it where systemd runs, else None.
    """

    def __init__(
        self,
        places: Places,
        trials: Callable[[], Trials],
        service: Service | None = None,
    ) -> None:
        self._places = places
        self._trials = trials
        self._service = service
        self._link: socket.socket | None = None
        self._alive = contextlib.ExitStack()
        self._started = False
        self._forked = 0.0
        self._asking = 0
        self._trouble = "it does not answer"
        self.kind = "systemd" if service else "process"

    def start(self) -> None:
        """Ask for one, once; if another is alive by then it ends by itself.

        To be called before the sandbox is entered: nothing can be run from within.
        """
        if self._started:
            return
        self._started = True
        with contextlib.suppress(LockedError, OSError):
            self._alive.enter_context(hold(self._places.helpers_lock, AGAIN_S, shared=True))
        if self._service is not None:
            unit = f"aitune-guard-{os.getpid()}"
            self._trouble = f"the service {unit} does not answer"
            self._asking = self._service.ask(unit)
            if self._asking:
                return
        self._fork()

    def meet(self) -> None:
        """Connect to it if it is up by now, to another if it has gone."""
        self._asked()
        if self._link is not None and _is_gone(self._link):
            self._hang_up()
        if self._link is None:
            with contextlib.suppress(OSError):
                self._connect()

    def arm(self, trial_id: str) -> None:
        """Wait until the guardian says that it watches this trial; fork another if it is gone.

        Where systemd runs it, systemd brings it back; a fork of ours would lie in the operator's
        session, and end with it. We fork where systemd itself could not be asked.
        """
        give_up = time.monotonic() + ACKNOWLEDGE_S
        while True:
            with contextlib.suppress(OSError):
                self.meet()
                if self._ask(trial_id, give_up) == b"armed":
                    return
            self._hang_up()
            now = time.monotonic()
            if now >= give_up:
                raise Fault("NoGuardian", {"reason": self._trouble})
            if self.kind == "process" and now - self._forked > AGAIN_S:
                self._fork()
            time.sleep(0.01)

    def close(self) -> None:
        """Let go of the guardian."""
        self._alive.close()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connect(self) -> None:
        """Bring the guardian one end of a line: from within the sandbox nobody can be called."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end = theirs.fileno().to_bytes(4, sys.byteorder)
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as letter:
            letter.setblocking(False)
            try:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, end)]
                letter.sendmsg([b"\0"], rights, 0, self._places.guard_socket)
            except OSError:
                ours.close()
                raise
        self._link = ours

    def _ask(self, trial_id: str, give_up: float) -> bytes:
        if self._link is None:
            return b""
        self._link.settimeout(max(0.01, give_up - time.monotonic()))
        self._link.send(trial_id.encode("ascii"))
        return self._link.recv(_ID_MAX)

    def _asked(self) -> None:
        """Hear whether systemd took it, if it has said so by now; if not, fork."""
        if not self._asking:
            return
        pid, status = os.waitpid(self._asking, os.WNOHANG)
        if not pid:
            return
        self._asking = 0
        if status:
            self._fork()

    def _fork(self) -> None:
        """Double fork into a session of its own; the child never returns."""
        self.kind = "process"
        self._forked = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            child = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            self._trouble = error.strerror or "it cannot be started"
            return
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
    landlock.close_others(4)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    return socket.socket(fileno=kept)


def _is_gone(link: socket.socket) -> bool:
    """Whether the other end has closed; nothing is waited for."""
    # `recv` would wait as long as was said for the last answer, whatever its flags.
    if not select.select([link], [], [], 0)[0]:
        return False
    try:
        return link.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def prepare_to_stay(service: Service | None) -> tuple[Layer, Layer]:
    """Let this process and the guardian it forks be the last to go when memory runs short.

    A service has both from systemd instead.

    Args:
        service: How the guardian is started where systemd runs, else None.

    Returns:
        Whether the guardian can be locked in memory, and whether both are spared.
    """
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    whole = service is not None
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
        whole = True
    note = "the guardian" if whole else "the guardian as it starts: the limit cannot be raised"
    return Layer("memory lock", held=True, note=note), _spare()


def _spare() -> Layer:
    """Be killed last when memory runs out; only CAP_SYS_RESOURCE may ask for that."""
    with contextlib.suppress(OSError):
        if int(files.read_file(_OOM) or b"0") <= _OOM_SCORE:
            return Layer("oom", held=True)
    try:
        fd = os.open(_OOM, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"%d" % _OOM_SCORE)
        finally:
            os.close(fd)
    except OSError as error:
        return Layer("oom", held=False, note=error.strerror or "")
    return Layer("oom", held=True)


def stay() -> None:
    """Lock the guardian in memory: it is needed when memory runs short.

    What it allocates later is locked too, but only where no limit makes that fail.
    """
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    later = _MCL_FUTURE if limit == resource.RLIM_INFINITY else 0
    try:
        libc.call("mlockall", _MCL_CURRENT | later)
    except OSError as error:
        loud(f"the guardian is not locked in memory: {error.strerror}")
