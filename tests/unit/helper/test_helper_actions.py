"""Actions: a closed table, a line in the journal first, and nobody else's trial disturbed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.test_helper_server import HELLO, Client

from aitune_helper import messages, recovery
from aitune_helper.actions import ACTIONS
from aitune_helper.knobs import KNOBS
from aitune_helper.past import decode
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_helper.past import Entry

OTHER = OPS._replace(uid=1001, name="guest")


@pytest.fixture
def bench(bench: Bench) -> Bench:
    for action in ACTIONS.values():
        bench.kernel.files[action.path] = ""
    return bench


def lines(bench: Bench) -> list[Entry]:
    text = Path(bench.places.journal).read_bytes().splitlines()
    return [entry for entry in map(decode, text) if entry is not None]


def test_the_table_is_closed_and_shares_no_file_with_a_knob() -> None:
    assert sorted(ACTIONS) == ["compact_memory", "drop_caches"]
    assert {action.value for action in ACTIONS.values()} == {"1"}
    paths = {action.path for action in ACTIONS.values()}
    assert not paths & {knob.path for knob in KNOBS.values()}
    assert all(path.startswith("/proc/sys/vm/") for path in paths)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_an_action_is_one_write_after_its_line(bench: Bench, action: str) -> None:
    def before(_number: int) -> None:
        assert lines(bench)[-1]["event"] == "act"

    bench.kernel.before_write = before
    bench.core.act(action, OPS)
    assert bench.kernel.writes == [(ACTIONS[action].path, "1")]
    entry = lines(bench)[-1]
    assert entry["action"] == action
    caller = entry["caller"]
    assert isinstance(caller, dict)
    assert caller["name"] == "ops"
    assert "trial" not in entry


def test_without_a_journal_nothing_is_done(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(bench.core.trials.journal, "append", full)
    with pytest.raises(Fault) as caught:
        bench.core.act("drop_caches", OPS)
    assert caught.value.error.endswith(".JournalUnavailable")
    assert caught.value.parameters == {"reason": "ENOSPC"}
    assert bench.kernel.writes == []


def test_anothers_trial_refuses_it_and_ones_own_does_not(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    before = list(bench.kernel.writes)
    with pytest.raises(Fault) as caught:
        bench.core.act("compact_memory", OTHER)
    assert caught.value.error.endswith(".Busy")
    assert bench.kernel.writes == before
    bench.core.act("compact_memory", OPS)
    assert bench.kernel.writes[len(before) :] == [("/proc/sys/vm/compact_memory", "1")]
    assert bench.core.trials.pending() == trial, "it goes on as it was"
    assert bench.core.trials.keep(trial.id, OPS, persist=False).trial.state == messages.KEPT


def test_a_reboot_is_seen_behind_an_action(bench: Bench) -> None:
    """The last line says how the open trial stands, also when an action is the last line."""
    trial = bench.apply(("vm.swappiness", "", "10"))
    bench.core.act("compact_memory", OPS)
    assert bench.core.trials.journal.history(9).trials == (trial,)
    bench.core.trials.state.boot_id = "later"
    recovery.recover(bench.core.trials)
    assert bench.core.trials.journal.history(9).trials[0].state == messages.ENDED_BY_REBOOT


def test_what_the_kernel_refuses_is_said(bench: Bench) -> None:
    del bench.kernel.files[ACTIONS["compact_memory"].path]
    with pytest.raises(Fault) as caught:
        bench.core.act("compact_memory", OPS)
    assert caught.value.error.endswith(".Refused")
    assert "No such file or directory" in str(caught.value.parameters["reason"])


def test_the_lock_is_free_while_the_kernel_works(bench: Bench) -> None:
    """Compaction may take minutes; the guardian must not wait for it."""
    taken = []

    def while_writing(_number: int) -> None:
        with bench.core.trials.state.locked(0.0):
            taken.append(True)

    bench.kernel.before_write = while_writing
    bench.core.act("compact_memory", OPS)
    assert taken == [True]


@pytest.fixture
def client(bench: Bench) -> Iterator[Client]:
    made = Client(bench.core)
    made.result("Hello", HELLO)
    yield made
    made.close()


@pytest.mark.parametrize(
    "action", ["", "drop_caches ", "DROP_CACHES", "../drop_caches", "overcommit_memory", "drop\n"]
)
def test_what_is_not_in_the_table_cannot_be_asked(
    client: Client, bench: Bench, action: str
) -> None:
    reply = client.call("Act", {"action": action})
    assert reply["error"] == "org.varlink.service.InvalidParameter"
    assert bench.kernel.writes == []


def test_act_over_the_wire(client: Client, bench: Bench) -> None:
    assert client.result("Act", {"action": "drop_caches"}) == {}
    assert json.dumps(client.call("Act", {"action": "drop_caches", "value": "3"})).count("error")
    assert bench.kernel.writes == [("/proc/sys/vm/drop_caches", "1")]
