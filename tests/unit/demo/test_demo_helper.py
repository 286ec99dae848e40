"""The demo's helper is the real one's core: it plans, applies, keeps, and puts back in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from aitune_backends.helper_client import HelperError
from aitune_helper import messages
from aitune_helper.messages import Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.demo import DemoMachine
    from aitune_backends.helper_client import Session

CLASSIC = (
    Change("vm.overcommit_memory", "", "1"),
    Change("vm.overcommit_ratio", "", "90"),
    Change("hugepages.2048kB", "", "64"),
)


def values(demo: DemoMachine) -> tuple[str, ...]:
    names = ("overcommit_memory", "overcommit_ratio", "nr_hugepages")
    return tuple(demo.kernel.read(f"/proc/sys/vm/{name}").strip() for name in names)


def apply(session: Session, ttl_s: float, *, on_partial: str = messages.ROLLBACK,
          changes: tuple[Change, ...] = CLASSIC) -> messages.Trial:  # fmt: skip
    plan = session.plan(changes)
    return session.apply(changes, plan.hash, ttl_s=ttl_s, on_partial=on_partial)


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_trial_is_applied_kept_and_saved(demo: DemoMachine) -> None:
    with demo.link.connect(ask=False) as session:
        trial = apply(session, 60)
        assert [item.status for item in trial.items] == ["ok", "ok", "ok"]
        assert values(demo) == ("1", "90", "64")
        kept, files = session.keep(trial.id, persist=True)
    assert kept.state == messages.KEPT
    assert len(files) == 1
    assert "vm.overcommit_memory = 1" in demo.host.read("/etc/sysctl.d/95-aitune.conf")


def test_time_runs_out_though_the_connection_is_gone(demo: DemoMachine) -> None:
    with demo.link.connect(ask=False) as session:
        trial = apply(session, 5)
    seen = demo.link.state()
    assert seen is not None
    assert seen.pending is not None
    assert seen.pending.id == trial.id

    def ended() -> bool:
        state = demo.link.state()
        return state is not None and state.pending is None

    wait_for(ended)
    assert values(demo) == ("0", "50", "0")


def test_what_does_not_fit_is_partial_per_node(demo: DemoMachine) -> None:
    wanted = (Change("hugepages.1048576kB", "", "8"),)
    with demo.link.connect(ask=False) as session:
        trial = apply(session, 60, on_partial=messages.ACCEPT, changes=wanted)
        (item,) = trial.items
        assert item.status == messages.PARTIAL
        assert [(part.instance, part.effective) for part in item.parts] == [
            ("node0", "3"), ("node1", "2"),
        ]  # fmt: skip
        assert session.revert(trial.id).complete


def test_a_second_operator_finds_it_busy(demo: DemoMachine) -> None:
    with demo.link.connect(ask=False) as one, demo.link.connect(ask=False) as other:
        trial = apply(one, 60)
        with pytest.raises(HelperError) as refused:
            apply(other, 60, changes=(Change("vm.swappiness", "", "10"),))
        assert refused.value.code == "busy"
        one.revert(trial.id)
    assert values(demo) == ("0", "50", "0")


def test_the_memory_guard_holds_here_too(demo: DemoMachine) -> None:
    with (
        demo.link.connect(ask=False) as session,
        pytest.raises(HelperError, match=r"861\.9 GiB"),
    ):
        session.plan((Change("hugepages.2048kB", "", "480000"),))
