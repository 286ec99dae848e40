"""The command line over machines, processes, profiles, journals and results that mean it ill."""

from __future__ import annotations

import functools
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from aitune_backends import foreign, machine
from aitune_backends.elevation import not_granted, start
from aitune_backends.helper_client import RealLink, Session
from aitune_backends.host import Host
from aitune_backends.identity import read_identity
from aitune_backends.journal_file import read_page
from aitune_backends.loads import records
from aitune_backends.loads.settings import machine_hash
from aitune_backends.loads.store import Store
from aitune_backends.places import UserPlaces
from aitune_helper import messages, past
from aitune_tui.cli import load_runs, loadtest, main, trials
from tests.unit.hostile import machine_files
from tests.unit.hostile.corpus import CORPUS, FORGED, RAW, check_shown
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from collections.abc import Callable

RUN = CliRunner()
LOOKING = (
    ("status",),
    ("status", "vm.swappiness"),
    ("owners",),
    ("owners", "vm.swappiness", "cpu.governor"),
    ("explain", "vm.overcommit_memory"),
    ("explain", "block.scheduler"),
    ("explain", "cpu.governor"),
    ("plan", "vm.swappiness=10", "vm.overcommit_memory=1"),
    ("plan", "thp.enabled=never", "--persist"),
    ("plan", "--profile", "classic"),
    ("verify", "--profile", "inference"),
    ("doctor",),
    ("explain", "vm.nr_hugepages"),
    ("profiles", "import", "tuned:x"),
    ("profiles", "export", "classic", "--format", "tuned"),
    ("profiles", "export", "classic", "--format", "shell"),
)

by_text = pytest.mark.parametrize("name", CORPUS)
by_bytes = pytest.mark.parametrize("name", RAW)


@pytest.fixture(scope="module")
def small_machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_trees.two_nodes(tmp_path_factory.mktemp("small") / "machine").root


def shown(*arguments: str, status: frozenset[int] = frozenset({0, 1, 2})) -> str:
    """What a command prints, judged; and its JSON, which is ASCII alone."""
    text = told(*arguments, status=status)
    as_json = RUN.invoke(main, [*arguments, "--json"])
    assert as_json.stdout.isascii()
    assert "\x1b" not in as_json.output
    assert json.loads(as_json.stdout)["schema"].startswith("aitune/")
    return text


def told(*arguments: str, status: frozenset[int] = frozenset({0, 1, 2})) -> str:
    """What a command prints for people, judged."""
    result = RUN.invoke(main, list(arguments))
    assert result.exit_code in status, (result.exit_code, result.output)
    check_shown(result.stdout)
    check_shown(result.stderr)
    return result.stdout + result.stderr


def test_the_judge_sees_what_it_is_to_see() -> None:
    for name in ("clear", "c1", "newline", "bidi", "invisible", "flood", "bells"):
        with pytest.raises(AssertionError):
            check_shown(f"a line\n{CORPUS[name]}")
    check_shown(f"é → [red] {CORPUS['format']} ≥ 東京\n│ x")


@by_text
def test_one_function_makes_any_text_fit_to_be_shown(name: str) -> None:
    text = foreign.clean(CORPUS[name])
    check_shown(text)
    assert "\n" not in text
    assert foreign.clean(text) == text
    assert len(text) <= len(CORPUS[name])


@by_bytes
def test_a_machine_cannot_steer_the_terminal(name: str, tmp_path: Path) -> None:
    root = str(machine_files.write(tmp_path / "machine", RAW[name]))
    texts = [shown(*command, "--root", root) for command in LOOKING]
    assert "4 CPUs" in texts[0]
    if name == "markup":
        assert "[red on white]x[/]" in texts[0]  # shown as it is, not understood
    if name == "newline":
        assert f"x?{FORGED} all is kept" in texts[0]


@by_bytes
def test_a_process_and_its_model_cannot(name: str, tmp_path: Path) -> None:
    """A real process with a hostile name of its own, and a model of a hostile name open."""
    text = RAW[name].replace(b"/", b"!").replace(b"\0", b"?")[:100]
    folder = os.fsencode(tmp_path) + b"/" + text
    os.mkdir(folder)  # noqa: PTH102 - bytes
    for number in (1, 2):
        shard = folder + b"/" + text + b"-%05d-of-00002.safetensors" % number
        with open(shard, "wb") as file:  # noqa: PTH123 - bytes
            file.write(bytes(4096))
    code = (
        "import ctypes, os, sys\n"
        "ctypes.CDLL(None).prctl(15, os.fsencode(sys.argv[1]), 0, 0, 0)\n"
        "file = open(os.fsencode(sys.argv[2]), 'rb'); file.read(1)\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    comm = RAW[name].replace(b"\0", b"")
    with subprocess.Popen(
        [sys.executable, "-c", code, comm, shard], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        text_shown = shown("status")
        process.communicate()
    assert "Model loads" in text_shown
    assert f" {process.pid}: " in text_shown


@by_text
def test_a_profile_cannot(name: str, tmp_path: Path, small_machine: Path) -> None:
    text = CORPUS[name]
    quoted = json.dumps(text)  # TOML's strings are JSON's, but for the rarest escapes
    bodies = {
        "title": f"[profile]\ntitle = {quoted}\ntext = {quoted}\n[settings]\n'vm.swappiness' = 1\n",
        "name": f"[profile]\nname = {quoted}\n[settings]\n'vm.swappiness' = 1\n",
        "knob": f"[settings]\n{quoted} = 1\n",
        "instance": f"[settings]\n{json.dumps('cpu.governor@' + text)} = 'performance'\n",
        "value": f"[settings]\n'vm.swappiness' = {quoted}\n",
        "reason": f"[settings]\n'vm.swappiness' = {{ value = 1, reason = {quoted} }}\n",
        "raw": f"# {text}\n{text}\n",
    }
    for kind, body in bodies.items():
        file = tmp_path / f"{kind}.toml"
        file.write_text(body, encoding="utf-8", errors="surrogatepass")
        said = shown("profiles", "show", str(file))
        assert said.strip()
        told("plan", "--profile", str(file), "--root", str(small_machine))
    told("verify", f"{tmp_path}/title.toml", "--root", str(small_machine))
    shown("profiles", "show", f"{tmp_path}/{text[:100]}".replace("\0", ""))


@by_text
def test_settings_of_another_tool_cannot(name: str, tmp_path: Path, small_machine: Path) -> None:
    text = CORPUS[name]
    lines = (
        f"[main]\nsummary={text}\ninclude={text}\n[{text}]\nx=1\n[variables]\nv={text}\n",
        f"[sysctl]\n# {text}\nvm.swappiness=1\nvm.dirty_ratio={text}\n{text}=1\n{text}\n",
        f"[disk]\ndevices={text}\nelevator={text}\n[bootloader]\ncmdline={text} ${{v}}\n",
        f"[cpu]\ngovernor={text}\n[sysfs]\n/sys/block/{text}/queue/scheduler=none\n",
    )
    file = tmp_path / "tuned.conf"
    file.write_text("".join(lines), encoding="utf-8", errors="surrogatepass")
    shown("profiles", "import", str(file), "--root", str(small_machine))
    told("verify", "--profile", str(file), "--root", str(small_machine))
    called = tmp_path / text[:60].replace("/", "!").replace("\0", "?")
    called.write_text("vm.swappiness = 1\n", encoding="utf-8")
    said = told("profiles", "import", str(called), "--root", str(small_machine))
    assert f"profiles import {shlex.quote(foreign.clean(str(called)))} --save" in said


def hostile_trial(text: str, **changed: object) -> messages.Trial:
    item = messages.Item(
        "vm.swappiness", text, text, text, text, text, text, text, text, text,
        (messages.Part(text, text, text),),
    )  # fmt: skip
    trial = messages.Trial(
        "0" * 32, 7, 0, text, attested=True, tty=text, started=0.0, deadline=None,
        state="kept", items=(item,), message=text, title=text, undo_of=text, persisted=text,
    )  # fmt: skip
    return trial._replace(**changed)  # type: ignore[arg-type]  # fields of a trial


class NoWay(RealLink):
    """What is public can be read, and there is no helper to be had."""

    def connect(self, *, ask: bool) -> Session:
        raise not_granted()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """This machine, with a public file and a journal that a test writes."""

    def open_machine(**_: object) -> machine.Machine:
        host = Host()
        return machine.Machine(host, read_identity(host), NoWay(tmp_path / "public.json"))

    monkeypatch.setattr(machine, "open_machine", open_machine)
    journal = tmp_path / "journal"
    monkeypatch.setattr(trials, "read_page", functools.partial(read_page, path=journal))

    def write(text: str) -> Path:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        deadline = time.clock_gettime(time.CLOCK_BOOTTIME) - 5
        pending = hostile_trial(text, state="pending", deadline=deadline)
        state = messages.PublicState(boot_id, pending, (hostile_trial(text),))
        (tmp_path / "public.json").write_text(json.dumps(messages.to_object(state)))
        lines = [
            past.encode({"event": text, "trial": messages.to_object(trial)})
            for trial in (hostile_trial(text), hostile_trial(text, id="1" * 32, state=text))
        ]
        torn = text.encode("utf-8", "surrogatepass") + b"\n"
        (tmp_path / "journal").write_bytes(b"".join((torn, *lines, torn)))
        return tmp_path

    return write


@by_text
def test_a_journal_and_the_public_file_cannot(name: str, here: Callable[[str], Path]) -> None:
    here(CORPUS[name])
    assert "Trial 7" in shown("status")
    assert "TRIAL" in shown("journal")
    shown("journal", "--active")
    assert "overdue" in shown("doctor")
    shown("undo", "7", "--yes", status=frozenset({1, 2, 4, 5}))
    shown("apply", "vm.swappiness=61", "--yes", status=frozenset({4, 5}))
    shown("revert", "7", status=frozenset({1, 2, 4}))


@by_text
def test_kept_results_cannot(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CORPUS[name]
    places = UserPlaces(tmp_path, tmp_path, tmp_path)
    for module in (load_runs, loadtest):
        monkeypatch.setattr(module, "user_places", lambda: places)
    request = records.LoadRequest(text, (f"/{text}",), 10)
    run = records.LoadRun(1.0, 10, 0.0, 0, 0, 0.1, 10, text)
    place = records.Place(0.0, text, machine_hash(), text, text, text, {text: text})
    saved = Store(places).save(records.LoadResult(request, place, (run,), (text,)))
    assert "MODEL" in shown("loadtest", "--list")
    assert "GB/s" in shown("loadtest", "--show", str(saved.id))


@by_bytes
def test_what_sudo_says_cannot(name: str) -> None:
    ours, child = start(
        (sys.executable, "-c", f"import sys; sys.stderr.buffer.write({RAW[name]!r}); sys.exit(1)")
    )
    with ours:
        said = child.last_words()
    assert "\n" not in said
    assert len(said) <= 300
    check_shown(not_granted(said).message)


@by_text
def test_arguments_that_are_refused_cannot(name: str, small_machine: Path) -> None:
    text = CORPUS[name].replace("\0", "")
    for command in (
        ("status", text),
        ("explain", text),
        ("plan", text),
        ("plan", f"vm.swappiness={text}"),
        ("plan", f"cpu.governor@{text}=performance"),
        ("plan", "vm.swappiness=1", "--message", text),
        ("verify", text),
        ("status", "--root", f"/nonesuch/{text[:200]}".replace("/", "!")),
        ("profiles", "show", text),
        ("keep", text),
        (f"--{text}",),
        (f"x{text}",),
        ("loadtest", "--show", text),
    ):
        where = () if "--root" in command else ("--root", str(small_machine))
        told(*command, *where)
