"""Each error of the protocol: its word, its sentence, and what goes with it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.unit.client.peers import as_json, make_item, make_trial

from aitune_backends import sentences
from aitune_backends.helper_errors import from_reply
from aitune_helper.boot import NO_FILE, NOTHING_TELLS

OPEN = as_json(make_trial()._replace(state="pending", deadline=1e9))
STALE = as_json(make_item()._replace(status="stale", note="was 60, is 33, you want 10"))


@pytest.mark.parametrize(
    ("name", "parameters", "code", "message"),
    [
        (
            "Stale",
            {"items": [as_json(make_item()), STALE]},
            "stale",
            "vm.swappiness changed since you looked: was 60, is 33, you want 10. Nothing written.",
        ),
        (
            "Refused",
            {"knob": "vm.swappiness", "instance": "", "reason": "it takes 0 to 200"},
            "refused",
            "Refused: it takes 0 to 200.",
        ),
        ("Expired", {"trial": OPEN}, "expired", "Trial 17 ran out of time and was put back."),
        ("NothingPending", {}, "nothing-pending", sentences.NOTHING_PENDING),
        ("NotYours", {"trial": OPEN}, "not-yours", "Trial 17 is ops's."),
        (
            "JournalUnavailable",
            {"reason": "ENOSPC"},
            "journal",
            "The journal cannot be written: No space left on device. "
            "Without it nothing is changed, or kept.",
        ),
        (
            "NoGuardian",
            {"reason": "it did not answer"},
            "no-guardian",
            "No guardian could be started: it did not answer. Nothing is changed.",
        ),
        (
            "ProtocolMismatch",
            {},
            "protocol",
            "The installed helper speaks another version of the protocol.",
        ),
        (
            "PersistRefused",
            {"path": "/etc/sysctl.d/95-aitune.conf", "reason": "it was edited by hand"},
            "persist",
            "/etc/sysctl.d/95-aitune.conf is left as it is: it was edited by hand.",
        ),
        (
            "Corrupt",
            {"path": "/run/aitune/private/trial.json"},
            "corrupt",
            "/run/aitune/private/trial.json was damaged and has been moved aside.",
        ),
    ],
)
def test_each_error_is_a_word_and_a_sentence(
    name: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    error = from_reply(f"io.aitune.Helper1.{name}", parameters)
    assert (error.code, error.message) == (code, message)
    assert (error.trial is not None) == ("trial" in parameters)


def test_a_trial_that_ran_out_and_fell_short_is_not_called_put_back() -> None:
    short = make_trial(make_item()._replace(status="drifted", effective="33"))
    trial = as_json(short._replace(state="reverted", complete=False))
    message = from_reply("io.aitune.Helper1.Expired", {"trial": trial}).message
    assert message.startswith("Trial 17 ran out of time. 0 of 1 are back. vm.swappiness is 33")


def test_busy_says_who_and_how_long_it_still_takes() -> None:
    deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + 41.4
    error = from_reply("io.aitune.Helper1.Busy", {"trial": {**OPEN, "deadline": deadline}})
    assert error.code == "busy"
    assert error.message == "Trial 17 of ops is still open, 41 s left."
    assert error.trial is not None
    assert "aitune-tui keep" in error.hint


def test_an_error_without_what_belongs_to_it_is_out_of_the_protocol() -> None:
    for name in ("Busy", "Stale", "Refused", "NotYours", "NoGuardian", "Corrupt"):
        assert from_reply(f"io.aitune.Helper1.{name}", {}).code == "protocol"
    assert from_reply("io.other.Busy", {"trial": OPEN}).code == "protocol"


def test_an_overdue_trial_is_called_so() -> None:
    late = {**OPEN, "deadline": 1.0}
    assert "is overdue" in from_reply("io.aitune.Helper1.Busy", {"trial": late}).message


def test_the_sentences_of_an_end() -> None:
    one, two = make_item(), make_item("thp.enabled")
    trial = make_trial(one, two)
    assert sentences.kept(trial, ()) == "Kept. 2 settings hold until the next reboot."
    assert sentences.kept(make_trial(), ("/etc/f",)) == (
        "Kept. 1 setting holds until the next reboot and after it: /etc/f."
    )
    assert NO_FILE.startswith(sentences.NOT_PERSISTENT)
    assert NOTHING_TELLS.startswith(sentences.NOT_PERSISTENT)
    partly = make_trial(one, two._replace(note=NOTHING_TELLS))
    assert sentences.kept(partly, ("/etc/f",)) == (
        "Kept. 2 settings hold until the next reboot; 1 of them also after it: /etc/f. "
        f"thp.enabled is {NOTHING_TELLS}."
    )
    none = make_trial(one._replace(note="not persistent: shadowed by /etc/g:1, which sets 60"))
    assert sentences.kept(none, ("/etc/f",)) == (
        "Kept. 1 setting holds until the next reboot; none of them after it: /etc/f. "
        "vm.swappiness is not persistent: shadowed by /etc/g:1, which sets 60."
    )
    back = trial._replace(state="reverted")
    clock = sentences.clock(0)
    assert sentences.reverted(back, 0) == (
        f"Put back. All 2 settings are as they were, read at {clock}."
    )
    assert sentences.reverted(back, 0, by_time=True).startswith("Time ran out. All 2 settings")
    short = back._replace(
        complete=False,
        items=(one._replace(status="reverted"), two._replace(status="drifted", old="madvise")),
    )
    assert sentences.reverted(short, 0) == (
        "1 of 2 are back. thp.enabled is 10, should be madvise: "
        "somebody else changed it since, so it was left alone."
    )


def test_the_first_outcome_amiss_is_named() -> None:
    pool = make_item("hugepages.2048kB")._replace(requested="64", effective="41", status="partial")
    assert sentences.not_as_wanted((make_item(), pool)) == (
        "Got 41 of 64 huge pages: memory is fragmented."
    )
    assert sentences.not_as_wanted((make_item(),)) == ""
    failed = make_item()._replace(status="failed", errno="EBUSY", effective=None)
    back = make_item("thp.enabled")._replace(status="reverted")
    assert sentences.not_as_wanted((back, failed)) == "vm.swappiness failed: EBUSY."
