"""Governors with their preferences, and a scheduler with its options, there and back whole.

Few machines let a test set governors: here it is the made-up one, asked over its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from aitune_backends import describe, undo
from aitune_backends.helper_errors import HelperError
from aitune_helper import messages, plan
from aitune_helper.knobs import parse_listed
from aitune_helper.messages import Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.demo import DemoMachine
    from aitune_backends.helper_client import Session
    from aitune_helper.messages import Trial

POLICY = "/sys/devices/system/cpu/cpufreq/{}/"
OPTIONS = "/sys/block/sda/queue/iosched"
PSTATE = "/sys/devices/system/cpu/intel_pstate"
THP = "/sys/kernel/mm/transparent_hugepage"
FREE = "/proc/sys/vm/min_free_kbytes"
_QUEUE = ("scheduler", "nr_requests", "read_ahead_kb", "wbt_lat_usec")


class Group(NamedTuple):
    """What is set by hand, and what is asked for then."""

    name: str
    by_hand: tuple[tuple[str, str], ...]
    wanted: tuple[Change, ...]


def policy(name: str, governor: str, preference: str) -> tuple[tuple[str, str], ...]:
    here = POLICY.format(name)
    return (
        (here + "scaling_governor", governor),
        (here + "energy_performance_preference", preference),
    )


def limits(name: str, least: str, most: str) -> tuple[tuple[str, str], ...]:
    here = POLICY.format(name)
    return ((here + "scaling_max_freq", most), (here + "scaling_min_freq", least))


GROUPS = (
    Group(
        "to performance",
        policy("policy40", "powersave", "power"),
        (Change("cpu.governor", "policy40", "performance"),),
    ),
    Group(
        "from performance",
        policy("policy0", "performance", "performance"),
        (Change("cpu.governor", "policy0", "powersave"),),
    ),
    Group(
        "from performance, with a preference",
        policy("policy0", "performance", "performance"),
        (
            Change("cpu.epp", "policy0", "power"),
            Change("cpu.governor", "policy0", "powersave"),
        ),
    ),
    Group(
        "a preference",
        policy("policy40", "powersave", "balance_power"),
        (Change("cpu.epp", "policy40", "balance_performance"),),
    ),
    Group(
        "a scheduler with its options",
        ((f"{OPTIONS}/read_expire", "80"), (f"{OPTIONS}/writes_starved", "5")),
        (Change("block.scheduler", "sda", "none"),),
    ),
    Group(
        "a scheduler that throttles by itself",
        ((f"{OPTIONS}/read_expire", "80"),),
        (Change("block.scheduler", "sda", "bfq"),),
    ),
    Group(
        "both limits upwards",
        limits("policy40", "900000", "1000000"),
        (
            Change("cpu.min_freq", "policy40", "2000000"),
            Change("cpu.max_freq", "policy40", "3000000"),
        ),
    ),
    Group(
        "both limits downwards",
        limits("policy40", "3000000", "3500000"),
        (
            Change("cpu.max_freq", "policy40", "1000000"),
            Change("cpu.min_freq", "policy40", "900000"),
        ),
    ),
    Group(
        "a most that hid a least",
        (
            (POLICY.format("policy40") + "scaling_max_freq", "1000000"),
            (POLICY.format("policy40") + "scaling_min_freq", "2000000"),
        ),
        (Change("cpu.max_freq", "policy40", "3000000"),),
    ),
    Group(
        "no turbo",
        ((f"{PSTATE}/min_perf_pct", "80"),),
        (Change("cpu.no_turbo", "", "1"),),
    ),
    Group(
        "both shares upwards",
        ((f"{PSTATE}/max_perf_pct", "30"),),
        (Change("cpu.min_perf_pct", "", "60"), Change("cpu.max_perf_pct", "", "70")),
    ),
    Group(
        "a size of pages that keeps memory free",
        ((f"{THP}/enabled", "never"),),
        (Change("thp.size_enabled", "2048kB", "always"),),
    ),
    Group(
        "shared memory that keeps memory free",
        ((f"{THP}/enabled", "never"),),
        (Change("thp.shmem_enabled", "", "advise"),),
    ),
)


def apply(session: Session, changes: tuple[Change, ...], undo_of: str | None = None) -> Trial:
    made = session.plan(changes)
    trial = session.apply(changes, made.hash, ttl_s=60, undo_of=undo_of)
    assert {item.status for item in trial.items} <= set(messages.AS_WANTED), trial.items
    return trial


def everything(demo: DemoMachine) -> dict[str, str]:
    files = [
        POLICY.format(name) + file
        for name in ("policy0", "policy40")
        for file in (
            "scaling_governor", "energy_performance_preference", "scaling_min_freq",
            "scaling_max_freq",
        )
    ]  # fmt: skip
    files += [f"{PSTATE}/{name}" for name in ("no_turbo", "min_perf_pct", "max_perf_pct")]
    files += [f"{THP}/{name}" for name in ("enabled", "shmem_enabled", "hugepages-2048kB/enabled")]
    files.append(FREE)
    queue = "/sys/block/sda/queue"
    files += [f"{queue}/{name}" for name in _QUEUE]
    files += [f"{OPTIONS}/{name}" for name in demo.kernel.entries(OPTIONS)]
    texts = {path: demo.kernel.read(path).strip() for path in files}
    # A module that was loaded stays listed: what counts is the word that is chosen.
    return {path: parse_listed(text)[0] if "[" in text else text for path, text in texts.items()}


def reverted(demo: DemoMachine, session: Session, trial: Trial) -> None:
    assert session.revert(trial.id).complete


def undone(demo: DemoMachine, session: Session, trial: Trial) -> None:
    kept, _ = session.keep(trial.id, persist=False)
    todo = undo.plan_undo_of(demo.host, kept)
    session.keep(apply(session, todo.changes, kept.id).id, persist=False)


def undone_after_a_second_thought(demo: DemoMachine, session: Session, trial: Trial) -> None:
    kept, _ = session.keep(trial.id, persist=False)
    changed = everything(demo)
    todo = undo.plan_undo_of(demo.host, kept)
    assert session.revert(apply(session, todo.changes, kept.id).id).complete
    assert everything(demo) == changed
    session.keep(apply(session, todo.changes, kept.id).id, persist=False)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
@pytest.mark.parametrize("back", [reverted, undone, undone_after_a_second_thought])
def test_a_group_comes_back_whole(
    demo: DemoMachine, group: Group, back: Callable[[DemoMachine, Session, Trial], None]
) -> None:
    for path, value in group.by_hand:
        demo.kernel.write(path, value)
    before = everything(demo)
    with demo.link.connect(ask=False) as session:
        trial = apply(session, group.wanted)
        assert everything(demo) != before
        back(demo, session, trial)
    assert everything(demo) == before


def test_a_preference_that_could_not_be_is_refused_at_plan(demo: DemoMachine) -> None:
    before = everything(demo)
    with (
        demo.link.connect(ask=False) as session,
        pytest.raises(HelperError, match="performance alone"),
    ):
        session.plan((Change("cpu.epp", "policy0", "power"),))
    assert everything(demo) == before


def test_every_change_of_an_undo_can_be_described(demo: DemoMachine) -> None:
    with demo.link.connect(ask=False) as session:
        kept, _ = session.keep(
            apply(session, (Change("block.scheduler", "sda", "none"),)).id, persist=False
        )
    todo = undo.plan_undo_of(demo.host, kept)
    made = plan.make_plan(demo.host, todo.changes, former=undo.puts_back(todo.changes))
    facts = describe.gather(demo.host, made.items)
    texts = {item.knob: describe.change_text(item, facts) for item in made.items}
    assert "block.iosched.read_expire" in texts
    assert texts["block.iosched.read_expire"].risk == "low"
    assert all("{" not in text.effect + text.note for text in texts.values())


def test_only_what_the_journal_tells_of_is_put_back(demo: DemoMachine) -> None:
    option = Change("block.iosched.read_expire", "sda", "500")
    with demo.link.connect(ask=False) as session:
        with pytest.raises(HelperError, match="there is no knob"):
            session.plan((option,))
        trial = apply(session, (Change("block.scheduler", "sda", "none"),))
        with pytest.raises(HelperError, match="there is no knob"):
            session.plan((option,))  # not kept yet: there is nothing to undo
        session.keep(trial.id, persist=False)
        session.plan((Change("block.scheduler", "sda", "mq-deadline"), option))
        with pytest.raises(HelperError, match="there is no knob"):
            session.plan((option._replace(value="499"),))
