"""Who may start the helper and means it ill: nothing grows, nothing is told of other files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.test_helper_server import HELLO, SWAPPINESS, Client, Object

from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Caller
from aitune_helper.requests import METHODS

if TYPE_CHECKING:
    from tests.unit.helper.conftest import Bench

    from aitune_helper.places import Places

ROUNDS = 60
ID = "f" * 32
# Each names something that is there on the machine that runs the test, then its twin that is not.
TWINS = (
    ("../../../etc/passwd", "../../../etc/nonesuch"),
    ("/etc/shadow", "/etc/nonesuch"),
    ("sda/../../../../root", "sda/../../../../nonesuch"),
    ("self", "nonesuch"),
)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a number is wanted


def sizes(places: Places) -> dict[str, int]:
    """What lies on the disk of ours, by its size."""
    return {
        str(file): file.stat().st_size
        for top in (places.run, places.state)
        for file in Path(top).rglob("*")
        if file.is_file()
    }


def test_asking_without_end_costs_nobody_anything(bench: Bench, places: Places) -> None:
    """Connections, plans, trials beside an open one, holds on it: none leaves a trace."""
    bench.apply(("vm.swappiness", "", "10"))
    calls: tuple[tuple[str, Object], ...] = (
        ("Plan", {"changes": [SWAPPINESS] * 50}),
        ("Apply", {"changes": [SWAPPINESS], "plan_hash": "", "ttl_s": 60.0}),
        ("Extend", {"id": ID, "ttl_s": 3600.0}),
        ("Keep", {"id": ID}),
        ("Revert", {"id": ID}),
        ("Unpersist", {"knobs": ["vm.swappiness"]}),
        ("Act", {"action": "nonesuch"}),
        ("History", {"limit": 1000}),
        ("Cancel", {}),
    )
    assert {name for name, _ in calls} <= {*METHODS, "Cancel"}

    def once() -> None:
        client = Client(bench.core)
        client.call("Hello", HELLO)
        for name, parameters in calls:
            client.send(name, parameters, **({"oneway": True} if name == "Cancel" else {}))
            if name != "Cancel":
                client.receive()
        client.close()

    once()
    before = sizes(places), open_descriptors(), bench.kernel.count
    for _ in range(ROUNDS):
        once()
    assert (sizes(places), open_descriptors(), bench.kernel.count) == before
    assert bench.core.trials.pending() is not None


def test_more_time_is_bounded_however_often_it_is_asked_for(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    owner = Caller(trial.owner_uid, trial.owner_name, attested=True)
    for _ in range(ROUNDS):
        left = bench.core.extend(trial.id, 3600.0, owner)
    assert left.deadline is not None
    assert left.deadline <= bench.now + 3600.0


def reason(bench: Bench, knob: str, instance: str, value: str) -> str:
    client = Client(bench.core)
    client.call("Hello", HELLO)
    change: Object = {"knob": knob, "instance": instance, "value": value}
    reply = client.call("Plan", {"changes": [change]})
    client.close()
    return str(reply)


@pytest.mark.parametrize(("there", "not_there"), TWINS)
def test_an_error_tells_nothing_of_files_outside_the_table(
    bench: Bench, there: str, not_there: str
) -> None:
    """What exists is answered as what does not, but for the name that the client sent itself."""
    for knob in KNOBS:
        for place in ("knob", "instance", "value"):
            said = [
                reason(
                    bench,
                    name if place == "knob" else knob,
                    name if place == "instance" else "",
                    name if place == "value" else "1",
                ).replace(name, "NAME").replace(repr(name), "NAME")
                for name in (there, not_there)
            ]  # fmt: skip
            assert said[0] == said[1]
            for path in re.findall(r"/(?:proc|sys|etc|root|home|run|var)/[^\s'\"]*", said[0]):
                assert path.startswith(("/proc/sys/vm/", "/proc/sys/kernel/", "/sys/")), path


@pytest.mark.parametrize("protocol", [0, 1, 2, 2**31])
def test_versions_meet_or_say_so(bench: Bench, protocol: int) -> None:
    """A client of any version against this helper; what a later one adds is refused by name."""
    client = Client(bench.core)
    reply = client.call("Hello", HELLO | {"protocol_max": protocol})
    if protocol < 1:
        assert reply["error"] == "io.aitune.Helper1.ProtocolMismatch"
    else:
        parameters = reply["parameters"]
        assert isinstance(parameters, dict)
        assert parameters["protocol"] == 1
        later = client.call("Plan", {"changes": [SWAPPINESS], "since_version_2": True})
        assert later["error"] == "org.varlink.service.InvalidParameter"
    client.close()
