"""Talking to the root helper: one connection, one call at a time, errors as sentences.

`HelperLink` is what the rest of the app holds: it knows how to come by a `Session`, and what
anybody may know of trials without one. `RealLink` goes through sudo; the demo has its own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from aitune_backends import elevation, helper_errors, journal_file
from aitune_backends.channel import Channel, ChannelError
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_backends.helper_errors import HelperError, NotElevated, NotInstalled
from aitune_backends.public_state import PUBLIC, PublicFile
from aitune_backends.replies import Files, Kept, Planned, Step, Tested, Tried, objects, read
from aitune_helper import VERSION, knobs
from aitune_helper.messages import (
    INTERFACE,
    PENDING,
    PROTOCOL,
    ROLLBACK,
    Attempt,
    HelloReply,
    Item,
    Past,
    Plan,
    Trial,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from aitune_helper.messages import ArmChanges, Change, PublicState

__all__ = [
    "HelperError",
    "HelperLink",
    "Interrupted",
    "NotElevated",
    "NotInstalled",
    "RealLink",
    "Session",
    "bundle",
    "bundle_sha256",
]

CLIENT = "aitune-tui"


class Interrupted(KeyboardInterrupt):
    """An apply was stopped from the keyboard, and what it had written is put back.

    Attributes:
        trial: As it ended; its items say how far it had come.
    """

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial


class Session:
    """A connection to a running helper, which has said hello.

    Blocking, one call at a time, safe to use from a worker thread. `cancel` alone may be called
    while another thread is inside `apply`.

    Attributes:
        hello: What the helper said of itself.
    """

    def __init__(
        self,
        connected: socket.socket,
        child: elevation.Child | None = None,
        *,
        hello_timeout: float | None = None,
    ) -> None:
        """Say hello.

        Args:
            connected: Our end of the connection; it is closed with the session.
            child: The process at the other end, where there is one.
            hello_timeout: Seconds to wait for the answer; None while somebody may be typing.

        Raises:
            HelperError: `no-answer` without one, `protocol` with one that is none of ours.
        """
        self._channel = Channel(connected)
        self._child = child
        self._calling = threading.Lock()
        greeting = {"protocol_max": PROTOCOL, "client": CLIENT, "client_version": VERSION}
        self._greeted = False
        try:
            reply, _ = self._exchange("Hello", greeting, timeout=hello_timeout, at_once=True)
            self.hello: HelloReply = read(HelloReply, reply)
            self._greeted = True
        except BaseException:
            self.close()
            raise

    @property
    def is_outdated(self) -> bool:
        """Whether an installed helper is of other sources than this program would install."""
        return self.hello.bundle_sha256 not in ("", bundle_sha256())

    @property
    def is_over(self) -> bool:
        """Whether the helper has ended, as it does when nothing is asked of it for ten minutes.

        Costs nothing, asks nothing of the helper, and is False while it is answering something.
        """
        if not self._calling.acquire(blocking=False):
            return False
        try:
            return self._channel.is_over()
        finally:
            self._calling.release()

    def plan(
        self, changes: Sequence[Change], force: bool = False, *, arms: Sequence[ArmChanges] = ()
    ) -> Plan:
        """Check changes, or the arms of a comparison, against the machine; writes nothing."""
        asked = {"changes": objects(changes), "force": force, "arms": objects(arms)}
        return read(Planned, self._call("Plan", asked)).plan

    def apply(
        self,
        changes: Sequence[Change],
        plan_hash: str,
        *,
        ttl_s: float,
        on_partial: str = ROLLBACK,
        persist: bool = False,
        message: str = "",
        title: str = "",
        force: bool = False,
        undo_of: str | None = None,
        arms: Sequence[ArmChanges] = (),
        progress: Callable[[int, int, Item], None] | None = None,
    ) -> Trial:
        """Write what was planned, and start the trial.

        Args:
            changes: As they were planned; none for a comparison.
            plan_hash: The plan's hash: what is applied is exactly what was shown.
            ttl_s: Seconds until the guardian puts everything back, counted from the last write.
            on_partial: `rollback` or `accept`.
            persist: Whether keeping the trial also writes the files that set it at boot.
            message: Why the operator does it.
            title: What it is, for a list.
            force: Pass the memory guard, and write in a container.
            undo_of: Id of the kept trial that this puts back.
            arms: The arms of a comparison, as they were planned; the first comes into force.
            progress: Called with (done, of, the item just written).

        Returns:
            The trial: pending, or reverted where it did not come out as wanted.

        Raises:
            HelperError: Nothing was written.
            Interrupted: Stopped from the keyboard, and what was written is back.
            KeyboardInterrupt: The key was pressed twice: the guardian will put it back.
        """
        if self.hello.knob_hash != knobs.table_hash():
            raise helper_errors.outdated()
        parameters: dict[str, object] = {
            "changes": objects(changes),
            "plan_hash": plan_hash,
            "ttl_s": float(ttl_s),
            "on_partial": on_partial,
            "persist": persist,
            "message": message,
            "title": title,
            "force": force,
            "undo_of": undo_of,
            "arms": objects(arms),
        }
        return self._write("Apply", parameters, progress)

    def switch(
        self,
        id: str,  # noqa: A002 - the protocol's own word
        arm: str,
        progress: Callable[[int, int, Item], None] | None = None,
    ) -> Trial:
        """Bring another arm of an open comparison into force, and count its time anew.

        Returns:
            The trial: pending, or reverted where the arm did not come out as wanted.

        Raises:
            HelperError: Nothing was written: somebody else has changed a value (`stale`), say.
            Interrupted: Stopped from the keyboard, and everything is as before the trial.
            KeyboardInterrupt: The key was pressed twice: the guardian will put it back.
        """
        return self._write("Switch", {"id": id, "arm": arm}, progress)

    def _write(
        self,
        method: str,
        parameters: Mapping[str, object],
        progress: Callable[[int, int, Item], None] | None,
    ) -> Trial:
        """Make a call that writes, which Ctrl-C stops between two steps."""
        reply, stopped = self._exchange(method, parameters, progress=progress, cancel=True)
        trial = read(Tried, reply).trial
        if stopped:
            if trial.state == PENDING:  # the last write was quicker than the key
                trial = self.revert(trial.id)
            raise Interrupted(trial)
        return trial

    def extend(self, id: str, ttl_s: float) -> Trial:  # noqa: A002 - the protocol's own word
        """Give an open trial more time."""
        return read(Tried, self._call("Extend", {"id": id, "ttl_s": float(ttl_s)})).trial

    def keep(
        self,
        id: str,  # noqa: A002 - the protocol's own word
        persist: bool = False,
        *,
        arm: str = "",
    ) -> tuple[Trial, tuple[str, ...]]:
        """Keep an open trial; returns it and the files that were written.

        With `arm`, that arm of a comparison is brought into force before. Where it does not come
        out as wanted, nothing is kept, and the trial comes back as `reverted`.
        """
        reply = self._call("Keep", {"id": id, "persist": persist, "arm": arm})
        kept = read(Kept, reply)
        return kept.trial, kept.files

    def revert(self, id: str) -> Trial:  # noqa: A002 - the protocol's own word
        """Put an open trial back."""
        return read(Tried, self._call("Revert", {"id": id})).trial

    def history(self, limit: int) -> Past:
        """The last trials in the journal, the newest first."""
        found = journal_file.gather(self.history_page, lambda so_far: len(so_far.trials) >= limit)
        more = found.more or len(found.trials) > limit
        return found._replace(
            trials=found.trials[:limit], accounts=found.accounts[:limit], more=more
        )

    def history_page(self, limit: int, before: int = 0) -> Past:
        """The trials below a number (0: the newest), as many as the helper gives at once."""
        only = {"before": before} if before else {}  # an earlier helper does not know it
        page = read(Past, self._call("History", {"limit": limit, **only}))
        if len(page.accounts) != len(page.trials):
            raise helper_errors.malformed("a history that does not say who")
        return page

    def unpersist(self, knob_ids: Sequence[str]) -> tuple[str, ...]:
        """Take knobs out of the files that set them at boot; returns the files changed."""
        reply = self._call("Unpersist", {"knobs": list(knob_ids)})
        return read(Files, reply).files

    def act(self, action: str) -> None:
        """Have the kernel do something once; nothing can take it back."""
        self._call("Act", {"action": action})

    def self_test(self) -> tuple[Attempt, ...]:
        """Let the helper try to break out of its sandbox; empty where it has none."""
        return read(Tested, self._call("SelfTest", {})).attempts

    def cancel(self) -> None:
        """Ask a running `apply` of another thread to stop and to put back what it wrote."""
        try:
            self._channel.send(f"{INTERFACE}.Cancel", {}, oneway=True)
        except ChannelError as error:
            raise self._gone(error) from error

    def close(self) -> None:
        """End the connection. An open trial stays with its guardian."""
        self._channel.close()
        if self._child is not None:
            self._child.leave()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, method: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
        """Make one call and return the parameters of its reply.

        Raises:
            KeyboardInterrupt: Ctrl-C came; what was asked is done all the same.
        """
        reply, stopped = self._exchange(method, parameters)
        if stopped:
            raise KeyboardInterrupt
        return reply

    def _exchange(
        self,
        method: str,
        parameters: Mapping[str, object],
        *,
        progress: Callable[[int, int, Item], None] | None = None,
        timeout: float | None = None,
        cancel: bool = False,
        at_once: bool = False,
    ) -> tuple[Mapping[str, object], bool]:
        """Make one call; return the parameters of its last reply, and whether Ctrl-C came.

        The first Ctrl-C does not leave a reply behind, that the next call would take for its own;
        the second ends the connection.

        Args:
            method: Its name within our interface.
            parameters: Its arguments.
            progress: Is told of each step on the way.
            timeout: Seconds of silence that are borne.
            cancel: On Ctrl-C, ask the helper to stop and to put things back.
            at_once: Ctrl-C ends the connection the first time.
        """
        flags = {"more": True} if progress else {}
        try:
            with self._calling:
                self._channel.send(f"{INTERFACE}.{method}", parameters, **flags)
                return self._replies(progress, timeout, cancel, at_once)
        except ChannelError as error:
            raise self._gone(error) from error

    def _replies(
        self,
        progress: Callable[[int, int, Item], None] | None,
        timeout: float | None,
        cancel: bool,
        at_once: bool,
    ) -> tuple[Mapping[str, object], bool]:
        stopped = False
        while True:
            try:
                reply = self._channel.receive(timeout)
            except KeyboardInterrupt:
                if stopped or at_once:
                    self._channel.close()
                    raise
                stopped = True
                if cancel:
                    self.cancel()
                continue
            given = reply.get("parameters", {})
            if not isinstance(given, dict):
                raise helper_errors.malformed("parameters that are no object")
            if "error" in reply:
                error = helper_errors.from_reply(str(reply["error"]), given)
                if error.code == "no-guardian":
                    # By now it is confined and can start none: another helper may be able to.
                    self._channel.close()
                raise error
            if not reply.get("continues"):
                return given, stopped
            if progress is not None:
                progress(*read(Step, given.get("progress")))

    def _gone(self, error: ChannelError) -> HelperError:
        said = self._child.last_words() if self._child is not None else ""
        ending = helper_errors.gone if self._greeted else helper_errors.no_answer
        return ending(said or str(error))


class HelperLink(Protocol):
    """How a machine's helper is come by.

    Attributes:
        name: What stands between us and the helper: `sudo`, `root`, `demo`.
    """

    @property
    def name(self) -> str:
        """What stands between us and the helper."""

    def connect(self, *, ask: bool) -> Session:
        """Start a helper, or reach the running one.

        Args:
            ask: Whether sudo may ask for a password on the terminal; the caller has then stepped
                aside from it.

        Raises:
            NotInstalled: There is no helper that may be started.
            NotElevated: sudo did not start it.
            HelperError: It was started and did not answer.
        """

    def state(self) -> PublicState | None:
        """What anybody may know of trials, or None where nothing is known."""


class RealLink:
    """The helper of this machine, by way of sudo, or directly where we already are root."""

    def __init__(self, public: Path = PUBLIC, launcher: elevation.Launcher | None = None) -> None:
        self._public = PublicFile(public)
        self._launcher = elevation.Launcher() if launcher is None else launcher
        self.name = self._launcher.name

    def connect(self, *, ask: bool) -> Session:
        """Start a helper of our own; see `HelperLink.connect`."""
        command = self._launcher.command()
        if not self._launcher.needs_sudo:
            return _start(command, elevation.HELLO_TIMEOUT_S, by_sudo=False)
        ticket = self._launcher.with_ticket(command)
        try:
            return _start(ticket, elevation.HELLO_TIMEOUT_S)
        except NotElevated:
            if not ask:
                raise NotElevated(*elevation.NEEDS_PASSWORD) from None
        return _start(self._launcher.with_password(command), None)

    def state(self) -> PublicState | None:
        """What `/run/aitune/public.json` says."""
        return self._public.read()


def _start(command: Sequence[str], hello_timeout: float | None, *, by_sudo: bool = True) -> Session:
    ours, child = elevation.start(command)
    try:
        return Session(ours, child, hello_timeout=hello_timeout)
    except HelperError as error:
        if by_sudo and error.code == "no-answer" and child.is_refused_sudo():
            raise elevation.not_granted(child.last_words()) from error
        raise
