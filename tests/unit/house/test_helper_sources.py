"""What the code that runs as root may not contain, read off its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import aitune_helper

SOURCES = sorted(Path(aitune_helper.__file__).parent.glob("*.py"))
BANNED_IMPORTS = {
    "subprocess",
    "pickle",
    "shelve",
    "marshal",
    "tempfile",
    "importlib",
    "runpy",
    "shutil",
    "code",
}
BANNED_CALLS = {"eval", "exec", "compile", "open", "__import__", "input"}
BANNED_OS = {"system", "popen", "chmod", "chown"}
# Keeps what the interpreter compiled, before anything a client says is read.
MAY_WRITE_CODE = {"compiling.py"}


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def calls_of(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The calls of a module as (object, name); the object of a plain call is ''."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield "", node.func.id
            elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                yield node.func.value.id, node.func.attr


def test_there_are_sources() -> None:
    assert {"knobs.py", "server.py", "guardian.py"} <= {path.name for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_python_3_9_can_read_it(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_uses_none_of_what_is_banned(path: Path) -> None:
    tree = ast.parse(path.read_text())
    banned = BANNED_IMPORTS - ({"marshal"} if path.name in MAY_WRITE_CODE else set())
    assert not set(imports_of(tree)) & banned
    calls = set(calls_of(tree))
    assert not calls & {("marshal", "load"), ("marshal", "loads")}
    assert not {name for owner, name in calls if owner == ""} & BANNED_CALLS
    assert not {name for owner, name in calls if owner == "os"} & BANNED_OS
    assert not {
        name for owner, name in calls if owner == "os" and name.startswith(("exec", "spawn"))
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_library_is_loaded_by_name(path: Path) -> None:
    """`CDLL(None)` is the C library that is loaded already; anything else would be a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "").endswith("DLL"):
            (loaded,) = node.args
            assert isinstance(loaded, ast.Constant)
            assert loaded.value is None


def test_nobody_is_judged_by_a_process_number() -> None:
    """A number is somebody else's once its process has ended: rights follow the socket's peer.

    The guardian's own number-and-start-time is not of a caller. What decides on a caller is its
    uid, which came with the socket; its number is for who reads the journal.
    """
    judging = {"trial.py", "server.py", "requests.py", "apply.py", "actions.py", "arms.py"}
    for path in SOURCES:
        if path.name not in judging:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                names = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
                assert "pid" not in names, f"{path.name}:{node.lineno}"
                assert "tty" not in names, f"{path.name}:{node.lineno}"


def test_no_password_passes_through_the_program() -> None:
    """Sudo asks on the terminal itself: nothing of ours reads one, or hands one on."""
    root = Path(aitune_helper.__file__).resolve().parents[2]
    banned = {"getpass", "pexpect", "pam"}
    for folder in ("backends", "tui", "widgets"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text()
            assert not set(imports_of(ast.parse(text))) & banned, path
            for option in ('"-S"', "SUDO_ASKPASS", "--stdin", '"-A"'):
                lines = [line for line in text.splitlines() if option in line]
                assert not [line for line in lines if "sudo" in line.lower()], (path, option)
