from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends import profiles
from aitune_backends.catalogue import ENTRIES, GOALS
from aitune_backends.changes import Wanted
from aitune_backends.foreign import clean
from aitune_backends.profiles import ProfileError
from aitune_backends.profiles.parse import parse_profile
from aitune_backends.profiles.verdicts import summary
from aitune_backends.profiles.write import as_toml, save
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from pathlib import Path

BUILT_IN = ("classic", "inference", "model-loading", "training")
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
        (
            '"vm.swappiness" = 10',
            '"vm.swapiness" = 10',
            'here.toml, line 7: No knob is called "vm.swapiness"; near it are vm.swappiness',
        ),
        ('"vm.swappiness" = 10', '"!" = 10', "`aitune-tui status` lists them all."),
        ("= 10", "= 1000", "here.toml, line 7: vm.swappiness takes 0 to 200"),
        ("= 10", "= true", "here.toml, line 7: vm.swappiness needs a number or a word."),
        ("= 10", "= 1.5", "line 7: vm.swappiness needs a number or a word."),
        ('"quiet"', '"../quiet"', 'line 2: "../quiet" is no name for a profile'),
        ('"Why."', "7", "line 4: text is a text, in quotes."),
        ('"vm.swappiness" = 10', '"vm.swappiness"', "here.toml is no TOML"),
        (
            '"vm.swappiness" = 10',
            "vm.swappiness = 10",
            'line 7: vm.swappiness has no value; write "vm.swappiness" = { value = 10',
        ),
        ("= 10", "= { valeu = 10 }", "line 7: vm.swappiness has no value"),
        ("= 10", "= { value = 10, why = 1 }", "of vm.swappiness the key why is not known"),
        ("= 10", "= { value = 10, reason = 1 }", "line 7: reason is a text, in quotes."),
        ("= 10", '= { value = 10, bound = ">" }', 'line 7: bound is "at least" or "at most"'),
        ('"cpu.governor" = "performance"', '"vm.swappiness" = 1', "give each name once"),
        (
            "= 10",
            f"= {'9' * 5000}",
            "here.toml is no TOML: a number in it has thousands of digits.",
        ),
        ("= 10", f"= 0x{'f' * 5000}", "line 7: vm.swappiness takes a whole number from 0"),
        ("= 10", f"= {'[' * 30000}", "here.toml is no TOML: it is nested without end."),
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


@pytest.mark.parametrize(
    "text",
    [
        "a." * 30_000 + "b = 1\n",
        "'a' . " * 10_000 + "b = 1\n",
        '"\\"".' * 10_000 + "b = 1\n",
        "[x]\n" + "a." * 30_000 + "b = 1\n",
        "[" + "a." * 30_000 + "b]\n",
        "[settings]\nx = {" + "a." * 30_000 + "b = 1}\n",
        "x = " + "[" * 30_000,
        "x = " + "{a=" * 15_000,
        "[settings]\n" + "".join(f'"cpu.governor@policy{n}" = "x"\n' for n in range(100_000)),
        '[settings]\n"vm.swappiness" = ' + "9" * 60_000,
        '[settings]\n"vm.swappiness" = nan',
        '[settings]\n"vm.swappiness" = 1979-05-27T07:32:00Z',
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_profile_is_refused_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(ProfileError, match=r"^here\.toml.*\.$"):
        parse(text)
    assert time.process_time() - begun < 1


def test_dots_in_a_reason_are_no_names() -> None:
    reason = "." * 300 + " See the kernel. It is 6.12. " * 10
    text = f'[settings]\n"vm.swappiness" = {{ value = 1, reason = "{reason}" }}\n'
    assert parse(text).wanted[0].reason == " ".join(reason.split())


def test_a_value_may_have_a_reason_and_a_bound() -> None:
    given = '= { value = 10, reason = "A  model\\u001b[2J", bound = "at most" }'
    want = parse(GOOD.replace("= 10", given)).wanted[0]
    assert (want.value, want.bound, want.place) == ("10", "at most", "here.toml:7")
    assert want.reason == "A model?[2J"
    assert [want.is_met_by(value) for value in ("9", "10", "11", "x", "9" * 30)] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_names_come_from_folders_and_nobody_takes_a_built_in_one(tmp_path: Path) -> None:
    own, machine = tmp_path / "own", tmp_path / "machine"
    for folder in (own, machine):
        folder.mkdir()
        (folder / "quiet.toml").write_text(GOOD.replace("Quiet reclaim", folder.name))
        (folder / "classic.toml").write_text(GOOD)
        (folder / "Bad Name.toml").write_text(GOOD)
        (folder / "notes.txt").write_text(GOOD)
    folders = (own, machine)
    assert profiles.names(folders) == (*BUILT_IN, "quiet")
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
    found = {each.target: (each.wanted, each.found, each.state) for each in verdicts}
    assert found == {
        "vm.swappiness": ("10", "60", "inert"),
        "cpu.governor@policy0": ("performance", "performance", "ok"),
        "cpu.governor@policy1": ("performance", "performance", "ok"),
        "cpu.governor@policy2": ("performance", "powersave", "differs"),
        "cpu.governor@policy3": ("powersave", "powersave", "ok"),
        "block.scheduler@nvme0n1": ("none", "none", "ok"),
        "block.scheduler@nvme1n1": ("none", "none", "ok"),
        "block.scheduler@nvme2n1": ("none", "none", "ok"),
        "block.scheduler@sda": ("none", "mq-deadline", "differs"),
    }
    assert summary(verdicts) == "3 match, 2 differ, 1 differs without effect"
    assert not profiles.as_wanted(verdicts)


def test_a_ratio_has_an_effect_where_the_profile_brings_its_mode(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    for mode, state in (("1", "inert"), ("2", "differs")):
        wanted = f'[settings]\n"vm.overcommit_memory" = {mode}\n"vm.overcommit_ratio" = 90'
        assert profiles.verify(parse(wanted), host)[1].state == state


def test_a_bound_is_met_by_more(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, made_trees.disk("nvme0n1", read_ahead=8192))
    for bound, state in (("at least", "ok"), ("at most", "differs"), ("", "differs")):
        wanted = f'"block.read_ahead_kb" = {{ value = 4096, bound = "{bound}" }}'
        profile = parse(f"[settings]\n{wanted}")
        assert [each.state for each in profiles.verify(profile, host)] == [state]
        value = profiles.fit(host, profile.wanted).changes[0].value
        assert value == ("8192" if state == "ok" else "4096")


def test_what_a_machine_lacks_is_absent_and_passes_beside_something_else(tmp_path: Path) -> None:
    verdicts = profiles.verify(parse(GOOD), made_trees.host(tmp_path / "empty"))
    assert {each.state for each in verdicts} == {"absent"}
    assert all(each.found is None and each.why.endswith(".") for each in verdicts)
    assert not profiles.as_wanted(verdicts)
    some = made_trees.host(tmp_path / "some", made_trees.sysctls(swappiness="10"))
    verdicts = profiles.verify(parse(GOOD), some)
    assert summary(verdicts) == "1 matches, 3 do not exist here"
    assert profiles.as_wanted(verdicts)
    assert not profiles.as_wanted(verdicts, strict=True)


def test_a_profile_is_applied_as_far_as_the_machine_has_it(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, made_trees.sysctls(), made_trees.meminfo())
    fitted = profiles.fit(host, parse(GOOD).wanted)
    assert [str(change[:3]) for change in fitted.changes] == ["('vm.swappiness', '', '10')"]
    assert [str(each).partition(":")[0] for each in fitted.absent] == [
        "cpu.governor=performance is left out",
        "cpu.governor@policy3=powersave is left out",
        "block.scheduler=none is left out",
    ]


def test_one_instance_that_does_not_take_the_value_is_left_out_alone(tmp_path: Path) -> None:
    few = made_trees.disk("nvme0n1"), made_trees.disk("nvme1n1")
    limits = {
        f"/sys/block/nvme{number}n1/queue/{name}": str(value)
        for number, most in ((0, 512), (1, 128))
        for name, value in (("max_sectors_kb", 64), ("max_hw_sectors_kb", most))
    }
    host = made_trees.host(tmp_path, *few, limits)
    fitted = profiles.fit(host, parse('[settings]\n"block.max_sectors_kb" = 256').wanted)
    assert [change.instance for change in fitted.changes] == ["nvme0n1"]
    assert [each.want.instance for each in fitted.absent] == ["nvme1n1"]
    assert "at most 128" in fitted.absent[0].why
    fitted = profiles.fit(host, parse('[settings]\n"block.max_sectors_kb" = 1024').wanted)
    assert [str(each).partition(":")[0] for each in fitted.absent] == [
        "block.max_sectors_kb=1024 is left out"
    ]
    assert not fitted.changes


# What a built-in profile wants though the catalogue advises no value: each with the reason.
NOT_ADVISED = {
    ("inference", "cpu.idle_latency"): "costs power always: worth it only while serving",
    ("training", "vm.dirty_bytes"): "which amount fits depends on memory and disk",
    ("training", "vm.dirty_background_bytes"): "which amount fits depends on memory and disk",
}


@pytest.mark.parametrize("name", GOALS)
def test_a_built_in_profile_wants_what_the_catalogue_advises(name: str) -> None:
    profile = profiles.load(name)
    for want in profile.wanted:
        entry = ENTRIES[want.knob]
        assert want.reason, want
        assert want.instance is None
        if (name, want.knob) in NOT_ADVISED:
            assert entry.advice[name] is None
            continue
        assert entry.stars >= 2
        assert want.value == entry.advice[name] or entry.is_as_good(want.value), want
    assert "Nothing here is promised" in profile.text


def test_a_profile_that_is_written_reads_the_same(tmp_path: Path) -> None:
    for name in BUILT_IN:
        profile = profiles.load(name)
        path = save(profile, tmp_path / "new" / "folder", force=False)
        again = profiles.load(str(path))
        assert (again.name, again.title, again.wanted) == (name, profile.title, profile.wanted)
        assert [w.reason for w in again.wanted] == [w.reason for w in profile.wanted]


@given(st.text(), st.text())
def test_any_text_can_be_a_reason(title: str, reason: str) -> None:
    want = Wanted("vm.swappiness", None, "10", " ".join(clean(reason).split()))
    title = " ".join(title.split())
    made = profiles.Profile("any", title or "any", "", (want,), "here")
    again = parse_profile(as_toml(made), name="other", source="here")
    assert (again.name, again.title) == ("any", made.title)
    assert (again.wanted, again.wanted[0].reason) == ((want,), want.reason)


def test_a_file_that_is_there_is_not_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    profile = profiles.load("classic")
    path = save(profile, tmp_path, force=False)
    path.write_text("mine")
    with pytest.raises(ProfileError, match=r"is there already; --force replaces it"):
        save(profile, tmp_path, force=False)
    assert path.read_text() == "mine"
    save(profile, tmp_path, force=True)
    assert profiles.load(str(path)).wanted == profile.wanted
    assert [each.name for each in tmp_path.iterdir()] == ["classic.toml"]
    with pytest.raises(ProfileError, match="cannot be written: file exists"):
        save(profile, path, force=False)
