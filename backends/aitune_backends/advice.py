"""Judging one target: as advised, worth a look, or without any effect on this machine.

Pure: everything it depends on is an argument. A value that can have no effect is `inert` whatever
it is; advice is then still named, since it may gain one, but it asks for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.catalogue import INFERENCE, Entry, size_text
from aitune_backends.inert import why_inert
from aitune_backends.targets import DIFFERS, INERT, INFO, OK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitune_backends.situation import Situation, Subject

# Disks made of memory or of files, and what is behind several paths: nothing is advised for them.
_MADE_UP = re.compile(r"(loop|ram|zram|sr|fd|nbd)[0-9]+|nvme[0-9]+c[0-9]+n[0-9]+")
_NVME = re.compile(r"nvme[0-9]+n[0-9]+")
# Programs that free memory themselves once a minute, on average, are no accident any more.
_STALLS_AN_HOUR = 60
# Drivers round what they are told: a limit this near the hardware's is no cap.
_NEARLY = 0.99


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a target: its state, the value advised, and one sentence why."""

    state: str
    advised: str | None = None
    reason: str = ""


class _Advice(NamedTuple):
    """What is advised here: a value or none, whether the present one serves as well, and why."""

    value: str | None
    serves: bool = False
    why: str = ""


def judge(entry: Entry, subject: Subject, situation: Situation) -> Judgement:
    """Judge one target that was read.

    Args:
        entry: What is known of its knob.
        subject: The target.
        situation: The machine around it.
    """
    advice = _advice(entry, subject, situation)
    inert = why_inert(subject, situation)
    if inert:
        return Judgement(INERT, advice.value, inert.reason)
    if advice.value is None:
        return Judgement(INFO, None, advice.why or _info(subject))
    if subject.value == advice.value or advice.serves or entry.is_as_good(subject.value):
        return Judgement(OK, advice.value)
    reason = advice.why or entry.differs.format(value=subject.value, advised=advice.value)
    return Judgement(DIFFERS, advice.value, reason)


def _advice(entry: Entry, subject: Subject, situation: Situation) -> _Advice:
    """What is advised here: as everywhere, where no rule knows better."""
    if subject.disk is not None and is_made_up(subject.instance):
        return _Advice(None)
    depends = _DEPENDS.get(subject.knob)
    found = depends(subject, situation) if depends else None
    return found or _Advice(entry.advice[situation.goal])


def is_made_up(disk: str) -> bool:
    """Whether a block device is no disk of its own: a loop, memory, one path of several."""
    return _MADE_UP.fullmatch(disk) is not None


def _scheduler(subject: Subject, _situation: Situation) -> _Advice:
    """The scheduler the kernel itself starts a disk with, where its kind tells."""
    disk = subject.disk
    if disk is None:
        return _Advice(None)
    if _NVME.fullmatch(disk.name):
        return _Advice("none")
    if disk.rotational and disk.name.startswith("sd") and "mq-deadline" in disk.schedulers:
        return _Advice("mq-deadline", serves=subject.value == "bfq")
    return _Advice(None)


def _highest_frequency(subject: Subject, _situation: Situation) -> _Advice:
    """No cap: what the hardware of this policy can."""
    most = subject.policy.hardware_max_khz if subject.policy else None
    if most is None:
        return _Advice(None)
    now = subject.policy.max_khz if subject.policy else None
    return _Advice(str(most), serves=now is not None and now >= most * _NEARLY)


def _watermarks(_subject: Subject, situation: Situation) -> _Advice:
    """More room only where /proc/vmstat shows that memory was not free in time."""
    stalls = situation.stalls
    if stalls is None or situation.goal == INFERENCE:
        return _Advice(None)
    seen = (
        f"Programs freed memory themselves {stalls.programs:,} times since the machine started, "
        f"and the kernel's thread fell behind {stalls.kernel:,} times: "
        f"{stalls.an_hour:,.0f} an hour"
    )
    if stalls.an_hour < _STALLS_AN_HOUR:
        return _Advice(None, why=f"{seen}, too few to act on.")
    return _Advice("50", why=f"{seen}.")


def _boost(subject: Subject, situation: Situation) -> _Advice | None:
    """As everywhere, unless nobody can say what it would give, or another switch decides."""
    if situation.drivers == {"cppc_cpufreq"}:
        return _Advice(None, why="cppc_cpufreq starts with 0; what 1 would give here is not known.")
    if subject.knob == "cpu.policy_boost" and situation.settings.get("cpu.boost") == "0":
        return _Advice(None, why="cpu.boost is 0, which holds for all policies.")
    return None


_DEPENDS: Mapping[str, Callable[[Subject, Situation], _Advice | None]] = {
    "block.scheduler": _scheduler,
    "cpu.boost": _boost,
    "cpu.policy_boost": _boost,
    "cpu.max_freq": _highest_frequency,
    "vm.watermark_scale_factor": _watermarks,
}


def _info(subject: Subject) -> str:
    """What is worth saying of a target for which nothing is advised."""
    pool = subject.pool
    if pool is None:
        return ""
    if not pool.total:
        return "No page is kept aside; only programs that ask for huge pages would use them."
    size = size_text(pool.size_kib)
    return f"{pool.total - pool.free} of {pool.total} pages of {size} are in use."
