"""The conversation over a socket pair, and what ends it."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.helper.conftest import Bench
from tests.unit.helper.fake_kernel import FILES

from aitune_helper import messages, requests, server
from aitune_helper.knobs import table_hash
from aitune_helper.messages import HelloReply, from_object

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, object]
HELLO: Object = {"protocol_max": 1, "client": "test", "client_version": "1"}
SWAPPINESS: Object = {"knob": "vm.swappiness", "instance": "", "value": "10", "expected": "60"}


class Client:
    """One end of a conversation; the server answers in a thread."""

    def __init__(self, core: server.Core, idle_s: float = 600.0) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(5)
        self._held = b""

        def run() -> None:
            with theirs:
                server.serve(core, theirs.fileno(), theirs.fileno(), idle_s=idle_s)

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def send(self, method: str, parameters: Object | None = None, **flags: bool) -> None:
        name = method if "." in method else f"{messages.INTERFACE}.{method}"
        message = {"method": name, "parameters": parameters or {}, **flags}
        self.socket.sendall(json.dumps(message).encode() + b"\0")

    def receive(self) -> Object | None:
        while b"\0" not in self._held:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._held += data
        frame, _, self._held = self._held.partition(b"\0")
        found = json.loads(frame)
        assert isinstance(found, dict)
        return found

    def call(self, method: str, parameters: Object | None = None) -> Object:
        self.send(method, parameters)
        reply = self.receive()
        assert reply is not None
        return reply

    def result(self, method: str, parameters: Object | None = None) -> Object:
        reply = self.call(method, parameters)
        assert "error" not in reply, reply
        found = reply["parameters"]
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        self.socket.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def client(bench: Bench) -> Iterator[Client]:
    made = Client(bench.core)
    yield made
    made.close()


def plan_of(client: Client, *changes: Object) -> Object:
    plan = client.result("Plan", {"changes": list(changes), "force": False})["plan"]
    assert isinstance(plan, dict)
    return plan


def wanted(client: Client, *changes: Object) -> Object:
    return {"changes": list(changes), "plan_hash": plan_of(client, *changes)["hash"], "ttl_s": 60}


def test_hello_says_who_is_who(client: Client) -> None:
    hello = from_object(HelloReply, client.result("Hello", HELLO), strict=True)
    assert hello.protocol == messages.PROTOCOL
    assert hello.knob_hash == table_hash()
    assert (hello.caller_uid, hello.attested) == (os.getuid(), True)
    assert (hello.journal_ok, hello.pending, hello.notices) == (True, None, ())


@pytest.mark.parametrize("method", ["Plan", "History", "Revert"])
def test_hello_comes_first(client: Client, method: str) -> None:
    reply = client.call(method)
    assert reply["error"] == f"{messages.INTERFACE}.ProtocolMismatch"
    assert client.receive() is None


def test_a_client_that_is_too_old_is_told(client: Client) -> None:
    reply = client.call("Hello", {**HELLO, "protocol_max": 0})
    assert reply["error"] == f"{messages.INTERFACE}.ProtocolMismatch"


def test_a_whole_trial(bench: Bench, client: Client) -> None:
    client.result("Hello", HELLO)
    applied = client.result("Apply", wanted(client, SWAPPINESS))["trial"]
    assert isinstance(applied, dict)
    assert applied["owner_name"] == pwd.getpwuid(os.getuid()).pw_name
    assert client.result("Extend", {"id": applied["id"], "ttl_s": 90})["trial"]
    kept = client.result("Keep", {"id": applied["id"], "persist": True})
    assert kept["files"] == [bench.places.sysctl]
    history = client.result("History", {"limit": 5})
    assert (history["trials"], history["damaged"], history["more"]) == ([kept["trial"]], 0, False)
    assert client.result("Unpersist", {"knobs": []})["files"] == [bench.places.sysctl]


def test_progress_comes_before_the_trial(client: Client) -> None:
    client.result("Hello", HELLO)
    client.send("Apply", wanted(client, SWAPPINESS), more=True)
    first, last = client.receive(), client.receive()
    assert first is not None
    assert last is not None
    assert first["continues"] is True
    assert first["parameters"]["progress"]["done"] == 1  # type: ignore[index]
    assert "continues" not in last
    assert last["parameters"]["trial"]["state"] == "pending"  # type: ignore[index]


def test_errors_carry_what_the_operator_needs(bench: Bench, client: Client) -> None:
    client.result("Hello", HELLO)
    refused = client.call("Plan", {"changes": [{**SWAPPINESS, "value": "201"}]})
    assert refused["error"] == f"{messages.INTERFACE}.Refused"
    assert refused["parameters"] == {
        "knob": "vm.swappiness",
        "instance": "",
        "reason": "vm.swappiness takes 0 to 200",
    }
    apply = wanted(client, SWAPPINESS)
    bench.kernel.files["/proc/sys/vm/swappiness"] = "61"
    stale = client.call("Apply", apply)
    assert stale["error"] == f"{messages.INTERFACE}.Stale"
    assert stale["parameters"]["items"][0]["status"] == "stale"  # type: ignore[index]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("Plan", {"changes": [], "extra": 1}),
        ("Plan", {"changes": [{**SWAPPINESS, "path": "/etc/passwd"}]}),
        ("Plan", {"changes": {}}),
        ("Plan", {"changes": [{**SWAPPINESS, "value": 10}]}),
        ("Plan", {"changes": [{**SWAPPINESS, "value": "1\n"}]}),
        ("Plan", {"changes": [{**SWAPPINESS, "instance": "x" * 65}]}),
        ("Plan", {"changes": [{**SWAPPINESS, "knob": "vm.swappines\u0455"}]}),
        ("Plan", {}),
        ("Keep", {"id": "../../etc/passwd"}),
        ("Keep", {"id": "0" * 31}),
        ("Extend", {"id": "0" * 32, "ttl_s": "60"}),
        ("Extend", {"id": "0" * 32, "ttl_s": True}),
        ("History", {"limit": "all"}),
        ("Apply", {"changes": [], "plan_hash": "", "ttl_s": 60, "on_partial": "keep"}),
        ("Apply", {"changes": [], "plan_hash": "", "ttl_s": 60, "message": "a\x1b[31m"}),
        ("Apply", {"changes": [], "plan_hash": "", "ttl_s": 60, "title": "x" * 201}),
        ("Apply", {"changes": [], "plan_hash": "", "ttl_s": 60, "undo_of": "x"}),
    ],
)
def test_what_no_honest_client_sends_is_refused(
    bench: Bench, client: Client, method: str, parameters: Object
) -> None:
    client.result("Hello", HELLO)
    assert client.call(method, parameters)["error"] == "org.varlink.service.InvalidParameter"
    assert client.result("Hello", HELLO), "the conversation goes on"
    assert bench.kernel.writes == []


@pytest.mark.parametrize(
    "frame", [b"{}", b'{"a":NaN}', b"\xff", b'{"method":"a","method":"b"}', b"[" * 20]
)
def test_a_broken_frame_ends_the_conversation(client: Client, frame: bytes) -> None:
    client.result("Hello", HELLO)
    client.socket.sendall(frame + b"\0" + b'{"method":"io.aitune.Helper1.History"}\0')
    reply = client.receive()
    assert reply is not None
    assert reply["error"] == "org.varlink.service.InvalidParameter"
    assert client.receive() is None


def test_a_frame_without_end_ends_the_conversation(client: Client) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.socket.sendall(b"x" * (300 * 1024))
        client.receive()
        assert client.receive() is None
    client.thread.join(5)
    assert not client.thread.is_alive()


def test_unknown_names(client: Client) -> None:
    client.result("Hello", HELLO)
    assert client.call("Nonesuch")["error"] == "org.varlink.service.MethodNotFound"
    assert client.call("org.other.Thing")["error"] == "org.varlink.service.InterfaceNotFound"
    assert client.call("nodots")["error"] == "org.varlink.service.MethodNotFound"


def test_no_reply_to_oneway(client: Client) -> None:
    client.result("Hello", HELLO)
    client.send("History", {"limit": 1}, oneway=True)
    client.send("Cancel", oneway=True)
    assert client.result("History", {"limit": 0})["trials"] == []


def test_silence_ends_it_but_not_during_a_trial(bench: Bench) -> None:
    client = Client(bench.core, idle_s=0.05)
    client.result("Hello", HELLO)
    trial = client.result("Apply", wanted(client, SWAPPINESS))["trial"]
    assert isinstance(trial, dict)
    client.thread.join(0.3)
    assert client.thread.is_alive()
    client.result("Revert", {"id": trial["id"]})
    client.thread.join(5)
    assert not client.thread.is_alive()
    client.close()


@pytest.mark.parametrize("way", ["cancel", "gone"])
def test_an_apply_is_stopped_between_steps(bench: Bench, way: str) -> None:
    client = Client(bench.core)
    client.result("Hello", HELLO)
    pages: Object = {"knob": "hugepages.2048kB", "instance": "", "value": "5000", "expected": "10"}
    apply = wanted(client, pages)
    writing, said = threading.Event(), threading.Event()

    def before_write(number: int) -> None:
        if number == 2:
            writing.set()
            assert said.wait(5)

    bench.kernel.before_write = before_write
    client.send("Apply", apply)
    assert writing.wait(5)
    if way == "cancel":
        client.send("Cancel", oneway=True)
        said.set()
        reply = client.receive()
        assert reply is not None
        trial = reply["parameters"]["trial"]  # type: ignore[index]
        assert trial["state"] == "reverted"
        assert "stopped" in trial["items"][0]["note"]
        client.close()
    else:
        client.socket.close()
        said.set()
        client.thread.join(5)
    assert bench.kernel.state() == FILES


def test_a_client_that_goes_after_apply_leaves_the_trial_open(bench: Bench) -> None:
    client = Client(bench.core)
    client.result("Hello", HELLO)
    client.result("Apply", wanted(client, SWAPPINESS))
    client.close()
    assert bench.core.trials.pending() is not None
    second = Client(bench.core)
    hello = second.result("Hello", HELLO)
    assert hello["pending"] is not None
    second.close()


WORDS = st.text(max_size=70) | st.sampled_from(["vm.swappiness", "", "sda", "10", "node0", "../.."])
HOSTILE = st.fixed_dictionaries(
    {"knob": WORDS, "instance": WORDS, "value": WORDS}, optional={"expected": WORDS | st.none()}
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(HOSTILE, max_size=3))
def test_hostile_strings_are_answered_and_write_nothing(
    client: Client, bench: Bench, changes: list[Object]
) -> None:
    client.result("Hello", HELLO)
    client.call("Plan", {"changes": changes})
    client.call("Apply", {"changes": changes, "plan_hash": "x", "ttl_s": 60})
    assert bench.kernel.writes == []
    journal = Path(bench.places.journal)
    if journal.exists():
        assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in journal.read_bytes())


def test_it_describes_itself_before_hello(bench: Bench) -> None:
    info = Client(bench.core)
    described = info.result("org.varlink.service.GetInfo")
    assert described["interfaces"] == ["org.varlink.service", messages.INTERFACE]
    text = info.result(
        "org.varlink.service.GetInterfaceDescription", {"interface": messages.INTERFACE}
    )
    assert text == {"description": requests.DESCRIPTION}
    info.close()
