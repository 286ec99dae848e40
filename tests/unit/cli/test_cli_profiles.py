from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends import places, profiles

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

TUNED = """\
[main]
summary=Made for a test

[sysctl]
# To keep the server in memory.
vm.swappiness=10
vm.dirty_ratio=20
net.core.somaxconn=>2048

[cpu]
energy_perf_bias=performance

[disk]
readahead=>128

[bootloader]
cmdline=+quiet never-there=1
"""


@pytest.fixture
def tuned(tmp_path: Path) -> str:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "tuned.conf").write_text(TUNED)
    return str(folder)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's profiles lie: empty, and nobody else's beside them."""
    there = places.UserPlaces(tmp_path / "state", tmp_path / "config", tmp_path / "config")
    for module in (places, profiles):
        monkeypatch.setattr(module, "user_places", lambda: there)
    return there.profile_folders[0]


def test_verify_says_of_each_setting_what_is_there_and_why(cli: CommandLine) -> None:
    document = cli.json("verify", "--profile", "inference", expect=1)
    states = {each["knob"]: each["state"] for each in document["targets"]}
    assert states["vm.swappiness"] == "inert"
    assert states["vm.zone_reclaim_mode"] == "ok"
    assert states["kernel.numa_balancing"] == "differs"
    assert all(each["ok"] == (each["state"] == "ok") for each in document["targets"])
    assert document["summary"].startswith("6 match, 4 differ, 2 differ without effect")
    shown = cli.run("verify", "--profile", "inference", expect=1).output
    assert shown.splitlines()[0].split() == ["SETTING", "WANTED", "ACTUAL", "STATE", "WHY"]
    assert "This machine has no swap." in shown
    assert document["summary"] in shown


def test_what_is_inert_or_absent_passes_unless_it_may_not(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        '[settings]\n"vm.swappiness" = 10\n"cpu.boost" = 0\n"vm.zone_reclaim_mode" = 0\n'
    )
    assert cli.json("verify", "--profile", str(path))["ok"] is True
    shown = cli.run("verify", "--profile", str(path), "--strict", expect=1).output
    counts = "1 matches, 1 differs without effect, 1 does not exist here"
    assert f"{counts}. This is not as wanted" in shown


def test_a_broken_profile_names_file_line_and_fix(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[settings]\n"vm.zone_reclaim_mode" = 1\n"vm.swapiness" = 10\n')
    before = cli.read("/proc/sys/vm/zone_reclaim_mode")
    for command in ("verify", "apply", "plan"):
        error = cli.json(command, "--profile", str(path), expect=2)
        assert error["message"].startswith(f"{path}, line 3: No knob is called")
        assert error["message"].endswith("near it are vm.swappiness.")
    assert cli.read("/proc/sys/vm/zone_reclaim_mode") == before


def test_apply_leaves_out_what_is_not_there_and_says_so(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[settings]\n"vm.zone_reclaim_mode" = 1\n"cpu.boost" = 0\n')
    document = cli.json("apply", "--profile", str(path), "--yes")
    assert [item["knob"] for item in document["items"]] == ["vm.zone_reclaim_mode"]
    assert "cpu.boost=0 is left out" in cli.run("plan", "--profile", str(path)).output
    assert cli.json("plan", "--profile", str(path))["warnings"][0].startswith("cpu.boost=0 is")
    path.write_text('[settings]\n"cpu.boost" = 0\n')
    refused = cli.json("apply", "--profile", str(path), "--yes", expect=2)
    assert refused["message"] == "Nothing of profile x can be set here."
    cli.json("apply", "cpu.boost=0", "--yes", expect=2)


def test_an_import_shows_all_of_it(cli: CommandLine, tuned: str) -> None:
    document = cli.json("profiles", "import", tuned)
    assert document["summary"] == "3 match, 1 differs without effect"
    states = {f"{each['knob']}": (each["wanted"], each["state"]) for each in document["targets"]}
    assert states["block.read_ahead_kb"] == ("128", "ok")
    assert [(word["word"], word["there"]) for word in document["boot_words"]] == [
        ("quiet", "quiet" in cli.read("/proc/cmdline").split()),
        ("never-there=1", False),
    ]
    assert [left["text"] for left in document["left"]] == [
        "net.core.somaxconn=>2048",
        "energy_perf_bias=performance",
    ]
    assert document["understood"][0]["text"] == "summary=Made for a test"
    assert document["saved"] is None
    shown = cli.run("profiles", "import", f"{tuned}/tuned.conf").output
    for part in ("at least 128", "never-there=1", "not there", "this tool has no knob for it"):
        assert part in shown
    assert f"{tuned}/tuned.conf:7" in str(document["targets"])


def test_what_is_saved_is_a_profile_of_ours(cli: CommandLine, tuned: str, own: Path) -> None:
    path = own / "mine.toml"
    saved = cli.json("profiles", "import", tuned, "--name", "mine", "--save")["saved"]
    assert saved == str(path)
    assert cli.json("profiles", "show", "mine")["settings"][0] == {
        "knob": "vm.swappiness",
        "instance": None,
        "value": "10",
        "bound": "",
        "reason": "To keep the server in memory.",
        "place": f"{path}:6",
    }
    assert "mine" in cli.run("profiles").output
    imported = cli.json("profiles", "import", tuned)["targets"]
    again = cli.json("verify", "--profile", "mine")["targets"]
    assert [{**each, "place": ""} for each in again] == [{**each, "place": ""} for each in imported]
    text = path.read_text()
    refused = cli.json("profiles", "import", tuned, "--name", "mine", "--save", expect=2)
    assert refused["message"] == f"{path} is there already; --force replaces it."
    assert path.read_text() == text
    cli.run("profiles", "import", tuned, "--name", "mine", "--save", "--force")
    assert list(own.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import",), "take one"),
        (("import", "./none"), "none cannot be read: no such file or directory."),
        (("import", "no-such-profile"), "No profile is called"),
        (("import", "TUNED", "--name", "A b", "--save"), '"A b" is no name for a profile'),
        (("import", "TUNED", "--name", "classic", "--save"), "is the name of a built-in profile"),
        (("import", "EMPTY", "--save"), "there is nothing to save"),
        (("import", "TUNED", "--format", "sysctl"), "`export` needs --format"),
        (("show", "classic", "--save"), "go with `import` alone"),
    ],
)
def test_a_bad_import_writes_nothing(
    cli: CommandLine, tuned: str, own: Path, arguments: tuple[str, ...], says: str
) -> None:
    empty = Path(tuned).with_name("empty.conf")
    empty.write_text("net.core.somaxconn = 1\n")
    named = {"TUNED": tuned, "EMPTY": str(empty)}
    error = cli.json("profiles", *(named.get(each, each) for each in arguments), expect=2)
    assert says in error["message"]
    assert not own.exists()


def test_settings_of_others_are_verified_as_they_are(cli: CommandLine, tuned: str) -> None:
    document = cli.json("verify", "--profile", tuned)
    assert (document["profile"], document["not_compared"]) == ("made", 4)
    assert "4 lines or boot words of it are not compared" in (
        cli.run("verify", "--profile", tuned).output
    )
    assert (
        "No profile is called"
        in (cli.json("verify", "--profile", "tuned:none", expect=2)["message"])
    )
