"""Reading the machine, away from the screen: one daemon thread, one message a tick.

It is a thread of our own and not one of an executor's: those make quitting wait for a read that
hangs on a sick disk.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aitune_tui import events

if TYPE_CHECKING:
    from textual.message import Message

    from aitune_backends.hugepage_users import HugePageUsers, Watch
    from aitune_backends.machine import Machine
    from aitune_backends.readings import Sample
    from aitune_backends.sampler import Sampler

SURVEY_SECONDS = 5.0


class Looker:
    """Takes the samples and surveys of one machine.

    Args:
        machine: What is looked at.
        goal: What it is for; `set_goal` changes it.
        post: Takes the messages; safe to call from any thread.
        interval: Seconds between two samples.
        clock: Monotonic seconds.
        wall: Seconds since the epoch.
    """

    def __init__(
        self,
        machine: Machine,
        goal: str,
        post: Callable[[Message], object],
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._machine = machine
        self._goal = goal
        self._post = post
        self._interval = interval
        self._clock, self._wall = clock, wall
        self._sampler: Sampler | None = None
        self._users: Watch | None = None
        self._passed = clock()
        self._next_survey = float("-inf")
        self._again = False
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Read once: a sample, and the settings where they are due."""
        # In this thread and not before: no line of the first picture needs them.
        from aitune_backends import describe, owners, planner, survey

        again, self._again = self._again, False
        self._let_time_pass()
        sample = self._sample(refresh=again)
        link = self._machine.link
        self._post(events.SampleTaken(sample, link.state() if link is not None else None))
        if again or self._clock() >= self._next_survey:
            self._next_survey = self._clock() + SURVEY_SECONDS
            host = self._machine.host
            statuses = survey.survey(host, sample, self._goal, owners.read_owners(host))
            facts = describe.gather(host, ())
            self._post(events.SurveyTaken(statuses, facts, sample.wall))
            users = self._look_at_users()
            self._post(events.PoolsSeen(planner.plan_pools(host), users))

    def _look_at_users(self) -> HugePageUsers:
        if self._users is None:
            from aitune_backends.hugepage_users import Watch

            self._users = Watch(self._machine.host)
        return self._users.look(self._clock())

    def _sample(self, *, refresh: bool) -> Sample:
        if self._sampler is None:
            from aitune_backends.sampler import Sampler

            self._sampler = Sampler(self._machine.host, clock=self._clock, wall=self._wall)
        if refresh:
            self._sampler.refresh()
        return self._sampler.sample()

    def _let_time_pass(self) -> None:
        """The demo moves with our own clock, just before it is read: so its rates are exact."""
        now = self._clock()
        if self._machine.advance is not None:
            self._machine.advance(now - self._passed)
        self._passed = now

    def diagnose(self) -> None:
        """Look up what this machine cannot do."""
        from aitune_backends.doctor import findings  # nothing on the first screen needs it

        self._post(events.FindingsMade(findings(self._machine)))

    def set_goal(self, goal: str) -> None:
        """Judge by another goal, at once."""
        self._goal = goal
        self.hurry()

    def hurry(self) -> None:
        """Read everything again now: something was written, or a disk came or went."""
        self._again = True
        self._wake.set()

    def start(self) -> None:
        """Read on from a thread, until `stop`."""
        self._thread = threading.Thread(target=self._run, name="looker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a read that hangs is left behind with it."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=0.5)
            if self._thread.is_alive():
                return
        if self._sampler is not None:
            self._sampler.close()

    def _run(self) -> None:
        diagnosed = False
        while not self._stopping:
            began = self._clock()
            self._wake.clear()
            try:
                self.look()
                if not diagnosed:
                    diagnosed = True
                    self.diagnose()
            except Exception as error:  # noqa: BLE001 - a fault here must not freeze the screen
                self._post(events.LookFailed(f"Reading failed: {type(error).__name__}: {error}."))
            self._wake.wait(max(0.0, began + self._interval - self._clock()))
