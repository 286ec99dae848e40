from __future__ import annotations

import json
from pathlib import Path
from typing import Any  # what json gives

import pytest

from aitune_backends.catalogue import ENTRIES
from aitune_tui.cli import main
from tests.unit.knowledge import made_trees

SCHEMAS = Path(__file__).resolve().parents[3] / "docs" / "json"


class Ran:
    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as ended:
            main.main(list(arguments))
        self.status = ended.value.code
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.out)
        return body


def check(value: object, schema: dict[str, Any], where: str = "$") -> None:
    """The few words of JSON Schema that our own schemas use."""
    if "const" in schema:
        assert value == schema["const"], where
        return
    if "enum" in schema:
        assert value in schema["enum"], where
        return
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    types = {
        "object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
        "null": type(None),
    }  # fmt: skip
    assert any(type(value) is types[kind] for kind in kinds), f"{where}: {value!r}"
    if isinstance(value, list):
        assert len(value) >= schema.get("minItems", 0), where
        for number, item in enumerate(value):
            check(item, schema["items"], f"{where}[{number}]")
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), where
        for key, item in value.items():
            more = schema["additionalProperties"]
            assert key in known or more, f"{where}.{key}"
            check(item, known.get(key, more), f"{where}.{key}")


def checked(body: dict[str, Any]) -> dict[str, Any]:
    _, name, version = body["schema"].split("/")
    check(body, json.loads((SCHEMAS / f"{name}-{version}.json").read_text()))
    return body


@pytest.fixture
def root(tmp_path: Path) -> str:
    tree = tmp_path / "machine"
    made_trees.two_nodes(tree)
    return str(tree)


@pytest.mark.parametrize("knob", ENTRIES)
def test_every_knob_is_explained(knob: str, root: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "explain", knob, "--root", root)
    assert ran.status == 0
    assert ENTRIES[knob].title in ran.out
    assert checked(Ran(capsys, "explain", knob, "--json", "--root", root).json)["knob"] == knob


def test_the_pool_of_the_default_size_is_shown_under_its_size(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = Ran(capsys, "--json", "--root", root, "explain", "vm.nr_hugepages").json
    assert [(t["knob"], t["instance"]) for t in body["targets"]] == [
        ("hugepages.2048kB", ""),
        ("hugepages.2048kB", "node0"),
        ("hugepages.2048kB", "node1"),
    ]


def test_one_instance_is_explained_alone(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    body = Ran(capsys, "--json", "--root", root, "explain", "block.scheduler@sda").json
    assert [t["instance"] for t in body["targets"]] == ["sda"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["explain", "vm.swapiness"], "near it are vm.swappiness"),
        (["explain", "block.scheduler@sdz"], "there are: loop0, md0, nvme0n1"),
        (["explain", "vm.swappiness@node0"], "one setting of the whole machine"),
        (["profiles", "show", "nothing"], "there are classic"),
        (["profiles", "show", "./nothing.toml"], "no such file"),
        (["profiles", "export", "classic"], "tuned, cmdline or shell; nothing else"),
        (["profiles", "show"], "`show`, `import` and `export` take one"),
        (["profiles", "list", "classic"], "`list` takes no name"),
    ],
)
def test_bad_input_is_status_2_and_one_sentence(
    arguments: list[str], says: str, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, *arguments, "--root", root)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


def test_profiles_are_listed_shown_and_exported(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "built in" in Ran(capsys, "profiles").out
    body = checked(Ran(capsys, "profiles", "--json").json)
    assert "classic" in [profile["name"] for profile in body["profiles"]]
    assert "ordinary load does not" in Ran(capsys, "profiles", "show", "classic").out
    checked(Ran(capsys, "profiles", "show", "classic", "--json").json)
    export = ["profiles", "export", "classic", "--root", root, "--format"]
    assert "vm.nr_hugepages = 64" in Ran(capsys, *export, "sysctl").out
    body = checked(Ran(capsys, *export, "udev", "--json").json)
    assert [each["text"] for each in body["left"]][-1] == "hugepages.2048kB=64"
    assert body["left"][-1]["why"] in body["text"]
