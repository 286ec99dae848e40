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
from aitune_tui.drifting import DriftWatch
from aitune_tui.selection import Statuses

if TYPE_CHECKING:
    from textual.message import Message

    from aitune_backends.hugepage_users import HugePageUsers, Watch
    from aitune_backends.machine import Machine
    from aitune_backends.public_state import PublicFile
    from aitune_backends.readings import LoadSeen, Sample
    from aitune_backends.sampler import Sampler
    from aitune_backends.setting_reader import SettingReader
    from aitune_backends.setting_watch import SettingWatch
    from aitune_helper.messages import PublicState
    from aitune_tui.selection import Selection

SURVEY_SECONDS = 5.0
# What is no setting changes seldom, and costs more to look over.
DIAGNOSIS_SECONDS = 60.0


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
        self._watch = DriftWatch()
        self._settings: SettingWatch | None = None
        self._reader: SettingReader | None = None
        self._file: PublicFile | None = None
        self._asked: tuple[Selection, str] | None = None
        self._passed = clock()
        self._next_survey = float("-inf")
        self._again = False
        self._loads: tuple[LoadSeen, ...] = ()
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
        self._loads = sample.loads
        link = self._machine.link
        self._post(events.SampleTaken(sample, link.state() if link is not None else None))
        moved = self._moved(sample)
        if again or moved or self._clock() >= self._next_survey:
            self._next_survey = self._clock() + SURVEY_SECONDS
            host = self._machine.host
            owned = owners.read_owners(host)
            reader = self._reading(again=again or moved)
            statuses = Statuses(survey.survey(host, sample, self._goal, owned, reader))
            facts = describe.gather(host, ())
            found = self._watch.compare(statuses, self._public(), owned, sample.wall)
            self._post(events.SurveyTaken(statuses, facts, owned, found, sample.wall))
            users = self._look_at_users()
            self._post(events.PoolsSeen(planner.plan_pools(host), users))
        self._answer()

    def ask(self, selection: Selection, wanted: str) -> None:
        """Have read what has to be read of the machine to explain some targets in full.

        Args:
            selection: The targets.
            wanted: The value that is to last, "" for the present one.
        """
        self._asked = selection, wanted
        self._wake.set()

    def _answer(self) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        from aitune_backends.explanation import read_ground

        selection, wanted = asked
        ground = read_ground(self._machine.host, selection.knob, selection.statuses, wanted)
        self._post(events.GroundRead(selection, wanted, ground))

    def _public(self) -> PublicState | None:
        """What is published of trials, also where nothing can be written from here."""
        link = self._machine.link
        if link is not None:
            return link.state()
        if self._machine.origin != "live":
            return None
        if self._file is None:
            from aitune_backends.public_state import PublicFile

            self._file = PublicFile()
        return self._file.read()

    def _look_at_users(self) -> HugePageUsers:
        if self._users is None:
            from aitune_backends.hugepage_users import Watch

            self._users = Watch(self._machine.host)
        return self._users.look(self._clock())

    def _reading(self, *, again: bool) -> SettingReader:
        """What remembers settings that come by the hundred, from look to look."""
        from aitune_backends.setting_reader import SettingReader

        if self._reader is None:
            self._reader = SettingReader(self._machine.host)
        elif again:
            self._reader.forget()
        return self._reader

    def _sample(self, *, refresh: bool) -> Sample:
        if self._sampler is None:
            from aitune_backends.sampler import Sampler

            self._sampler = Sampler(self._machine.host, clock=self._clock, wall=self._wall)
        if refresh:
            self._sampler.refresh()
        return self._sampler.sample()

    def _moved(self, sample: Sample) -> bool:
        """Whether anything was set since the last tick: then a survey is due at once."""
        if self._settings is None:
            from aitune_backends.setting_watch import SettingWatch

            self._settings = SettingWatch(self._machine.host)
        moved = self._settings.moved(sample)
        if self._settings.in_turn and self._sampler is not None:
            self._sampler.refresh()  # and the next tick surveys what it then finds
        return moved

    def _let_time_pass(self) -> None:
        """The demo moves with our own clock, just before it is read: so its rates are exact."""
        now = self._clock()
        if self._machine.advance is not None:
            self._machine.advance(now - self._passed)
        self._passed = now

    def diagnose(self) -> None:
        """Look the machine over: what is wrong with it, and what it cannot do."""
        from aitune_backends.doctor import findings  # nothing on the first screen needs it

        self._post(events.FindingsMade(findings(self._machine, self._loads)))

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
        if self._settings is not None:
            self._settings.close()

    def _run(self) -> None:
        due = float("-inf")
        while not self._stopping:
            began = self._clock()
            self._wake.clear()
            hurried = self._again
            try:
                self.look()
                if hurried or began >= due:
                    due = began + DIAGNOSIS_SECONDS
                    self.diagnose()
            except Exception as error:  # noqa: BLE001 - a fault here must not freeze the screen
                self._post(events.LookFailed(f"Reading failed: {type(error).__name__}: {error}."))
            self._rest_until(began + self._interval)

    def _rest_until(self, due: float) -> None:
        """Wait for the next tick, and answer between two what the operator points at."""
        while not (self._stopping or self._again) and (left := due - self._clock()) > 0:
            self._wake.wait(left)
            self._wake.clear()
            self._answer()
