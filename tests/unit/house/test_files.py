"""What every file of the project has to be: its own, of readable size, free of the workshop."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]  # fmt: skip
MODULES = [
    path
    for folder in ("backends", "widgets", "tui")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
LONGEST = 450


def test_modules_are_short_enough_to_read_in_one_go() -> None:
    assert MODULES
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_every_module_says_what_it_is() -> None:
    assert [str(path) for path in MODULES if not path.read_text().startswith('"""')] == []


def test_nobody_imports_the_namesake() -> None:
    pattern = re.compile(r"^\s*(?:import|from)\s+aitune(?:\s|\.|$)", re.MULTILINE)
    assert [str(path) for path in MODULES if pattern.search(path.read_text())] == []


@pytest.mark.skipif(not TRACKED, reason="not a git checkout: there is no list of tracked files")
def test_no_index_address_in_what_is_installed_from() -> None:
    texts = [
        path for path in TRACKED if path.name in {"constraints.txt", "pyproject.toml", "Makefile"}
    ]
    assert texts
    assert [
        path.name for path in texts if re.search(r"(--index|--find-links|://)", path.read_text())
    ] == []
