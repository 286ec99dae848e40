"""The interface as it is described, as it is coded, and as a foreign Varlink client sees it."""

from __future__ import annotations

import ast
import importlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.helper.conftest import Bench

import aitune_helper
from aitune_helper import apply, messages, requests, server
from aitune_helper.actions import ACTIONS

varlink: Any = importlib.import_module("varlink")  # the one of PyPI, as it comes

# What the code calls otherwise, since the interface has a method of that name.
RENAMED = {"CheckedPlan": "Plan"}
# Heard while something else is being answered, so it is no entry of the table.
READ_AHEAD = {"Cancel"}
REPLIES = {"Hello": messages.HelloReply, "History": messages.Past}
SWAPPINESS = {"knob": "vm.swappiness", "instance": "", "value": "10", "expected": "60"}
SOURCES = sorted(Path(aitune_helper.__file__).parent.glob("*.py"))


@pytest.fixture(scope="module")
def interface() -> Any:  # noqa: ANN401 - the foreign library has no types
    return varlink.Interface(requests.DESCRIPTION)


def members(interface: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401
    found = interface.members.items()
    return {name: member for name, member in found if type(member).__name__ == kind}


def as_described(kind: Any) -> str:  # noqa: ANN401
    """A type of the parsed description, as text."""
    name = type(kind).__name__
    if name == "_Maybe":
        return "?" + as_described(kind.element_type)
    if name == "_Array":
        return "[]" + as_described(kind.element_type)
    if name == "_CustomType":
        return str(kind.name)
    return {"str": "string"}.get(name, name)


def as_coded(annotation: str) -> str:
    """A field's annotation, as the description writes it."""
    if annotation.endswith(" | None"):
        return "?" + as_coded(annotation[: -len(" | None")])
    if annotation.startswith("tuple["):
        return "[]" + as_coded(annotation[len("tuple[") : -len(", ...]")])
    return {"str": "string", "Plan": "CheckedPlan"}.get(annotation, annotation)


def fields_of(record: Any) -> dict[str, str]:  # noqa: ANN401
    kinds = record.__annotations__.items()
    return {name: as_coded(str(getattr(kind, "__forward_arg__", kind))) for name, kind in kinds}


def described(struct: Any) -> dict[str, str]:  # noqa: ANN401
    return {name: as_described(kind) for name, kind in struct.fields.items()}


def record_called(name: str) -> Any:  # noqa: ANN401
    places = (messages, apply, requests)
    return next(getattr(place, name) for place in places if hasattr(place, name))


def test_methods_are_the_same_in_table_and_description(interface: Any) -> None:  # noqa: ANN401
    assert set(members(interface, "_Method")) == set(requests.METHODS) | READ_AHEAD


@pytest.mark.parametrize("name", sorted(requests.METHODS))
def test_a_request_is_described_as_it_is_checked(interface: Any, name: str) -> None:  # noqa: ANN401
    method = interface.get_method(name)
    assert described(method.in_type) == fields_of(requests.METHODS[name])
    if name in REPLIES:
        assert described(method.out_type) == fields_of(REPLIES[name])


def test_records_are_described_as_they_are_coded(interface: Any) -> None:  # noqa: ANN401
    types = members(interface, "_Alias")
    assert {"Change", "Item", "Trial", "Caller", "Layer"} <= set(types)
    for name, alias in types.items():
        if name != "Progress":  # made where it is sent
            record = record_called(RENAMED.get(name, name))
            assert described(alias.type) == fields_of(record), name


def faults() -> Iterator[tuple[str, set[str]]]:
    """Every error that the code makes: its name, and the names of what goes with it."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault"):
                continue
            name = node.args[0]
            if not isinstance(name, ast.Constant):
                continue  # of org.varlink.service
            given = node.args[1] if len(node.args) > 1 else ast.Dict([], [])
            assert isinstance(given, ast.Dict), f"{path.name}:{node.lineno}"
            keys = {str(key.value) for key in given.keys if isinstance(key, ast.Constant)}
            yield str(name.value), keys


def test_errors_are_described_as_they_are_raised(interface: Any) -> None:  # noqa: ANN401
    raised = dict(faults())
    errors = members(interface, "_Error")
    assert set(raised) == set(errors)
    for name, given in raised.items():
        assert given == set(errors[name].type.fields), name


class Tapped:
    """A socket that remembers the replies as they came, before a client makes sense of them."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._heard = b""

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data)

    def recv(self, size: int) -> bytes:
        data = self._socket.recv(size)
        self._heard += data
        return data

    def replies(self) -> list[Any]:
        """What came since the last time."""
        *frames, self._heard = self._heard.split(b"\0")
        return [json.loads(frame).get("parameters") for frame in frames]


def misfits(interface: Any, kind: Any, value: object, where: str) -> Iterator[str]:  # noqa: ANN401
    """What of a reply is not as described: missing, unknown, or of another type."""
    name = type(kind).__name__
    if name == "_CustomType":
        yield from misfits(interface, interface.members[kind.name].type, value, where)
    elif name == "_Maybe":
        if value is not None:
            yield from misfits(interface, kind.element_type, value, where)
    elif name == "_Array":
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for number, part in enumerate(value):
            yield from misfits(interface, kind.element_type, part, f"{where}[{number}]")
    elif name == "_Struct":
        if not isinstance(value, dict):
            yield f"{where} is no object"
            return
        yield from (f"{where}.{extra} is not described" for extra in set(value) - set(kind.fields))
        for field, inner in kind.fields.items():
            if field in value:
                yield from misfits(interface, inner, value[field], f"{where}.{field}")
            elif type(inner).__name__ != "_Maybe":
                yield f"{where}.{field} is missing"
    elif type(value) is not type(kind):
        yield f"{where} is {value!r}, should be {name}"


class Foreign:
    """The PyPI client on a helper, each raw reply checked against the description."""

    def __init__(self, connected: socket.socket) -> None:
        self._tapped = Tapped(connected)
        client = varlink.Client()
        self.handler = client.open(messages.INTERFACE, connection=self._tapped)
        self.interface = client.get_interface(messages.INTERFACE, self._tapped)
        self.called: set[str] = set()
        self._tapped.replies()

    def call(self, name: str, *parameters: object) -> Any:  # noqa: ANN401
        self.called.add(name)
        reply = getattr(self.handler, name)(*parameters)
        self._check(name)
        return reply

    def more(self, name: str, *parameters: object) -> list[Any]:
        self.called.add(name)
        replies = list(getattr(self.handler, name)(*parameters, _more=True))
        self._check(name)
        return replies

    def oneway(self, name: str) -> None:
        self.called.add(name)
        getattr(self.handler, name)(_oneway=True)

    def refused(self, name: str, *parameters: object) -> str:
        with pytest.raises(varlink.VarlinkError) as refusal:
            getattr(self.handler, name)(*parameters)
        (raw,) = self._tapped.replies()
        error = str(refusal.value.error()).removeprefix(messages.INTERFACE + ".")
        kind = self.interface.members[error].type
        assert not list(misfits(self.interface, kind, raw, error))
        return error

    def _check(self, name: str) -> None:
        kind = self.interface.get_method(name).out_type
        for raw in self._tapped.replies():
            assert not list(misfits(self.interface, kind, raw, name))


@pytest.fixture
def foreign(bench: Bench) -> Iterator[Foreign]:
    for action in ACTIONS.values():
        bench.kernel.files[action.path] = ""
    bench.core.self_test = lambda: (messages.Attempt("open /etc/shadow", held=True, note="EACCES"),)
    ours, theirs = socket.socketpair()
    ours.settimeout(10)

    def serve() -> None:
        with theirs:
            server.serve(bench.core, theirs.fileno(), theirs.fileno())

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        yield Foreign(ours)
    thread.join(10)
    assert not thread.is_alive()


def apply_by(foreign: Foreign, **others: object) -> Any:  # noqa: ANN401
    """Plan and apply by name, every field of the request given."""
    asked = {"changes": [SWAPPINESS], **others}
    plan = foreign.call("Plan", *in_order("Plan", **asked))["plan"]
    wanted = {
        **asked,
        "plan_hash": plan["hash"],
        "ttl_s": 60.0,
        "on_partial": "rollback",
        "title": "a foreign client",
    }
    return foreign.more("Apply", *in_order("Apply", **wanted))[-1]["trial"]


def in_order(name: str, **given: object) -> list[object]:
    """Every field of a request in its order, those not given as a client would leave them."""
    empty = {"string": "", "bool": False, "int": 0, "float": 0.0}
    fields = fields_of(requests.METHODS[name])
    assert set(given) <= set(fields)
    return [
        given.get(field, [] if kind.startswith("[]") else empty.get(kind))
        for field, kind in fields.items()
    ]


def test_a_foreign_client_calls_every_method(bench: Bench, foreign: Foreign) -> None:
    hello = foreign.call("Hello", messages.PROTOCOL, "foreign", varlink.__name__)
    assert hello["protocol"] == messages.PROTOCOL
    trial = apply_by(foreign)
    assert (trial["state"], bench.kernel.files["/proc/sys/vm/swappiness"]) == ("pending", "10")
    foreign.oneway("Cancel")
    assert foreign.call("Extend", trial["id"], 90.0)["trial"]["id"] == trial["id"]
    assert foreign.call("Revert", trial["id"])["trial"]["state"] == "reverted"
    trial = apply_by(foreign)
    kept = foreign.call("Keep", *in_order("Keep", id=trial["id"], persist=True))
    assert kept["files"] == [bench.places.sysctl]
    past = foreign.call("History", 1, 0)
    assert (past["trials"][0]["id"], past["more"]) == (trial["id"], True)
    assert foreign.call("History", 1, past["trials"][0]["number"])["more"] is False
    assert foreign.call("Unpersist", ["vm.swappiness"])["files"] == [bench.places.sysctl]
    foreign.call("Act", "compact_memory")
    assert foreign.call("SelfTest")["attempts"][0]["held"] is True
    assert foreign.refused("Keep", *in_order("Keep", id="0" * 32)) == "NothingPending"
    b_is_20 = {"name": "B", "changes": [{**SWAPPINESS, "value": "20", "expected": "10"}]}
    trial = apply_by(foreign, changes=[], arms=[{"name": "A", "changes": []}, b_is_20])
    assert foreign.call("Switch", trial["id"], "B")["trial"]["arm"] == "B"
    assert bench.kernel.files["/proc/sys/vm/swappiness"] == "20"
    assert foreign.called == set(requests.METHODS) | READ_AHEAD


def test_a_foreign_client_is_told_of_errors_as_described(foreign: Foreign) -> None:
    foreign.call("Hello", messages.PROTOCOL, "foreign", "1")
    absent = {**SWAPPINESS, "knob": "kernel.core_pattern"}
    assert foreign.refused("Plan", *in_order("Plan", changes=[absent])) == "Refused"
    late = {**SWAPPINESS, "expected": "61"}
    wanted = in_order("Apply", changes=[late], plan_hash="0" * 64, ttl_s=60.0,
                      on_partial="rollback")  # fmt: skip
    assert foreign.refused("Apply", *wanted) == "Stale"
    apply_by(foreign)
    wanted = in_order("Apply", changes=[SWAPPINESS], plan_hash="0" * 64, ttl_s=60.0,
                      on_partial="rollback")  # fmt: skip
    assert foreign.refused("Apply", *wanted) == "Busy"


def test_without_hello_a_foreign_client_is_told_and_left(foreign: Foreign) -> None:
    assert foreign.refused("History", 1, 0) == "ProtocolMismatch"
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        foreign.call("Hello", messages.PROTOCOL, "foreign", "1")


def test_a_helper_of_tomorrow_adds_and_a_client_of_today_passes_over_it() -> None:
    """Every record with a field more, at every depth, is read as if that were not there."""
    item = messages.Item("vm.swappiness", "", "/p", "60", "10", "10", "ok",
                         parts=(messages.Part("node0", "1", "2"),))  # fmt: skip
    trial = messages.Trial("0" * 32, 1, 0, "root", attested=True, tty=None, started=1.0,
                           deadline=None, state="kept", items=(item,))  # fmt: skip
    past = messages.Past((trial,), (messages.Account(trial.id),))
    hello = messages.HelloReply(1, "9", "", "", 0, 0, attested=True, journal_ok=True,
                                guardian="", container="", pending=trial)  # fmt: skip
    for record in (past, hello):
        newer = json.loads(
            re.sub(r"\{(?=\")", '{"of_tomorrow":{"x":[1]},', json.dumps(messages.to_object(record)))
        )
        assert newer["of_tomorrow"]
        assert messages.from_object(type(record), newer) == record
        with pytest.raises(ValueError, match="of_tomorrow"):
            messages.from_object(type(record), newer, strict=True)
