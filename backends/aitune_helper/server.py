"""The helper's conversation: calls in, answers out, over any pair of descriptors.

`Core` is what one helper can do; it knows no transport. `serve` carries one client's calls to it,
reads ahead while something is being applied so that `Cancel` or a closed connection stops it, and
ends with the connection or after ten minutes of silence.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Callable

from aitune_helper import (
    VERSION,
    apply,
    boot,
    callers,
    knobs,
    messages,
    recovery,
    requests,
    varlink,
)
from aitune_helper.actions import ACTIONS
from aitune_helper.faults import refused, unavailable
from aitune_helper.guardian import ThreadGuardian
from aitune_helper.journal import CorruptJournalError, Journal
from aitune_helper.messages import Attempt, Caller, HelloReply, Item, Layer, Plan, Trial
from aitune_helper.places import journal_group, prepare
from aitune_helper.state import boottime
from aitune_helper.trial import Kept, Trials
from aitune_helper.varlink import Call, Fault, FrameError, Object

if TYPE_CHECKING:
    from aitune_helper.guardian import Guardian
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.places import Places
    from aitune_helper.state import Clock
    from aitune_helper.writing import Progress

MIN_TTL_S = 5.0
MAX_TTL_S = 3600.0
IDLE_S = 600.0
HISTORY_MAX = 1000
HISTORY_BYTES = varlink.FRAME_MAX - 1024
_READ_BYTES = 65536
# How much may be said ahead while something is being applied: a longest frame, and what is cut.
_AHEAD_MAX = varlink.FRAME_MAX + 2 * _READ_BYTES


class Core:
    """What one helper does for its clients.

    Args:
        kernel: The machine.
        places: Where state lies; made ready here.
        clock: Seconds that go on in suspend.
        wall: Wall clock, for display.
        min_ttl_s: The shortest countdown that is taken.
        guardian: Makes the guardian from the trials; a thread of this process by default.
        container: What kind of container this is, or "": then writing needs `force`.
        bundle_sha256: Digest of the zipapp we run from, or "".
        witness: Told each journalled event in one line.
        sandbox: How this process is confined; empty where it is somebody's own.
        self_test: Tries to break out of that, where there is anything to break out of.
        readers: Which of our files are read here at boot.

    Raises:
        OSError: The directories cannot be made, or are not ours alone.
    """

    def __init__(
        self,
        kernel: KernelIO,
        places: Places,
        *,
        clock: Clock = boottime,
        wall: Clock = time.time,
        min_ttl_s: float = MIN_TTL_S,
        guardian: Callable[[Trials], Guardian] = ThreadGuardian,
        container: str = "",
        bundle_sha256: str = "",
        witness: Callable[[str], None] | None = None,
        sandbox: tuple[Layer, ...] = (),
        self_test: Callable[[], tuple[Attempt, ...]] = tuple,
        readers: frozenset[str] = boot.MECHANISMS,
    ) -> None:
        prepare(places)
        journal = Journal(places.journal, group=journal_group(), wall=wall, witness=witness)
        self.trials = Trials(kernel, places, journal, clock=clock, wall=wall, readers=readers)
        self.guardian = guardian(self.trials)
        self._kernel = kernel
        self._min_ttl_s = min_ttl_s
        self._container = container
        self._bundle_sha256 = bundle_sha256
        self._sandbox = sandbox
        self.self_test = self_test
        self.guardian.start()
        recovery.recover(self.trials)

    def close(self) -> None:
        """Let go of the guardian; it goes on if a trial is open."""
        self.guardian.close()

    @property
    def busy(self) -> bool:
        """Whether a trial is open: then this helper does not go to sleep."""
        return self.trials.pending() is not None

    def hello(self, caller: Caller) -> HelloReply:
        """Say who we are and what is open."""
        self.guardian.meet()
        return HelloReply(
            messages.PROTOCOL,
            VERSION,
            self._bundle_sha256,
            knobs.table_hash(),
            os.geteuid(),
            caller.uid,
            caller.attested,
            self.trials.journal.writable(),
            self.guardian.kind,
            self._container,
            self.trials.pending(),
            tuple(self.trials.notices),
            self._sandbox,
        )

    def plan(
        self,
        changes: tuple[messages.Change, ...],
        *,
        force: bool,
        arms: tuple[messages.ArmChanges, ...] = (),
    ) -> Plan:
        """Check changes; also say what our files set at boot for them."""
        self.guardian.meet()
        made = apply.checked_plan(self.trials, changes, arms, force=force)
        said = self.trials.lasting.said_of(made.items)
        return made._replace(warnings=made.warnings + said)

    def apply(
        self,
        wanted: apply.Wanted,
        caller: Caller,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Progress = lambda done, total, item: None,
    ) -> Trial:
        """Write what is wanted and leave it pending, or put all back."""
        self._check_ttl(wanted.ttl_s)
        if self._container and not wanted.force:
            raise refused(
                "", "", f"this is a container ({self._container}): if it stops, nothing is put back"
            )
        application = apply.Application(
            self.trials, wanted, caller, cancelled=cancelled, progress=progress
        )
        return application.run(self.guardian)

    def act(self, action: str, caller: Caller) -> None:
        """Do something once, after it is in the journal; a trial of the caller's own may be open.

        The lock is let go of before the kernel begins: it may take minutes, and a guardian whose
        time has come must not wait for that.

        Raises:
            Fault: `Busy`, `Refused`, `JournalUnavailable`.
        """
        chosen, trials = ACTIONS[action], self.trials
        with trials.locked():
            trials.refuse_if_open(but_of=caller)
            self._note_action(action, caller)
        try:
            self._kernel.write(chosen.path, chosen.value)
        except OSError as error:
            raise refused("", "", f"{action}: the kernel refused: {error.strerror}") from error

    def _note_action(self, action: str, caller: Caller) -> None:
        """Write its line, which names the trial that is open: the last line says how it stands."""
        trials, pending = self.trials, self.trials.pending()
        try:
            if pending is not None:
                trials.note("act", pending, caller, action=action)
            else:
                entry = {"action": action, "caller": messages.to_object(caller)}
                trials.journal.append("act", entry)
        except (OSError, CorruptJournalError) as error:
            raise unavailable(error) from error

    def history(self, limit: int, before: int) -> messages.Past:
        """A page of the journal: as many trials as were asked for, as far as a frame holds them."""
        limit = max(1, min(limit, HISTORY_MAX))
        return self.trials.journal.history(limit, before, bytes_max=HISTORY_BYTES)

    def extend(self, trial_id: str, ttl_s: float, caller: Caller) -> Trial:
        """Give a trial more time, once its guardian says that it is still there."""
        self._check_ttl(ttl_s)
        return self.trials.extend(trial_id, ttl_s, caller, first=self.guardian.arm)

    def switch(
        self,
        trial_id: str,
        arm: str,
        caller: Caller,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Progress = lambda done, total, item: None,
    ) -> Trial:
        """Bring another arm of a comparison into force, or put all back."""
        switching = apply.Switching(
            self.trials, self.guardian, caller, cancelled=cancelled, progress=progress
        )
        with self.trials.locked():
            return switching.run(trial_id, arm)

    def keep(
        self,
        trial_id: str,
        caller: Caller,
        *,
        persist: bool,
        arm: str = "",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Kept:
        """Keep a trial as it stands; with `arm`, once that one is in force."""
        switching = apply.Switching(
            self.trials, self.guardian, caller, cancelled=cancelled, progress=lambda *_: None
        )
        return self.trials.keep(
            trial_id,
            caller,
            persist=persist,
            first=lambda trial: switching.ensure(trial, arm) if arm else trial,
        )

    def _check_ttl(self, ttl_s: float) -> None:
        if not self._min_ttl_s <= ttl_s <= MAX_TTL_S:
            bounds = f"{self._min_ttl_s:g} to {MAX_TTL_S:g}"
            raise refused("", "", f"a trial lasts {bounds} seconds before it is put back")


def serve(
    core: Core, rfd: int, wfd: int, caller: Caller | None = None, *, idle_s: float = IDLE_S
) -> None:
    """Answer one client until it goes, breaks the rules, or is silent for `idle_s` seconds.

    Args:
        core: What is offered.
        rfd: Where calls come from; not closed here.
        wfd: Where answers go; not closed here.
        caller: Who the client is; by default what the socket says.
        idle_s: Longest silence while no trial is open.
    """
    Conversation(core, rfd, wfd, caller or callers.caller(rfd), idle_s).run()


class Conversation:
    """One client's calls, one after another."""

    def __init__(self, core: Core, rfd: int, wfd: int, caller: Caller, idle_s: float) -> None:
        self._core = core
        self._rfd = rfd
        self._wfd = wfd
        self._caller = caller
        self._idle_s = idle_s
        self._splitter = varlink.Splitter()
        self._waiting: list[Call] = []
        self._ahead = 0
        self._greeted = False
        self._ended = False
        self._cancel = False

    def run(self) -> None:
        """Answer calls in their order."""
        while True:
            call = self._next()
            if call is None:
                return
            self._answer(call)

    def _next(self) -> Call | None:
        """The next call; None when there will be none."""
        while not self._waiting:
            self._ahead = 0
            if self._ended:
                return None
            if not self._readable(self._idle_s):
                if self._core.busy:
                    continue
                return None
            self._read()
        return self._waiting.pop(0)

    def _readable(self, wait_s: float) -> bool:
        return bool(select.select([self._rfd], [], [], wait_s)[0])

    def _read(self) -> None:
        """Take what has come; a broken rule ends the conversation after what was whole."""
        try:
            data = os.read(self._rfd, _READ_BYTES)
            if not data:
                self._ended = True
            self._ahead += len(data)
            if self._ahead > _AHEAD_MAX:
                raise FrameError("too much is said before the answer")
            for frame in self._splitter.feed(data):
                call = varlink.parse_call(frame)
                if call.method == f"{messages.INTERFACE}.Cancel":
                    self._cancel = True
                else:
                    self._waiting.append(call)
        except FrameError as error:
            self._ended = True
            self._waiting.clear()
            self._send(varlink.fault_frame(_invalid(str(error))))
        except OSError:
            self._ended = True

    def _cancelled(self) -> bool:
        """Whether the client has said `Cancel` or is gone; looked at between steps."""
        while not self._ended and self._readable(0):
            self._read()
        return self._cancel or self._ended

    def _answer(self, call: Call) -> None:
        self._cancel = False
        try:
            parameters = self._dispatch(call)
        except Fault as fault:
            if not call.oneway:
                self._send(varlink.fault_frame(fault))
            return
        if not call.oneway:
            self._send(varlink.reply(parameters))

    def _dispatch(self, call: Call) -> Object:
        """Find the method, check its parameters, do it."""
        if call.method.startswith(varlink.SERVICE + "."):
            return requests.describe(call)
        interface, _, name = call.method.rpartition(".")
        if interface != messages.INTERFACE:
            raise Fault(f"{varlink.SERVICE}.InterfaceNotFound", {"interface": interface})
        if name not in requests.METHODS:
            raise Fault(f"{varlink.SERVICE}.MethodNotFound", {"method": call.method})
        if not self._greeted and name != "Hello":
            self._ended = True
            self._waiting.clear()
            raise Fault("ProtocolMismatch")
        try:
            request = messages.from_object(requests.METHODS[name], call.parameters, strict=True)
            requests.check_words(request)
        except ValueError as error:
            raise _invalid(str(error)) from error
        return self._do(request, call)

    def _do(self, request: object, call: Call) -> Object:
        """Carry one checked request to the core."""
        core, trials, caller = self._core, self._core.trials, self._caller
        if isinstance(request, requests.Hello):
            if request.protocol_max < messages.PROTOCOL:
                raise Fault("ProtocolMismatch")
            self._greeted = True
            return _object(core.hello(caller))
        if isinstance(request, requests.Plan):
            made = core.plan(request.changes, force=request.force, arms=request.arms)
            return {"plan": messages.to_object(made)}
        if isinstance(request, apply.Wanted):
            progress = self._progress(more=call.more)
            return _trial(core.apply(request, caller, cancelled=self._cancelled, progress=progress))
        if isinstance(request, requests.Switch):
            progress = self._progress(more=call.more)
            return _trial(
                core.switch(
                    request.id, request.arm, caller, cancelled=self._cancelled, progress=progress
                )
            )
        if isinstance(request, requests.Extend):
            return _trial(core.extend(request.id, request.ttl_s, caller))
        if isinstance(request, requests.Keep):
            kept = core.keep(
                request.id,
                caller,
                persist=request.persist,
                arm=request.arm,
                cancelled=self._cancelled,
            )
            return {**_trial(kept.trial), "files": list(kept.files)}
        if isinstance(request, requests.Revert):
            return _trial(trials.revert(request.id, caller))
        if isinstance(request, requests.History):
            return _object(core.history(request.limit, request.before))
        if isinstance(request, requests.SelfTest):
            return {"attempts": messages.to_object(core.self_test())}
        if isinstance(request, requests.Unpersist):
            return {"files": list(trials.unpersist(request.knobs, caller))}
        if isinstance(request, requests.Act):
            core.act(request.action, caller)
            return {}
        raise AssertionError(f"no way to do {call.method}")

    def _progress(self, *, more: bool) -> Progress:
        """What tells the client of each step, if it has asked for that."""

        def progress(done: int, total: int, item: Item) -> None:
            if more:
                step = {"done": done, "total": total, "item": messages.to_object(item)}
                self._send(varlink.reply({"progress": step}, continues=True))

        return progress

    def _send(self, frame: bytes) -> None:
        """Write one frame; a client that is gone is noticed at the next read."""
        with contextlib.suppress(OSError):
            while frame:
                frame = frame[os.write(self._wfd, frame) :]


def _trial(trial: Trial) -> Object:
    return {"trial": messages.to_object(trial)}


def _object(record: object) -> Object:
    made = messages.to_object(record)
    return made if isinstance(made, dict) else {}


def _invalid(reason: str) -> Fault:
    return Fault(f"{varlink.SERVICE}.InvalidParameter", {"parameter": reason})
