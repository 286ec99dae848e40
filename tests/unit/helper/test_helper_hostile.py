"""No text that a client sends reaches journal, record, public file, stderr or syslog as it is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.test_helper_server import HELLO, SWAPPINESS, Client, Object
from tests.unit.hostile.corpus import CORPUS, acting, check_shown

from aitune_helper import messages, requests, state, surroundings
from aitune_helper.server import Core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.helper.conftest import Bench

    from aitune_helper.places import Places

by_text = pytest.mark.parametrize("name", CORPUS)
ID = "0" * 32
# A value of each type that a field of a request can have; strings are what the test puts there.
PLAIN = {"int": 1, "float": 60.0, "bool": False}


def requests_with(text: str) -> Iterator[tuple[str, Object]]:
    """Every method with `text` in one string of its parameters, wherever one can be."""
    for method, record in requests.METHODS.items():
        plain = parameters_of(record)
        yield method, plain | {text: text}
        for field, kind in record.__annotations__.items():
            for value in hostile_values(kind_of(kind), text):
                yield method, plain | {field: value}
    yield text, {}
    yield f"{messages.INTERFACE}.{text}", {}
    yield "org.varlink.service.GetInterfaceDescription", {"interface": text}
    yield f"org.varlink.service.{text}", {}


def kind_of(annotation: object) -> str:
    return str(getattr(annotation, "__forward_arg__", annotation))


def parameters_of(record: type) -> Object:
    """Parameters that are of the right types, and mean nothing."""
    return {
        field: PLAIN.get(kind_of(kind), ID if field == "id" else "")
        for field, kind in record.__annotations__.items()
        if field not in getattr(record, "_field_defaults", {}) and "tuple" not in kind_of(kind)
    } | {
        field: [SWAPPINESS]
        for field, kind in record.__annotations__.items()
        if "Change, ..." in kind_of(kind)
    }


def hostile_values(kind: str, text: str) -> Iterator[object]:
    """The text as a value of this kind, and inside of it; and where another type belongs."""
    yield text
    if kind.startswith("tuple[str"):
        yield [text]
    if "Change, ..." in kind:
        for field in ("knob", "instance", "value", "expected"):
            yield [SWAPPINESS | {field: text}]


@pytest.fixture
def told() -> list[str]:
    """What syslog was told."""
    return []


@pytest.fixture
def core(bench: Bench, places: Places, told: list[str]) -> Iterator[Core]:
    from tests.unit.helper.conftest import StillGuardian

    made = Core(bench.kernel, places, guardian=StillGuardian, witness=told.append)
    yield made
    made.close()


@by_text
def test_every_string_of_every_request(
    name: str, core: Core, places: Places, told: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    text = CORPUS[name]
    asked = list(requests_with(text))
    assert len(asked) > 25
    for method, parameters in asked:
        client = Client(core)
        client.call("Hello", HELLO)
        # Not read as words of ours: an answer is escaped JSON, which the client's side cleans.
        with contextlib.suppress(OSError):
            client.call(method, parameters)
        client.close()
        pending = core.trials.pending()
        if pending is not None:  # a text that is a harmless one for this field
            core.trials.revert(pending.id, messages.Caller(0, "root", attested=True))
    for file in written(places):
        data = file.read_bytes()
        assert not [byte for byte in data if byte < 0x20 and byte != 0x0A], file
        assert data.isascii(), file
    for line in told:
        check_shown(line)
        assert "\n" not in line
        assert line.isascii()
    check_shown(capfd.readouterr().err)


@by_text
def test_a_message_is_journalled_only_if_it_can_be_shown(name: str, core: Core) -> None:
    text = CORPUS[name][:200]
    parameters: Object = {"changes": [SWAPPINESS], "plan_hash": "", "ttl_s": 60.0, "message": text}
    client = Client(core)
    client.call("Hello", HELLO)
    reply = client.call("Apply", parameters)
    client.close()
    # Marks that pile up may be part of a word: journalled escaped, shown as `?`.
    if name != "flood" and (acting(text) or "\n" in text):
        assert reply["error"] == "org.varlink.service.InvalidParameter"
    else:
        assert reply["error"] == f"{messages.INTERFACE}.Stale"  # the plan's hash is not given


@by_text
def test_stderr_is_lines_of_ours(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    state.loud(CORPUS[name])
    said = capfd.readouterr().err
    assert said.isascii()
    check_shown(said)
    assert [line for line in said.splitlines() if not line.startswith("aitune-helper: ")] == []


def test_a_path_is_named_without_its_effects(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x\x1b[2J\nFORGED"
    file.write_bytes(b"")
    file.chmod(0o666)
    with pytest.raises(surroundings.UnsafeError) as unsafe:
        surroundings.check_owner(str(file))
    state.loud(f"does not start: {unsafe.value}")
    check_shown(capfd.readouterr().err)


def written(places: Places) -> list[Path]:
    """Every file the helper has written."""
    folders = (places.run, places.state, places.etc)
    found = [Path(at, name) for top in folders for at, _, names in os.walk(top) for name in names]
    assert any(file.name == "journal.jsonl" for file in found)
    return [file for file in found if file.is_file()]
