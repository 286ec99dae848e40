"""A session against the real helper's core, and against peers that misbehave."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.client.peers import HELLO, Peer, as_json, make_item, make_trial

from aitune_backends.helper_client import HelperError, Session
from aitune_helper.arms import make_plan as make_arms
from aitune_helper.messages import INTERFACE, Account, ArmChanges, Change, Item, Past, Trial
from aitune_helper.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.demo import DemoMachine

SWAPPINESS = "/proc/sys/vm/swappiness"
TO_TEN = (Change("vm.swappiness", "", "10", "60"),)


def test_a_change_from_plan_to_kept_and_back(demo: DemoMachine) -> None:
    with demo.link.connect(ask=False) as session:
        assert session.hello.protocol == 1
        assert not session.is_outdated
        plan = session.plan(TO_TEN)
        assert plan.hash == make_plan(demo.host, TO_TEN).hash
        seen: list[tuple[int, int, str]] = []
        trial = session.apply(
            TO_TEN,
            plan.hash,
            ttl_s=60,
            message="why",
            progress=lambda done, total, item: seen.append((done, total, item.status)),
        )
        assert (trial.state, trial.message) == ("pending", "why")
        assert seen[-1] == (1, 1, "ok")
        longer = session.extend(trial.id, 600)
        assert longer.deadline is not None
        assert trial.deadline is not None
        assert longer.deadline > trial.deadline
        kept, files = session.keep(trial.id)
        assert (kept.state, files) == ("kept", ())
        history = session.history(10)
        assert [(past.id, past.state) for past in history.trials] == [(trial.id, "kept")]
        assert history.damaged == 0
        assert session.unpersist(()) == ()
    assert demo.host.read(SWAPPINESS).strip() == "10"


def test_a_comparison_from_plan_to_the_winner_kept(demo: DemoMachine) -> None:
    arms = (ArmChanges("before", ()), ArmChanges("after", TO_TEN))
    with demo.link.connect(ask=False) as session:
        plan = session.plan((), arms=arms)
        assert [arm.name for arm in plan.arms] == ["before", "after"]
        assert plan.hash == make_arms(demo.host, arms).hash
        trial = session.apply((), plan.hash, ttl_s=60, arms=arms)
        assert (trial.arm, demo.host.read(SWAPPINESS).strip()) == ("before", "60")
        seen: list[tuple[int, int, str]] = []
        trial = session.switch(
            trial.id, "after", lambda done, total, item: seen.append((done, total, item.status))
        )
        assert (trial.arm, demo.host.read(SWAPPINESS).strip()) == ("after", "10")
        assert seen[-1] == (1, 1, "ok")
        assert session.switch(trial.id, "before").items[0].effective == "60"
        with pytest.raises(HelperError, match="no arm"):
            session.switch(trial.id, "neither")
        kept, _ = session.keep(trial.id, arm="after")
        assert (kept.state, kept.arm) == ("kept", "after")
    assert demo.host.read(SWAPPINESS).strip() == "10"


def test_a_trial_is_seen_by_anybody_and_reverted(demo: DemoMachine) -> None:
    with demo.link.connect(ask=False) as session:
        trial = session.apply(TO_TEN, session.plan(TO_TEN).hash, ttl_s=60)
        state = demo.link.state()
        assert state is not None
        assert state.pending is not None
        assert state.pending.id == trial.id
        with demo.link.connect(ask=False) as second, pytest.raises(HelperError) as busy:
            second.apply(TO_TEN, "0" * 64, ttl_s=60)
        assert busy.value.code == "busy"
        assert busy.value.trial is not None
        assert "s left" in busy.value.message
        assert session.revert(trial.id).complete
    state = demo.link.state()
    assert state is not None
    assert (state.pending, state.recent[0].state) == (None, "reverted")


@pytest.mark.parametrize(
    ("changes", "plan_hash", "code"),
    [
        ((Change("vm.swappiness", "", "10", "33"),), "", "stale"),
        (TO_TEN, "0" * 64, "stale"),
        ((Change("vm.swappiness", "", "900", "60"),), "", "refused"),
        ((Change("vm.nonsense", "", "1"),), "", "refused"),
    ],
)
def test_refusals_are_errors_with_a_sentence(
    demo: DemoMachine, changes: tuple[Change, ...], plan_hash: str, code: str
) -> None:
    with demo.link.connect(ask=False) as session:
        with pytest.raises(HelperError) as caught:
            session.apply(changes, plan_hash or make_plan(demo.host, TO_TEN).hash, ttl_s=60)
        assert caught.value.code == code
        assert caught.value.message.endswith(".")
        # The connection goes on.
        assert session.plan(TO_TEN).items[0].old == "60"
    assert demo.host.read(SWAPPINESS).strip() == "60"


def test_ends_of_nothing_are_said(demo: DemoMachine) -> None:
    with demo.link.connect(ask=False) as session:
        for call in (session.revert, session.keep):
            with pytest.raises(HelperError) as caught:
                call("0" * 32)
            assert caught.value.code == "nothing-pending"


def test_cancel_from_another_thread_puts_back(
    demo: DemoMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = tuple(
        Change("cpu.governor", f"policy{number}", "performance") for number in range(32, 64)
    )
    written = threading.Semaphore(0)
    go_on = threading.Event()
    write = demo.kernel.write

    def slow(path: str, value: str) -> None:
        write(path, value)
        written.release()
        assert go_on.wait(30)

    monkeypatch.setattr(demo.kernel, "write", slow)
    with demo.link.connect(ask=False) as session:
        plan_hash = session.plan(changes).hash
        ended: list[Any] = []
        worker = threading.Thread(
            target=lambda: ended.append(session.apply(changes, plan_hash, ttl_s=60)), daemon=True
        )
        worker.start()
        assert written.acquire(timeout=30)
        session.cancel()
        go_on.set()
        worker.join(30)
    assert ended[0].state == "reverted"
    policy = "/sys/devices/system/cpu/cpufreq/policy{}/scaling_governor"
    assert {demo.host.read(policy.format(number)).strip() for number in range(32, 64)} == {
        "powersave"
    }


def test_the_keyboard_stops_an_apply_and_what_was_written_is_put_back(peer: Peer) -> None:
    reverted = {"parameters": {"trial": as_json(make_trial()._replace(state="reverted"))}}
    step = {"progress": {"done": 1, "total": 2, "item": as_json(make_item())}}
    first = {"parameters": step, "continues": True}
    session = Session(peer.answers({"parameters": _hello()}, first, reverted))

    with pytest.raises(KeyboardInterrupt):
        session.apply(TO_TEN, "h", ttl_s=60, progress=_press_in_receive(session))
    assert [call["method"].rpartition(".")[2] for call in peer.calls] == [
        "Hello", "Apply", "Cancel"
    ]  # fmt: skip
    assert peer.calls[2]["oneway"] is True


def test_an_apply_that_was_quicker_than_the_key_is_put_back_all_the_same(peer: Peer) -> None:
    pending, reverted = (
        {"parameters": {"trial": as_json(make_trial()._replace(state=state))}}
        for state in ("pending", "reverted")
    )
    step = {"progress": {"done": 1, "total": 1, "item": as_json(make_item())}}
    first = {"parameters": step, "continues": True}
    # Cancel comes too late: it is answered by nothing, and the trial is open by then.
    session = Session(peer.answers({"parameters": _hello()}, first, _frame(pending), reverted))
    with pytest.raises(KeyboardInterrupt):
        session.apply(TO_TEN, "h", ttl_s=60, progress=_press_in_receive(session))
    assert [call["method"].rpartition(".")[2] for call in peer.calls] == [
        "Hello", "Apply", "Cancel", "Revert"
    ]  # fmt: skip


def _frame(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply).encode() + b"\0"


def test_a_key_leaves_no_reply_behind_for_the_next_call(peer: Peer) -> None:
    kept = {"parameters": {"trial": as_json(make_trial()), "files": []}}
    nothing = {"error": "io.aitune.Helper1.NothingPending", "parameters": {}}
    session = Session(peer.answers({"parameters": _hello()}, kept, nothing))
    _press_in_receive(session)(0, 0, make_item())
    with pytest.raises(KeyboardInterrupt):
        session.keep("0f" * 16)
    with pytest.raises(HelperError) as caught:
        session.revert("0f" * 16)
    assert caught.value.code == "nothing-pending"


def test_a_second_key_ends_the_connection(peer: Peer) -> None:
    session = Session(peer.answers({"parameters": _hello()}, b""))

    def pressed(timeout: float | None = None) -> dict[str, object]:
        raise KeyboardInterrupt

    session._channel.receive = pressed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        session.keep("0f" * 16)
    with pytest.raises(HelperError) as caught:
        session.revert("0f" * 16)
    assert caught.value.code == "gone"


def _press_in_receive(session: Session) -> Callable[[int, int, Item], None]:
    """Press Ctrl-C in the next wait for a reply."""
    channel = session._channel
    receive = channel.receive

    def pressed(timeout: float | None = None) -> dict[str, object]:
        channel.receive = receive  # type: ignore[method-assign]
        raise KeyboardInterrupt

    def progress(done: int, total: int, item: Item) -> None:
        channel.receive = pressed  # type: ignore[method-assign]

    return progress


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (None, "gone"),
        (b"no json\0", "gone"),
        (b"[]\0", "gone"),
        (b"half a frame", "gone"),
        ({"parameters": []}, "protocol"),
        ({"parameters": {"plan": {"items": []}}}, "protocol"),
        ({"parameters": {}}, "protocol"),
        ({"error": "org.varlink.service.MethodNotFound", "parameters": {}}, "protocol"),
        ({"error": "io.aitune.Helper1.Unheard", "parameters": {}}, "protocol"),
        ({"error": "io.aitune.Helper1.Busy", "parameters": {}}, "protocol"),
    ],
)
def test_a_peer_out_of_the_protocol_is_an_error(
    peer: Peer, reply: bytes | dict[str, Any] | None, code: str
) -> None:
    more: tuple[Any, ...] = () if reply != b"half a frame" else (None,)
    connected = peer.answers({"parameters": _hello()}, reply, *more)
    with Session(connected) as session:
        if reply == b"half a frame":
            connected.shutdown(1)
        with pytest.raises(HelperError) as caught:
            session.plan(TO_TEN)
    assert caught.value.code == code


def test_no_hello_is_an_error_in_time(peer: Peer) -> None:
    with pytest.raises(HelperError) as caught:
        Session(peer.ours, hello_timeout=0.05)
    assert caught.value.code == "no-answer"


def test_more_fields_than_we_know_are_passed_over(peer: Peer) -> None:
    plan = {"items": [{**as_json(make_item()), "mood": "good"}], "warnings": [], "hash": "h"}
    session = Session(
        peer.answers({"parameters": {**_hello(), "weather": 1}}, {"parameters": {"plan": plan}})
    )
    assert session.plan(TO_TEN).items[0].knob == "vm.swappiness"


def test_a_helper_with_another_table_writes_nothing(peer: Peer) -> None:
    session = Session(peer.answers({"parameters": {**_hello(), "knob_hash": "another"}}))
    with pytest.raises(HelperError) as caught:
        session.apply(TO_TEN, "h", ttl_s=60)
    assert caught.value.code == "outdated"
    assert [call["method"].rpartition(".")[2] for call in peer.calls] == ["Hello"]


def test_a_helper_of_other_sources_is_seen(peer: Peer) -> None:
    session = Session(peer.answers({"parameters": {**_hello(), "bundle_sha256": "ab" * 32}}))
    assert session.is_outdated


def _hello() -> dict[str, Any]:
    from aitune_helper.knobs import table_hash

    return {**HELLO, "knob_hash": table_hash()}


def test_a_helper_that_hung_up_is_seen_without_asking() -> None:
    peer = Peer()
    session = Session(peer.answers({"parameters": HELLO}, {"parameters": {"files": []}}, None))
    seen = [session.is_over]
    assert session.unpersist(()) == ()
    seen.append(session.is_over)
    with pytest.raises(HelperError):
        session.unpersist(())
    seen.append(session.is_over)
    session.close()
    assert [*seen, session.is_over] == [False, False, True, True]
    peer.close()


def test_a_helper_without_a_guardian_is_left_for_another() -> None:
    peer = Peer()
    refusal = {"error": f"{INTERFACE}.NoGuardian", "parameters": {"reason": "no room"}}
    session = Session(peer.answers({"parameters": HELLO}, refusal))
    with pytest.raises(HelperError) as error:
        session.extend("0" * 32, 60)
    assert error.value.code == "no-guardian"
    assert session.is_over
    with pytest.raises(HelperError) as error:
        session.plan(())
    assert error.value.code == "gone"
    peer.close()


def test_pages_are_asked_for_until_there_are_enough() -> None:
    peer = Peer()
    trials = [make_trial()._replace(id=f"{n:032x}", number=n) for n in (5, 4, 3, 2)]

    def page(*shown: Trial, more: bool) -> dict[str, Any]:
        accounts = tuple(Account(trial.id) for trial in shown)
        return {"parameters": as_json(Past(shown, accounts, damaged=1, more=more))}

    session = Session(
        peer.answers(
            {"parameters": HELLO}, page(*trials[:2], more=True), page(*trials[2:], more=True)
        )
    )
    past = session.history(3)
    assert [trial.number for trial in past.trials] == [5, 4, 3]
    assert (len(past.accounts), past.damaged, past.more) == (3, 1, True)
    asked = [call["parameters"] for call in peer.calls[1:]]
    assert [call.get("before") for call in asked] == [None, 4], "the first page asks as ever"
    peer.close()


def test_a_history_of_an_earlier_helper_is_not_half_understood() -> None:
    peer = Peer()
    old = {"parameters": {"trials": [as_json(make_trial())], "damaged": 0}}
    session = Session(peer.answers({"parameters": HELLO}, old))
    with pytest.raises(HelperError) as error:
        session.history(1)
    assert error.value.code == "protocol"
    peer.close()
