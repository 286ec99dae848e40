"""A hundred thousand frames that no honest client sends: no write, no fall, no growing.

`AITUNE_FUZZ_SEED` repeats a run; `AITUNE_FUZZ_TIMES` makes it longer.
"""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import counted
from tests.fuzz.conversations import CALLS, HELLO, Wire, as_found, frame, joined
from tests.unit.helper.fake_kernel import FILES

from aitune_helper import requests, varlink
from aitune_helper.messages import Change
from aitune_helper.varlink import FrameError, Splitter, parse_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.helper.conftest import Bench

SEED = int(os.environ.get("AITUNE_FUZZ_SEED", "20261124"))
TIMES = int(os.environ.get("AITUNE_FUZZ_TIMES", "1"))
GARBAGE = 40_000 * TIMES
MUTANTS = 45_000 * TIMES
HOSTILE = 15_000 * TIMES
TOGETHER = 40
# What one frame of the longest kind may take at its worst, and all of them may leave behind.
PEAK_BYTES = 48 << 20
LEFT_BYTES = 24 << 20

TOKENS = (
    b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u0000", b"\\ud800", b"NaN", b"-Infinity",
    b"1e999", b"-0", b"0x10", b"010", b"9" * 30, b"null", b"true", b'"method"', b'"parameters"',
    b'"io.aitune.Helper1.Apply"', b'"more"', b'"oneway"', b"\xff", b"\xef\xbb\xbf", b" ", b"\n",
    b"\x1b[31m", b"/*", b"'",
)  # fmt: skip
VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**19, -0.5, 1e308, 5e-324, "", " ", "0", "-1",
    "010", "0x10", "1e3", "\0", "\x1b]0;x\x07", "\u202e", "１", "[red]x[/]", "%s%n", "../../etc",
    "/proc/sys/kernel/core_pattern", "a" * 64, "a" * 65, "a" * 201, "x" * 70_000, "\ud800", "\n",
    "vm.swappiness", "rollback", "0" * 32, "f" * 64, [], [[]], [None], [""], ["vm.swappiness"] * 99,
    {}, {"": None}, {"knob": "vm.swappiness"}, [{"knob": "vm.swappiness"}],
    [{"knob": "vm.swappiness", "instance": "", "value": "10", "expected": None, "path": "/"}],
)  # fmt: skip


@pytest.fixture
def wire(bench: Bench) -> Iterator[Wire]:
    """A helper with an open trial, which has to outlive everything that is said."""
    bench.apply(("vm.overcommit_ratio", "", "90"))
    before, resident = as_found(bench), _resident()
    made = Wire(bench.core)
    yield made
    made.close()
    assert as_found(bench) == before, f"something was changed (seed {SEED})"
    assert _resident() - resident < LEFT_BYTES
    counted.add(f"frames said to the helper, without a write (seed {SEED})", made.frames)


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - to be repeated, not to be secret


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_garbage_ends_the_conversation(wire: Wire) -> None:
    chance = _chance(SEED)
    for number in range(GARBAGE):
        if number % 2:
            said = chance.randbytes(chance.randrange(1, 200)).replace(b"\0", b"")
        else:
            said = b"".join(chance.choices(TOKENS, k=chance.randrange(1, 20)))
        answers = wire.converse(said + b"\0" * (number % 7 > 0))
        assert len(answers) <= 1
        assert all("error" in answer for answer in answers), answers


def test_calls_that_were_damaged_on_the_way(wire: Wire) -> None:
    """What still reads as a call is said after a greeting, many in one conversation."""
    chance = _chance(SEED + 1)
    valid = [frame(name, parameters) for name, parameters in CALLS.items()]
    readable: list[bytes] = []
    for _ in range(MUTANTS):
        mutant = _damaged(chance, chance.choice(valid), chance.choice(valid))
        try:
            parse_call(mutant)
        except FrameError:
            answers = wire.converse(mutant + b"\0")
            assert len(answers) == 1
            assert "error" in answers[0]
        else:
            readable.append(mutant)
    assert len(readable) > MUTANTS // 50
    for start in range(0, len(readable), TOGETHER):
        wire.converse(joined([HELLO, *readable[start : start + TOGETHER]]))


def _damaged(chance: random.Random, call: bytes, other: bytes) -> bytes:
    data = bytearray(call)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data)) if data else 0
        to = min(len(data), at + chance.randrange(1, 12))
        match chance.randrange(8):
            case 0:
                data[at:to] = bytes(byte ^ (1 << chance.randrange(7)) for byte in data[at:to])
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = data[at:to]
            case 3:
                data[at:to] = chance.choice(TOKENS)
            case 4:
                data[at:at] = chance.choice(TOKENS)
            case 5:
                del data[at:]
            case 6:
                data[at:] = other[chance.randrange(len(other)) :]
            case _:
                data[at:to] = str(chance.choice((-1, 0, 2**64, 1e300))).encode()
    return bytes(data.replace(b"\0", b""))


def test_hostile_values_in_every_field(wire: Wire) -> None:
    """Each call is well formed; each is answered, and the conversation goes on after it."""
    chance = _chance(SEED + 2)
    assert set(requests.METHODS) - set(CALLS) <= {"Act", "Switch", "SelfTest"}, "a new method"
    for _ in range(0, HOSTILE, TOGETHER):
        calls = [_hostile(chance) for _ in range(TOGETHER)]
        answers = wire.converse(joined([HELLO, *calls]))
        assert len(answers) == 1 + TOGETHER, answers[-1]


def _hostile(chance: random.Random) -> bytes:
    name = chance.choice(sorted(set(CALLS) | set(requests.METHODS)))
    parameters = json.loads(json.dumps(CALLS.get(name, {"id": "0" * 32, "arm": "B", "action": ""})))
    for _ in range(chance.choice((1, 1, 2, 3))):
        inner = parameters.get("changes")
        target = parameters
        if (
            isinstance(inner, list)
            and inner
            and isinstance(inner[0], dict)
            and chance.random() < 0.5
        ):
            target = inner[0]
        key = chance.choice([*target, "path", ""])
        target[key] = chance.choice(VALUES)
    return frame(name, parameters)


# -- what is too much ------------------------------------------------------------------------------

MOST = varlink.FRAME_MAX - 100
LONGEST = {
    "lists": b'{"method":"x","parameters":{"a":[' + b"[]," * (MOST // 3) + b"[]]}}",
    "objects": b'{"method":"x","parameters":{"a":[' + b"{}," * (MOST // 3) + b"{}]}}",
    "numbers": b'{"method":"x","parameters":{"a":[' + b"1," * (MOST // 2) + b"1]}}",
    "names": b'{"method":"x","parameters":{'
    + b",".join(b'"%x":0' % n for n in range(MOST // 10))
    + b"}}",
    "one string": b'{"method":"' + b"a" * MOST + b'"}',
    "escapes": b'{"method":"' + b"\\u0001" * (MOST // 6) + b'"}',
    "backslashes": b'{"method":"' + b"\\\\" * (MOST // 2),
    "quotes": b'"' * MOST,
    "depth": b"[" * MOST,
    "depth in objects": b'{"a":' * (MOST // 5),
    "digits": b'{"method":' + b"9" * MOST + b"}",
    "changes": frame("Plan", {"changes": [CALLS["Plan"]["changes"][0]] * 2500}),  # type: ignore[index]
}


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_frames_take_little_memory(wire: Wire, name: str) -> None:
    assert len(LONGEST[name]) <= varlink.FRAME_MAX
    tracemalloc.start()
    try:
        wire.converse(joined([HELLO, LONGEST[name]]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < PEAK_BYTES


@pytest.mark.parametrize("end", [b"", b"\0"], ids=["without an end", "with an end"])
def test_a_frame_that_is_too_long_is_not_waited_for(wire: Wire, end: bytes) -> None:
    for size in (varlink.FRAME_MAX + 1, 8 << 20):
        answers = wire.converse(HELLO + b"\0" + b"a" * size + end + HELLO + b"\0")
        assert len(answers) == 2
        assert "longer than" in str(answers[1])


def test_however_a_stream_is_cut_the_answers_are_the_same(wire: Wire) -> None:
    chance = _chance(SEED + 3)
    calls = [_hostile(chance) for _ in range(200)]
    stream = joined(calls)
    splitter = Splitter()
    seen: list[bytes] = []
    at = 0
    while at < len(stream):
        size = chance.choice((1, 1, 2, 7, 100, 5000))
        seen += splitter.feed(stream[at : at + size])
        at += size
    assert seen == calls
    whole = wire.converse(joined([HELLO, *calls]))
    assert whole == wire.converse(joined([HELLO, *seen]))


def test_a_long_frame_may_come_byte_by_byte() -> None:
    """Looking through all that is held at each byte took twenty seconds."""
    splitter = Splitter()
    for _ in range(varlink.FRAME_MAX):
        assert splitter.feed(b"a") == []
    assert splitter.feed(b"\0b") == [b"a" * varlink.FRAME_MAX]


def test_who_talks_on_while_something_is_applied_is_hung_up_on(bench: Bench) -> None:
    """Reading ahead is for `Cancel`; without a bound it would hold whatever comes."""
    bench.kernel.pages = 1 << 30
    changes: list[object] = [{"knob": "hugepages.2048kB", "instance": "", "value": "2000"}]
    planned = bench.core.plan((Change("hugepages.2048kB", "", "2000"),), force=False)
    call = frame("Apply", {"changes": changes, "plan_hash": planned.hash, "ttl_s": 60})
    wire = Wire(bench.core)
    answers = wire.converse(joined([HELLO, call, *[HELLO] * 10_000]))
    wire.close()
    assert "too much is said" in str(answers[1])
    assert len(answers) == 3
    assert bench.kernel.state() == FILES
    assert bench.core.trials.pending() is None
