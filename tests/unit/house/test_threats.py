"""The table of threats: complete, and every test it names is one that runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/security-design.md").read_text()
ROWS = {
    found[1]: line for line in TEXT.splitlines() if (found := re.match(r"\| (T[0-9]+) \|", line))
}
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


def test_every_threat_has_its_row_its_defence_and_a_test() -> None:
    assert list(ROWS) == [f"T{number}" for number in range(1, 23)]
    for number, row in ROWS.items():
        _, _, threat, defence, tests, _ = row.split("|")
        assert threat.strip(), number
        assert defence.strip(), number
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", tests), number


def test_each_trap_of_python_names_its_test() -> None:
    section = TEXT.partition("## Python as root")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 7
    assert [row for row in rows if "::test_" not in row] == []


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda value: str(value))
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    body = ast.parse((ROOT / file).read_text()).body
    assert name in {node.name for node in body if isinstance(node, functions)}
    # A folder that make does not run would prove nothing.
    assert "/".join(file.split("/")[:2]) in (ROOT / "Makefile").read_text()


def test_what_is_in_backticks_as_a_test_is_read_as_one() -> None:
    assert TEXT.count("::test_") == len(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT))
