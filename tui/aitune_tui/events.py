"""What the threads behind the screens report. Threads post these and never touch a widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from aitune_backends.describe import ChangeText, Facts
    from aitune_backends.doctor import Finding
    from aitune_backends.exercise import Step
    from aitune_backends.explanation import Ground
    from aitune_backends.exports.aims import Exported
    from aitune_backends.helper_errors import HelperError
    from aitune_backends.hugepage_users import HugePageUsers
    from aitune_backends.loads.records import Event, LoadResult
    from aitune_backends.owners import Owners
    from aitune_backends.planner import PoolOutlook
    from aitune_backends.readings import Sample
    from aitune_helper.messages import Change, HelloReply, Item, Plan, PublicState, Trial
    from aitune_tui.drifting import Found
    from aitune_tui.jobs import Job
    from aitune_tui.profiling import Compared, Known
    from aitune_tui.selection import Selection, Statuses
    from aitune_tui.state import NoticeKind


class SampleTaken(Message):
    """One tick was read. A flood of them collapses to the latest."""

    def __init__(self, sample: Sample, public: PublicState | None) -> None:
        super().__init__()
        self.sample = sample
        self.public = public

    def can_replace(self, message: Message) -> bool:
        """An older sample that nobody has looked at yet is worth nothing."""
        return isinstance(message, SampleTaken)


class SurveyTaken(Message):
    """Every setting was read and judged, and compared with the survey before."""

    def __init__(
        self, statuses: Statuses, facts: Facts, owners: Owners, found: Found, wall: float
    ) -> None:
        super().__init__()
        self.statuses = statuses
        self.facts = facts
        self.owners = owners
        self.found = found
        self.wall = wall


class GroundRead(Message):
    """What had to be read of the machine to explain some targets."""

    def __init__(self, selection: Selection, wanted: str, ground: Ground) -> None:
        super().__init__()
        self.selection = selection
        self.wanted = wanted
        self.ground = ground


class PoolsSeen(Message):
    """What the pools of huge pages could become was estimated, and who uses them looked up."""

    def __init__(self, outlooks: tuple[PoolOutlook, ...], users: HugePageUsers) -> None:
        super().__init__()
        self.outlooks = outlooks
        self.users = users


class FindingsMade(Message):
    """What this machine cannot do was looked up."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__()
        self.findings = findings


class LookFailed(Message):
    """A reading thread met a fault of ours; the dashboard stays up and says so."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence


class HelperAnswered(Message):
    """The helper said hello."""

    def __init__(self, hello: HelloReply, name: str) -> None:
        super().__init__()
        self.hello = hello
        self.name = name


class HelperRefused(Message):
    """The helper did not do a job, or could not be reached for it."""

    def __init__(self, error: HelperError, job: Job) -> None:
        super().__init__()
        self.error = error
        self.job = job


class StepDone(Message):
    """One target of a running apply was written, or one step of it."""

    def __init__(self, done: int, total: int, item: Item) -> None:
        super().__init__()
        self.done = done
        self.total = total
        self.item = item

    def can_replace(self, message: Message) -> bool:
        """Only the latest count matters."""
        return isinstance(message, StepDone)


class ActionDone(Message):
    """The kernel did something once; `then` is what is to be planned again, or None."""

    def __init__(self, action: str, then: Change | None) -> None:
        super().__init__()
        self.action = action
        self.then = then


class TrialApplied(Message):
    """A plan was applied; the trial is open, or went back at once."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial


class TrialKept(Message):
    """A trial was kept."""

    def __init__(self, trial: Trial, files: tuple[str, ...]) -> None:
        super().__init__()
        self.trial = trial
        self.files = files


class TrialPutBack(Message):
    """A trial was put back by the operator."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial


class HistoryRead(Message):
    """The journal was read."""

    def __init__(self, trials: tuple[Trial, ...], damaged: int) -> None:
        super().__init__()
        self.trials = trials
        self.damaged = damaged


class PlanMade(Message):
    """Changes were checked against the machine; `refusal` says why they cannot be, or is "".

    `files` are those that keeping them can also write, for the next boot.
    """

    def __init__(
        self,
        plan: Plan | None = None,
        meanings: tuple[ChangeText, ...] = (),
        *,
        files: tuple[str, ...] = (),
        refusal: str = "",
    ) -> None:
        super().__init__()
        self.plan = plan
        self.files = files
        self.meanings = meanings
        self.refusal = refusal


class Noted(Message):
    """Something happened that the operator should read at the bottom of the screen."""

    def __init__(self, kind: NoticeKind, text: str) -> None:
        super().__init__()
        self.kind = kind
        self.text = text


class LoadTestReported(Message):
    """A load test made progress or ended."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class ResultsRead(Message):
    """What was timed earlier was read."""

    def __init__(self, results: tuple[LoadResult, ...]) -> None:
        super().__init__()
        self.results = results


class ExercisePlanned(Message):
    """What an exercise would change was checked; the operator is asked next."""

    def __init__(self, title: str, plan: Plan, truths: tuple[str, ...]) -> None:
        super().__init__()
        self.title = title
        self.plan = plan
        self.truths = truths


class ExerciseStepped(Message):
    """The exercise went on by a step."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step


class ProfilesListed(Message):
    """Which profiles there are was looked up."""

    def __init__(self, known: tuple[Known, ...]) -> None:
        super().__init__()
        self.known = known


class ProfileCompared(Message):
    """The machine was compared with a profile; without a result, why the profile is none."""

    def __init__(self, name: str, compared: Compared | None, why: str) -> None:
        super().__init__()
        self.name = name
        self.compared = compared
        self.why = why


class ProfileExported(Message):
    """A profile was put into the form of another tool."""

    def __init__(self, name: str, form: str, exported: Exported) -> None:
        super().__init__()
        self.name = name
        self.form = form
        self.exported = exported
