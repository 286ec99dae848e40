"""Which values cannot be set on this machine now, though elsewhere they could, and why not.

The one place that decides it: a picker shows such a value with the reason, and the helper would
refuse it, or the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.amounts import memory_text
from aitune_backends.targets import Impossible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitune_backends.situation import Situation, Subject
    from aitune_helper.knobs import Knob

    Rule = Callable[[Knob, Subject, tuple[str, ...], Situation], tuple[Impossible, ...]]

# Every value but the present one.
ANY = ""
# Drivers that leave the frequency to the processor: they know these two words alone.
_LEAVES_IT = ("intel_pstate", "amd-pstate-epp")


def impossible(
    knob: Knob, subject: Subject, listed: tuple[str, ...], situation: Situation
) -> tuple[Impossible, ...]:
    """The values of one target that cannot be set here now, each with the reason.

    Args:
        knob: Its knob.
        subject: The target.
        listed: The words that its file lists now, for a choice.
        situation: The machine around it.
    """
    if knob.fixed:
        return (Impossible(ANY, f"{knob.fixed[:1].upper()}{knob.fixed[1:]}."),)
    rule = _RULES.get(knob.id)
    return rule(knob, subject, listed, situation) if rule else ()


def _preferences(
    knob: Knob, subject: Subject, listed: tuple[str, ...], situation: Situation
) -> tuple[Impossible, ...]:
    if situation.governors.get(subject.instance) != "performance":
        return ()
    why = (
        "Under the governor performance the processor prefers performance alone: choose another "
        "governor first."
    )
    return tuple(Impossible(word, why) for word in listed if word != "performance")


def _governors(
    knob: Knob, subject: Subject, listed: tuple[str, ...], situation: Situation
) -> tuple[Impossible, ...]:
    driver = subject.policy.driver if subject.policy else ""
    if driver in _LEAVES_IT:
        why = f"{driver} leaves the frequency to the processor and knows only these: {{}}."
        return _not_listed(knob, listed, why.format(" and ".join(listed)))
    return _modules(knob, subject, listed, situation)


def _modules(
    knob: Knob, subject: Subject, listed: tuple[str, ...], situation: Situation
) -> tuple[Impossible, ...]:
    if not situation.locked:
        return ()
    why = "Its module is not loaded, and none can be loaded any more until the next boot."
    return _not_listed(knob, listed, why)


def _not_listed(knob: Knob, listed: tuple[str, ...], why: str) -> tuple[Impossible, ...]:
    if not listed:  # nothing can be chosen at all, which is another matter
        return ()
    return tuple(Impossible(word, why) for word in knob.modules if word not in listed)


def _strict_accounting(
    knob: Knob, subject: Subject, listed: tuple[str, ...], situation: Situation
) -> tuple[Impossible, ...]:
    commit = situation.commit
    if commit is None or subject.value == "2" or commit.promised <= commit.limit:
        return ()
    return (
        Impossible(
            "2",
            f"{memory_text(commit.promised)} are promised, but mode 2 would allow "
            f"{memory_text(commit.limit)}: every next allocation would fail.",
        ),
    )


def _balancing(
    knob: Knob, subject: Subject, listed: tuple[str, ...], situation: Situation
) -> tuple[Impossible, ...]:
    if situation.nodes != 1:
        return ()
    return (Impossible(ANY, "This machine has one node: there is nothing to balance."),)


_RULES: Mapping[str, Rule] = {
    "cpu.epp": _preferences,
    "cpu.governor": _governors,
    "block.scheduler": _modules,
    "kernel.numa_balancing": _balancing,
    "vm.overcommit_memory": _strict_accounting,
}
