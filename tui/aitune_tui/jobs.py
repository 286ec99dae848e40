"""What the dashboard asks of the root helper: one thread, one session, one job after the other."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aitune_backends.helper_errors import HelperError
from aitune_helper.messages import ACCEPT, AS_WANTED, PENDING
from aitune_tui import events
from aitune_tui.exercising import RunExercise

if TYPE_CHECKING:
    from textual.message import Message

    from aitune_backends.helper_client import HelperLink, Session
    from aitune_helper.messages import Change, Item

# What a change that is kept at once may take to be read back and kept, before the guardian acts.
KEEP_AT_ONCE_SECONDS = 60.0
_HISTORY = 100


@dataclass(frozen=True, slots=True)
class Connect:
    """Only come by a session."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Write a plan.

    Attributes:
        changes: With the values the plan showed as expected.
        plan_hash: What the plan was called.
        try_seconds: Length of the countdown; 0 keeps at once what came out as wanted.
        persist: Whether keeping it also sets it at boot.
        title: What it is, for a list.
        undo_of: Id of the kept trial it puts back.
    """

    changes: tuple[Change, ...]
    plan_hash: str
    try_seconds: float
    persist: bool
    title: str
    undo_of: str | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep an open trial."""

    trial_id: str
    persist: bool


@dataclass(frozen=True, slots=True)
class PutBack:
    """Put an open trial back."""

    trial_id: str


@dataclass(frozen=True, slots=True)
class Act:
    """Have the kernel do something once.

    Attributes:
        action: Its id.
        then: What is planned again when it is done, or None.
    """

    action: str
    then: Change | None = None


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read the journal."""


Job: TypeAlias = Connect | Apply | Keep | PutBack | Act | ReadHistory | RunExercise


class HelperDesk:
    """Runs jobs in a daemon thread of its own and posts what came of them.

    Args:
        link: How the helper is come by.
        post: Takes the messages; safe to call from any thread.
    """

    def __init__(self, link: HelperLink, post: Callable[[Message], object]) -> None:
        self._link = link
        self._post = post
        self._session: Session | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def adopt(self, session: Session) -> None:
        """Use a session that was opened while the dashboard had stepped aside."""
        self._drop()
        self._session = session
        self._post(events.HelperAnswered(session.hello, self._link.name))

    def do(self, job: Job) -> None:
        """Queue a job. The thread starts with the first one: looking needs none."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="helper-desk", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def is_over(self) -> bool:
        """Whether there was a helper, and it has ended; safe to call from any thread."""
        session = self._session
        return session is not None and session.is_over

    def stop(self) -> None:
        """Have the apply that runs stop between two steps, and put back what it wrote.

        Safe to call from any thread; it changes nothing where none runs.
        """
        session = self._session
        if session is not None:
            with contextlib.suppress(HelperError):  # it is gone, which the desk finds by itself
                session.cancel()

    def close(self, patience: float) -> None:
        """End the session; an open trial stays with its guardian.

        Args:
            patience: Seconds that the job which runs may take to come to its end.
        """
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(timeout=patience)
        self._drop()

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._work(job)
            except HelperError as error:
                if error.code == "gone":
                    self._drop()
                self._post(events.HelperRefused(error, job))
            except OSError as error:
                self._drop()
                reason = HelperError("gone", f"The root helper cannot be reached: {error}.")
                self._post(events.HelperRefused(reason, job))

    def _work(self, job: Job) -> None:
        session = self._reach()
        match job:
            case Connect():
                pass
            case Apply():
                self._apply(session, job)
            case Keep():
                self._post(events.TrialKept(*session.keep(job.trial_id, job.persist)))
            case PutBack():
                self._post(events.TrialPutBack(session.revert(job.trial_id)))
            case Act():
                session.act(job.action)
                self._post(events.ActionDone(job.action, job.then))
            case RunExercise():
                job.run(session, self._link, lambda s: self._post(events.ExerciseStepped(s)))
            case ReadHistory():
                history = session.history(_HISTORY)
                self._post(events.HistoryRead(history.trials, history.damaged))

    def _reach(self) -> Session:
        """The open session, or a new one that asks nobody.

        A helper ends by itself when it has had nothing to do for ten minutes.
        """
        if self._session is not None and not self._answers(self._session):
            self._drop()
        if self._session is None:
            self._session = self._link.connect(ask=False)
            self._post(events.HelperAnswered(self._session.hello, self._link.name))
        return self._session

    @staticmethod
    def _answers(session: Session) -> bool:
        try:
            session.plan(())
        except HelperError as error:
            return error.code != "gone"
        return True

    def _apply(self, session: Session, job: Apply) -> None:
        """Apply; keep at once what was asked so and came out as wanted.

        What fell short stays open, with its countdown, as a question to the operator.
        """

        def progress(done: int, total: int, item: Item) -> None:
            self._post(events.StepDone(done, total, item))

        trial = session.apply(
            job.changes,
            job.plan_hash,
            ttl_s=job.try_seconds or KEEP_AT_ONCE_SECONDS,
            on_partial=ACCEPT,
            persist=job.persist,
            title=job.title,
            undo_of=job.undo_of,
            progress=progress,
        )
        as_wanted = all(item.status in AS_WANTED for item in trial.items)
        if trial.state == PENDING and not job.try_seconds and as_wanted:
            self._post(events.TrialKept(*session.keep(trial.id, job.persist)))
        else:
            self._post(events.TrialApplied(trial))
