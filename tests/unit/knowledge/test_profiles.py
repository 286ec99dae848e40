from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends import profiles
from aitune_backends.changes import Wanted
from aitune_backends.profiles import ProfileError
from aitune_backends.profiles.export import as_shell, as_sysctl
from aitune_backends.profiles.parse import parse_profile
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
[profile]
name = "quiet"
title = "Quiet reclaim"
text = "Why."

[settings]
"vm.swappiness" = 10
"cpu.governor" = "performance"
"cpu.governor@policy3" = "powersave"
"block.scheduler" = "none"
"""


def parse(text: str) -> profiles.Profile:
    return parse_profile(text, name="here", source="here.toml")


def test_classic_says_what_is_true_of_it() -> None:
    classic = profiles.load("classic")
    assert [str(want) for want in classic.wanted] == [
        "vm.overcommit_memory=1",
        "vm.overcommit_ratio=90",
        "hugepages.2048kB=64",
    ]
    assert "The ratio has no effect in mode 1" in classic.text
    assert "are not used by an ordinary load" in classic.text
    assert classic.source == "built in"


def test_a_profile_keeps_the_order_of_its_file() -> None:
    profile = parse(GOOD)
    assert (profile.name, profile.title) == ("quiet", "Quiet reclaim")
    assert profile.wanted[2] == Wanted("cpu.governor", "policy3", "powersave")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[settings]", "[setings]", "here.toml, line 6: table setings is not known"),
        ("title =", "titel =", "here.toml, line 3: key titel is not known"),
        ('"vm.swappiness" = 10', '"vm.swapiness" = 10', "here.toml, line 7: No knob is called"),
        ("= 10", "= 1000", "here.toml, line 7: vm.swappiness takes 0 to 200"),
        ("= 10", "= true", "here.toml, line 7: vm.swappiness needs a number or a word."),
        ("= 10", "= 1.5", "line 7: vm.swappiness needs a number or a word."),
        ('"quiet"', '"../quiet"', 'line 2: "../quiet" is no name for a profile'),
        ('"Why."', "7", "line 4: text is a text, in quotes."),
        ('"vm.swappiness" = 10', '"vm.swappiness"', "here.toml is no TOML"),
        ('"vm.swappiness" = 10', "vm.swappiness = 10", "needs a number or a word"),
        ("policy3", "node0", 'line 9: "node0" names no policy'),
    ],
)
def test_bad_input_gets_one_sentence_with_the_line(old: str, new: str, says: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(GOOD.replace(old, new, 1))
    assert says in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_profile_that_wants_nothing_is_refused() -> None:
    for text in ("", "[settings]", '[profile]\nname = "x"'):
        with pytest.raises(ProfileError, match="wants nothing"):
            parse(text)
    with pytest.raises(ProfileError, match="is a table"):
        parse("settings = 3")


@given(st.text())
def test_any_text_is_a_profile_or_a_sentence(text: str) -> None:
    sentence = "."
    try:
        parse(text)
    except ProfileError as error:
        sentence = str(error)
    assert sentence.endswith(".")


def test_names_come_from_folders_and_nobody_takes_a_built_in_one(tmp_path: Path) -> None:
    own, machine = tmp_path / "own", tmp_path / "machine"
    for folder in (own, machine):
        folder.mkdir()
        (folder / "quiet.toml").write_text(GOOD.replace("Quiet reclaim", folder.name))
        (folder / "classic.toml").write_text(GOOD)
        (folder / "Bad Name.toml").write_text(GOOD)
        (folder / "notes.txt").write_text(GOOD)
    folders = (own, machine)
    assert profiles.names(folders) == ("classic", "quiet")
    assert profiles.load("quiet", folders).title == "own"
    assert profiles.load("classic", folders).source == "built in"


@pytest.mark.parametrize("name", ["nothing", "..", ".", "", "Classic", "classic\0", "a b"])
def test_a_name_that_is_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"No profile is called .*; there are classic"):
        profiles.load(name, (tmp_path,))


def test_a_path_is_read_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[settings]\n"vm.swappiness" = 10\n')
    assert profiles.load(str(path)).name == "mine"
    path.write_bytes(b"\xff")
    with pytest.raises(ProfileError, match="byte 0 is not UTF-8"):
        profiles.load(str(path))
    path.write_bytes(b"#" * 70000)
    with pytest.raises(ProfileError, match="larger than any profile"):
        profiles.load(str(path))
    with pytest.raises(ProfileError, match="no such file"):
        profiles.load(str(tmp_path / "none.toml"))
    with pytest.raises(ProfileError):
        profiles.load(f"{tmp_path}/")
    fifo = tmp_path / "pipe.toml"
    os.mkfifo(fifo)
    with pytest.raises(ProfileError, match="no regular file"):
        profiles.load(str(fifo))


def test_comparing_a_machine_with_a_profile(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    verdicts = profiles.verify(parse(GOOD), host)
    found = {verdict.target: (verdict.wanted, verdict.found, verdict.ok) for verdict in verdicts}
    assert found == {
        "vm.swappiness": ("10", "60", False),
        "cpu.governor@policy0": ("performance", "performance", True),
        "cpu.governor@policy1": ("performance", "performance", True),
        "cpu.governor@policy2": ("performance", "powersave", False),
        "cpu.governor@policy3": ("powersave", "powersave", True),
        "block.scheduler@nvme0n1": ("none", "none", True),
        "block.scheduler@nvme1n1": ("none", "none", True),
        "block.scheduler@nvme2n1": ("none", "none", True),
        "block.scheduler@sda": ("none", "mq-deadline", False),
    }


def test_what_a_machine_lacks_is_not_as_wanted(tmp_path: Path) -> None:
    verdicts = profiles.verify(parse(GOOD), made_trees.host(tmp_path))
    assert all(not verdict.ok and verdict.found is None and verdict.note for verdict in verdicts)


def test_export_for_sysctl_d_leaves_nothing_out_in_silence() -> None:
    classic = profiles.load("classic")
    assert as_sysctl(classic, "hugepages.2048kB").splitlines()[1:] == [
        "vm.overcommit_memory = 1",
        "vm.overcommit_ratio = 90",
        "vm.nr_hugepages = 64",
    ]
    other = as_sysctl(classic, "hugepages.1048576kB").splitlines()
    assert other[-1].startswith("# hugepages.2048kB=64 is no sysctl")


def test_export_for_the_shell_is_for_this_machine(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    script = as_shell(parse(GOOD), host).splitlines()
    assert script[0] == "#!/bin/sh"
    assert "sudo sysctl -w vm.swappiness=10" in script
    assert script[-1] == "echo none | sudo tee /sys/block/sda/queue/scheduler"
    nothing = as_shell(parse(GOOD), made_trees.host(tmp_path / "empty"))
    assert all(line.startswith(("#", "set -eu")) for line in nothing.splitlines())
