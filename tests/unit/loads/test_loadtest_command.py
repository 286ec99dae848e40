"""`aitune-tui loadtest` and the refusals of `aitune-tui exercise`, as an operator types them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from aitune_tui.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.places import UserPlaces

    Fits = Callable[[object, str], str]

pytestmark = pytest.mark.usefixtures("places")


class Ran:
    """What a command printed, and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def command(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, captured.out, captured.err)

    return command


def test_a_load_is_timed_and_kept(run: Callable[..., Ran], shards: Path) -> None:
    ran = run("loadtest", shards, "--runs", 2)
    assert ran.status == 0
    assert ran.err == ""
    assert ran.out.count(" cold\n") == 2
    assert "median" in ran.out
    assert "tiny-llama: 12.0 MB in 2 files into host memory, cold" in ran.out
    assert "result 1 " in ran.out
    listed = run("loadtest", "--list")
    assert "tiny-llama" in listed.out
    assert run("loadtest", "--show", 1).out == ran.out


def test_the_object_fits_its_schema(run: Callable[..., Ran], gguf_file: Path, fits: Fits) -> None:
    ran = run("loadtest", gguf_file, "--engine", "mmap", "--state", "warm", "--json")
    document = json.loads(ran.out)
    assert fits(document, "loadtest-1") == ""
    assert next(iter(document)) == "schema"
    assert document["limit_share"] is None
    assert [one["state"] for one in document["runs"]] == ["warm"] * 3
    assert document["median_gb_per_s"] == sorted(one["gb_per_s"] for one in document["runs"])[1]
    listed = json.loads(run("loadtest", "--list", "--json").out)
    assert fits(listed, "loadtest-list-1") == ""
    assert listed["results"][0]["id"] == document["id"] == 1
    del document["runs"][0]["cpu_s"]
    assert "cpu_s" in fits(document, "loadtest-1")


def test_a_result_is_exported_once(
    run: Callable[..., Ran], gguf_file: Path, tmp_path: Path, fits: Fits
) -> None:
    run("loadtest", gguf_file, "--runs", 1)
    file = tmp_path / "result.json"
    assert run("loadtest", "--export", 1, file).status == 0
    assert fits(json.loads(file.read_text()), "loadtest-1") == ""
    again = run("loadtest", "--export", 1, file)
    assert (again.status, again.err) == (2, f"{file}: file exists.\n")


def test_not_cold_is_said_loudly(
    run: Callable[..., Ran], gguf_file: Path, mapped_elsewhere: Callable[[str], object]
) -> None:
    with mapped_elsewhere(str(gguf_file)) as pid:  # type: ignore[attr-defined]  # a context manager
        ran = run("loadtest", gguf_file, "--runs", 1)
    assert f"({pid})" in ran.err
    assert "not cold" in ran.out
    assert "Not every run began cold: see STATE." in ran.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["loadtest", "/nowhere"], "/nowhere: no such file or directory."),
        (["loadtest", "/dev/null"], "/dev/null is not a regular file."),
        (["loadtest", "/proc"], "/proc holds no model files"),
        (["loadtest"], "Give a model's PATH"),
        (["loadtest", "/x", "--list"], "Give a model's PATH"),
        (["loadtest", "--show", "7"], "There is no result 7"),
        (["loadtest", "/x", "--root", "/srv"], "not in a capture"),
        (["loadtest", "/x", "--demo"], "leave out --demo"),
        (["loadtest", "/x", "--engine", "warp"], "'buffered', 'mmap'"),
        (["loadtest", "/x", "--threads", "0"], "1<=x<=256"),
        (["exercise", "/nowhere"], "/nowhere: no such file or directory."),
        (["exercise", "/x", "--root", "/srv"], "not in a capture"),
        (["exercise"], "Missing argument"),
    ],
)
def test_bad_input_is_one_sentence_and_2(
    run: Callable[..., Ran], arguments: list[str], sentence: str
) -> None:
    ran = run(*arguments)
    assert ran.status == 2
    assert sentence in ran.err
    assert ran.out == ""


def test_an_unknown_profile_is_refused(run: Callable[..., Ran], gguf_file: Path) -> None:
    ran = run("exercise", gguf_file, "--profile", "nonesuch")
    assert ran.status == 2
    assert "classic" in ran.err


def test_without_a_terminal_the_exercise_wants_a_yes(
    run: Callable[..., Ran], gguf_file: Path
) -> None:
    ran = run("exercise", gguf_file)
    assert ran.status == 2
    assert "--yes" in ran.err
    assert "vm.overcommit_ratio" in ran.out  # the plan was shown all the same


def test_readonly_the_exercise_is_refused(run: Callable[..., Ran], gguf_file: Path) -> None:
    ran = run("exercise", gguf_file, "--yes", "--readonly")
    assert ran.status == 2
    assert "--readonly" in ran.err


def test_a_damaged_file_of_results_is_said_loudly(
    run: Callable[..., Ran], places: UserPlaces
) -> None:
    places.make_state()
    places.results.write_bytes(b"nonsense" * 1000)
    ran = run("loadtest", "--list")
    assert "was damaged" in ran.err
    assert "results.db.damaged-" in ran.err


def test_a_result_that_cannot_be_kept_is_still_shown(
    run: Callable[..., Ran], gguf_file: Path, places: UserPlaces
) -> None:
    places.state.write_text("in the way")
    ran = run("loadtest", gguf_file, "--runs", 1)
    assert ran.status == 0
    assert "The result is not kept" in ran.err
    assert "median" in ran.out


# The command with places of the test's own, in a process of its own: python -c … STATE ARGUMENT…
_PROGRAM = """
import pathlib, sys
from aitune_backends.places import UserPlaces
from aitune_tui.cli import load_runs, loadtest, main
own = UserPlaces(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1]))
load_runs.user_places = loadtest.user_places = lambda: own
main(sys.argv[2:])
"""


def test_ctrl_c_ends_the_reader_too(tmp_path: Path) -> None:
    """On a real terminal, where Ctrl-C reaches every process of the group."""
    large = tmp_path / "large.bin"
    large.touch()
    os.truncate(large, 60 << 30)
    ours, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, tmp_path, "loadtest", large],
        stderr=terminal, stdout=subprocess.PIPE, start_new_session=True,
    ) as program:  # fmt: skip
        os.close(terminal)
        seen = b""
        while b"GB/s" not in seen:
            seen += os.read(ours, 4096)
        (reader,) = psutil.Process(program.pid).children()
        os.killpg(program.pid, signal.SIGINT)
        try:
            assert program.communicate(timeout=20)[0] == b""
        except subprocess.TimeoutExpired:
            program.kill()
            raise
        assert program.returncode == 130
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert seen.endswith(b"Interrupted.\r\n")
    assert not reader.is_running()
