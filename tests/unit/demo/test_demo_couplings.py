"""Governors with their preferences, and a scheduler with its options, there and back whole.

Few machines let a test set governors: here it is the made-up one, asked over its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from aitune_backends import describe, undo
from aitune_backends.helper_errors import HelperError
from aitune_helper import messages, plan
from aitune_helper.messages import Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.demo import DemoMachine
    from aitune_backends.helper_client import Session
    from aitune_helper.messages import Trial

POLICY = "/sys/devices/system/cpu/cpufreq/{}/"
OPTIONS = "/sys/block/sda/queue/iosched"


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
        for file in ("scaling_governor", "energy_performance_preference")
    ]
    queue = "/sys/block/sda/queue"
    files += [f"{queue}/{name}" for name in ("scheduler", "nr_requests", "read_ahead_kb")]
    files += [f"{OPTIONS}/{name}" for name in demo.kernel.entries(OPTIONS)]
    return {path: demo.kernel.read(path).strip() for path in files}


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
