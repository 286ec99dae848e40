"""What an operator names is found whole, or refused with one sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.loads.model_files import ModelError, find_model, parse_index


def test_a_directory_stands_for_its_shards(shards: Path) -> None:
    model = find_model([shards])
    assert model.name == "tiny-llama"
    assert [file.name for file in model.files] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert model.bytes == sum(file.stat().st_size for file in model.files) > 12_000_000


def test_the_index_says_which_shards_belong(shards: Path) -> None:
    (shards / "adapter.safetensors").write_bytes(b"x")
    index = {"weight_map": {"layer.1": "model-00001-of-00002.safetensors"}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [file.name for file in find_model([shards]).files] == [
        "model-00001-of-00002.safetensors"
    ]


def test_a_shard_that_the_index_names_must_be_there(shards: Path) -> None:
    index = {"weight_map": {"a": "model-00009-of-00009.safetensors"}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"model-00009-of-00009\.safetensors: no such file"):
        find_model([shards])


def test_a_gguf_stands_for_itself(gguf_file: Path) -> None:
    model = find_model([gguf_file])
    assert (model.name, model.files) == ("tiny.gguf", (gguf_file,))
    assert gguf_file.read_bytes()[:4] == b"GGUF"


def test_safetensors_go_before_the_same_weights_as_bin(shards: Path) -> None:
    (shards / "pytorch_model.bin").write_bytes(b"x")
    assert len(find_model([shards]).files) == 2


def test_bin_files_are_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"xx")
    (tmp_path / "config.json").write_bytes(b"{}")
    assert find_model([tmp_path]).bytes == 2


def test_shard_ten_comes_after_shard_nine(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        (tmp_path / f"part{number}.gguf").write_bytes(b"x")
    names = [file.name for file in find_model([tmp_path]).files]
    assert names == ["part1.gguf", "part9.gguf", "part10.gguf"]


def test_a_file_given_twice_counts_once(gguf_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.gguf"
    link.symlink_to(gguf_file)
    model = find_model([gguf_file, link])
    assert (len(model.files), model.bytes) == (1, gguf_file.stat().st_size)


def test_any_files_can_be_read_together(gguf_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_bytes(b"12345")
    model = find_model([gguf_file, other])
    assert model.name == "tiny.gguf and 1 more"
    assert model.bytes == gguf_file.stat().st_size + 5


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "no such file or directory"),
        (lambda path: path.mkdir(), "holds no model files"),
        (lambda path: path.touch(), "is empty"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to(path), "too many levels"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, make: object, sentence: str) -> None:
    path = tmp_path / "model"
    assert callable(make)
    make(path)
    with pytest.raises(ModelError, match=sentence):
        find_model([path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_an_unreadable_file_is_refused(gguf_file: Path) -> None:
    gguf_file.chmod(0)
    with pytest.raises(ModelError, match="permission denied"):
        find_model([gguf_file])


def test_no_path_is_refused() -> None:
    with pytest.raises(ModelError, match="No path"):
        find_model([])


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"weight_map": {}}', '{"weight_map": []}', '{"weight_map": {"a": 1}}',
        '{"weight_map": {"a": "../../etc/shadow"}}', '{"weight_map": {"a": "/etc/shadow"}}',
        '{"weight_map": {"a": ""}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_broken_or_hostile_index_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_index(text)


@given(
    st.dictionaries(
        st.text(), st.from_regex(r"[a-z]{1,5}-[0-9]{1,5}\.safetensors", fullmatch=True), min_size=1
    )
)
def test_an_index_gives_each_shard_once(weights: dict[str, str]) -> None:
    found = parse_index(json.dumps({"weight_map": weights}))
    assert sorted(found) == sorted(set(weights.values()))
