"""The codec: what is a call is read, and whatever else comes never gets further."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aitune_helper import varlink
from aitune_helper.varlink import Call, FrameError, Splitter, encode, parse_call, parse_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
FLAGS = st.sampled_from([(False, False), (True, False), (False, True)])
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)


@given(
    st.text(min_size=1), OBJECTS, st.sampled_from([(False, False), (True, False), (False, True)])
)
def test_a_call_is_read_as_it_was_written(
    method: str, parameters: varlink.Object, flags: tuple[bool, bool]
) -> None:
    more, oneway = flags
    frame = encode({"method": method, "parameters": parameters, "more": more, "oneway": oneway})
    assert frame.endswith(b"\0")
    assert frame.count(b"\0") == 1
    assert parse_call(frame[:-1]) == Call(method, parameters, more, oneway)


@given(st.lists(st.binary().filter(lambda part: b"\0" not in part)), st.data())
def test_frames_come_whole_however_they_were_cut(frames: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame + b"\0" for frame in frames)
    splitter = Splitter()
    seen: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        seen += splitter.feed(stream[:size])
        stream = stream[size:]
    assert seen == frames


@settings(max_examples=1000)
@given(st.binary(max_size=300))
@example(b"")
@example(b"[" * 200_000)
@example(b'{"a":' * 50_000)
@example(b'"' + b"\\" * 100_001)
@example(b"\xff\xfe")
@example(b'{"method":"\\ud800"}')
@example(b'{"method":1e999}')
@example(b"9" * 200_000)
def test_any_bytes_are_a_call_or_an_error(frame: bytes) -> None:
    try:
        call = parse_call(frame)
    except FrameError:
        return
    assert isinstance(call, Call)


@settings(max_examples=500)
@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsnNaIity\\u ', max_size=60))
def test_nearly_json_is_json_or_an_error(text: str) -> None:
    try:
        found = parse_object(text.encode())
    except FrameError:
        return
    assert found == json.loads(text)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"[]", "not an object"),
        (b"{", "not JSON"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":{"b":1,"b":1}}', "twice"),
        (b'{"a":' + b"1" * 21 + b"}", "too long"),
        (b'{"a":' + b"[" * 8 + b"]" * 8 + b"}", "nested"),
        (b'{"a":"\xc3\x28"}', "not JSON"),
    ],
)
def test_what_is_refused_and_why(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        parse_object(frame)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"method": 1},
        {"method": "m", "parameters": []},
        {"method": "m", "more": 1},
        {"method": "m", "more": True, "oneway": True},
        {"method": "m", "extra": 1},
        {"method": "m", "upgrade": True},
    ],
)
def test_what_is_no_call(message: varlink.Object) -> None:
    with pytest.raises(FrameError):
        parse_call(encode(message)[:-1])


def test_brackets_in_strings_do_not_nest() -> None:
    assert parse_object(b'{"a":"[[[[[[[[[[\\"{{{{"}') == {"a": '[[[[[[[[[["{{{{'}


def test_a_frame_without_end_is_not_kept() -> None:
    splitter = Splitter()
    for _ in range(4):
        assert splitter.feed(b"x" * (varlink.FRAME_MAX // 4)) == []
    with pytest.raises(FrameError):
        splitter.feed(b"x")


def test_control_and_foreign_characters_never_travel_raw() -> None:
    frame = varlink.reply({"note": "\x1b[31m\n\u202e\0"})
    assert all(0x20 <= byte < 0x7F for byte in frame[:-1])
