"""What the dashboard says, besides what the command line says in the same words.

What is true now, then what to do, with the key that does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends import sentences as shared
from aitune_helper.messages import AS_WANTED, PARTIAL, PENDING
from aitune_tui.words import clock, counted

if TYPE_CHECKING:
    from aitune_backends.drift import Drift
    from aitune_backends.helper_errors import HelperError
    from aitune_helper.messages import Item, Trial
    from aitune_tui.events import ProfileExported

NEEDS_ROOT = "Applying needs root. w asks sudo once, here. y copies the plan as shell."
NO_TERMINAL = "There is no terminal that sudo could ask on."
ONLY_LIVE = "Only this machine's own disks can be timed."
QUIT_IN_TEST = "The load test that runs is cancelled; nothing of it counts."
WHAT_THE_HELPER_WRITES = "the settings it knows, its journal, 95-aitune files in /etc"
WRITING = "Writing."
NOTHING_FREES_MORE = (
    "What the page cache holds counts as available already: fewer pages, or memory that a program "
    "gives back."
)
OUTDATED = "The root helper that is installed is of another version than this program."
WRITES_NOTHING = "It knows other settings, so nothing is written until it is replaced."
ACTION_TITLES = {"compact_memory": "Compact memory", "drop_caches": "Drop the page cache"}
NO_OFFER = "No pool of huge pages came out short here."
EXPORT_WHERE = "P shows the profiles; x there copies one in the form of another tool."
ALREADY_SO = "It is as the profile wants it already."
NOTHING_STAGED = "Nothing staged. Space stages the advised value, Enter another one."
NOTHING_LEFT = "Nothing is left of the plan. What was staged is taken back."
NO_CHANGE_YET = "What is applied here is listed with its way back, also after it was put back."
HELPER_READY = "The root helper is ready."
NOTHING_TO_UNDO = "Nothing to undo. No change of this boot was kept."
NOT_KEPT = "Only what was kept can be undone; this one is not in force."
NO_ADVICE = "No value is advised here. Enter chooses one."
ALREADY_ADVISED = "It is as advised already. Enter chooses another value."
HELPER_ENDED = "The root helper ended. Nothing is pending. w starts it again."
CHART_FILLS = "The chart fills as time passes."
NO_DISK = "No disk is seen here."
NO_MEMORY_SETTING = "No setting of memory is seen here. 1 lists what is missing."
NO_LOAD = (
    "No process has a model file open.",
    "Start your server: the load shows up here by itself, with its rate and the time left.",
)
NO_FIX = "No setting mends this; what to do stands beside it."
NO_CPUFREQ = (
    "This kernel offers no CPU frequency control. Usual in a virtual machine: set it on the host."
)
TWO_BLOCKS = "Two blocks of runs are not a comparison."
_WHAT_TO_DO = {
    "busy": "Keep it (K) or put it back (R) first.",
    "stale": "Plan again.",
    "not-elevated": "y copies the plan as shell.",
    "not-installed": "w installs it.",
    "outdated": "w installs the one that belongs to this program.",
    "protocol": "w installs the one that belongs to this program.",
    "gone": "What is on trial goes back in time all the same. w starts it again.",
    "no-answer": "w starts it again.",
    "not-yours": "Its owner keeps it or puts it back.",
}


def outcome(item: Item) -> str:
    """One item in a line: `overcommit_memory 0 → 1`, with what was got where it differs."""
    name = item.knob.removeprefix("vm.")
    where = f" {item.instance}" if item.instance else ""
    text = f"{name}{where} {item.old} → {item.requested}"
    if item.effective is not None and (item.effective != item.requested or "hugepages" in name):
        text += f", got {item.effective}"
    return text


def put_back(trial: Trial, wall: float, *, by_time: bool) -> str:
    """A trial went back, by the operator or because its time ran out."""
    text = shared.reverted(trial, wall, by_time=by_time)
    return text if trial.complete else f"{text} 6 shows what to do."


def writing(done: int, total: int, item: Item) -> str:
    """How far an apply is; a pool that grows says what each node got."""
    text = f"{shared.growth(item)}." if shared.is_growing(item) else ""
    count = f"Writing {done} of {total}." if total > 1 else ""
    return " ".join(filter(None, (count, text))) or WRITING


def question(trial: Trial) -> str:
    """What an open trial that did not come out as wanted asks; "" if it did."""
    short = [item for item in trial.items if item.status not in AS_WANTED]
    if not short or trial.state != PENDING:
        return ""
    # The reason without its numbers: the question must fit; the list of changes has all of it.
    items = tuple(item._replace(note=item.note.partition(":")[0]) for item in trial.items)
    text = shared.not_as_wanted(items)
    accept = f"accept {short[0].effective}" if short[0].status == PARTIAL else "accept it so"
    return f"{text} Put back, or {accept}?"


def refusal(error: HelperError) -> str:
    """Why the helper did not do as asked, and what to do here."""
    return " ".join(part for part in (error.message, _WHAT_TO_DO.get(error.code, "")) if part)


def busy(trial: Trial, left: float | None, *, uid: int) -> str:
    """A trial is open, so nothing else can be planned; ours needs no owner's name."""
    text = shared.busy(trial, left)
    if trial.owner_uid != uid:
        return f"{text} `aitune-tui keep {trial.number}` or `revert` ends it."
    text = text.replace(f" of {trial.owner_name} is ", " is ", 1)
    return f"{text} {_WHAT_TO_DO['busy']}"


def short_title(trial: Trial) -> str:
    """What a trial was about in two words, for a marker in a chart."""
    knobs = tuple(dict.fromkeys(item.knob for item in trial.items))
    return trial.title or (knobs[0] if len(knobs) == 1 else shared.counted(len(knobs), "setting"))


def undone(trial: Trial, files: tuple[str, ...]) -> str:
    """A kept trial was undone, and the undo kept."""
    count = shared.counted(len(trial.items), "setting")
    text = f"Undone. {count} {'is' if len(trial.items) == 1 else 'are'} as before"
    return f"{text}, and {', '.join(files)} too." if files else f"{text}."


def nothing_left(trial: Trial, *, drifted: bool) -> str:
    """There is nothing of a kept trial that could be put back."""
    if drifted:
        return f"Trial {trial.number} is left alone: its settings were changed since."
    return f"Everything of trial {trial.number} is as it was already."


def quit_in_trial(trial: Trial, ends: float) -> str:
    """What becomes of the open trial if the dashboard is left."""
    return f"Quit? Trial {trial.number} goes on without you and is put back at {clock(ends)}."


def quit_staged(count: int) -> str:
    """What is staged is not written and would be forgotten."""
    what = "1 staged value is" if count == 1 else f"{count} staged values are"
    return f"{what} not written and forgotten."


def of_another(trial: Trial) -> str:
    """A key would end the trial of another account."""
    return f"{shared.not_yours(trial)} `aitune-tui keep {trial.number}` or `revert` ends it."


def kept_elsewhere(trial: Trial) -> str:
    """Another terminal has changed something: it is in the journal, so it is no alarm."""
    return f"{trial.owner_name}, trial {trial.number}: {shared.title(trial)}. Kept."


def drifted(drift: Drift, count: int) -> str:
    """Something changed and it was not our doing; said once for all that changed alike."""
    return f"{drift.sentence} So did {count - 1} more." if count > 1 else drift.sentence


def no_cpufreq(*, captured: bool) -> str:
    """Why no frequency can be set: a capture may only lack the files."""
    return "cpufreq is not in this capture." if captured else NO_CPUFREQ


def nothing_shown(filter_text: str, *, differs_only: bool) -> str:
    """Why a table is empty; "" where neither the filter nor `!` keeps anything from it."""
    if filter_text:
        return f'No setting matches "{filter_text}". Esc clears the filter.'
    return "Nothing here differs. ! shows every setting again." if differs_only else ""


def too_small(width: int, height: int) -> str:
    """The terminal cannot hold a screen."""
    return f"Needs 60 x 16; this is {width} x {height}."


def copied_export(event: ProfileExported) -> str:
    """An export was copied: how long it is, and how much of the profile is not in it."""
    lines = counted(len(event.exported.text.splitlines()), "line")
    said = f"Copied {event.name} as {event.form}: {lines}."
    left = len(event.exported.left)
    if not left:
        return f"{said} All of it is in there."
    them = "setting is" if left == 1 else "settings are"
    return f"{said} {left} {them} not in it; the text says which and why."
