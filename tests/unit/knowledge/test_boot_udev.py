"""Which rule of udev stands, as far as sysfs can tell; `tests/kernel` asks udev itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.boot_udev import Disk, Rules, parse_rules
from aitune_backends.owners import read_owners
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from pathlib import Path

ATTRIBUTES = {"removable": "0", "wwid": "eui.0025", "queue/rotational": "0", "size": ""}
SDA = Disk("sda", ATTRIBUTES.get)
SCHEDULER = "queue/scheduler"
SETS = 'ATTR{queue/scheduler}="%s"\n'


def standing(*texts: str) -> tuple[str, bool] | None:
    files = [(f"/etc/udev/rules.d/{number}.rules", text) for number, text in enumerate(texts)]
    found = Rules(files, [SCHEDULER]).lines(SDA).get(SCHEDULER)
    return None if found is None else (found[-1].value, found[-1].certain)


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        ("", True),
        ('ACTION=="add|change", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", ', True),
        ('ACTION!="remove", ', True),
        ('ACTION=="change", ', False),
        ('KERNEL=="sd[a-z]", ', True),
        ('KERNEL=="nvme*|sd?", ', True),
        ('KERNEL!="sd*", ', False),
        ('ENV{DEVTYPE}=="partition", ', False),
        ('ATTR{wwid}=="eui.?025", ', True),
        ('ATTR{wwid}=="nvme.*", ', False),
        ('ATTR{queue/rotational}=="1", ', False),
        ('ATTR{queue/rotational}=="0", ', True),
        ('ATTR{missing}!="x", ', False),
        ('ATTR{queue/scheduler}=="none", ', None),
        ('ATTRS{vendor}=="ATA", ', None),
        ('ENV{ID_SERIAL}=="x", ', None),
        ('PROGRAM=="/bin/true", ', None),
        ('KERNEL=="nvme*", ENV{ID_SERIAL}=="x", ', False),
        ('KERNEL==i"SD*", ', None),
    ],
)
def test_matches(match: str, applies: bool | None) -> None:
    expected = {True: ("none", True), None: ("none", False), False: None}[applies]
    assert standing(match + SETS % "none") == expected


def test_the_last_assignment_stands_and_a_final_one_is_none() -> None:
    assert standing(SETS % "none", SETS % "bfq") == ("bfq", True)
    assert standing('ATTR{queue/scheduler}:="none"\n', SETS % "bfq") == ("bfq", True)
    unsure = 'ENV{X}=="y", '
    assert standing(SETS % "none", unsure + SETS % "bfq") == ("bfq", False)
    assert standing(SETS % "none", unsure + SETS % "none") == ("none", True)
    assert standing(unsure + SETS % "bfq", SETS % "none") == ("none", True)
    assert standing('ATTR{queue/scheduler}="$env{X}"\n') == ("$env{X}", False)


def test_jumps() -> None:
    over = '{}GOTO="end"\nATTR{{queue/scheduler}}="bfq"\nLABEL="end"\n'
    assert standing(SETS % "none", over.format('KERNEL=="sda", ')) == ("none", True)
    assert standing(SETS % "none", over.format('KERNEL=="sdb", ')) == ("bfq", True)
    assert standing(SETS % "none", over.format('ENV{X}=="y", ')) == ("bfq", False)
    after = over.format('ENV{X}=="y", ') + SETS % "kyber"
    assert standing(after) == ("kyber", True)


def test_lines_go_on_and_comments_do_not_count() -> None:
    text = '# x\n\nKERNEL=="sda", \\\n  ATTR{queue/scheduler}="none"\nnonsense\n' + SETS % "bfq"
    assert [rule.line for rule in parse_rules(text)] == [3, 6]


@given(st.text() | st.from_regex(r'([A-Z]{1,9}(\{[a-z]*\})?[=!+:]{1,2}"[^"\n]*",? *\\?\n?)*'))
def test_any_text_is_read(text: str) -> None:
    for rule in parse_rules(text):
        assert rule.tokens


def test_a_machine_of_its_own_rules(tmp_path: Path) -> None:
    rule = 'KERNEL=="sd*", ATTR{queue/read_ahead_kb}="4096"\n'
    ours = 'ATTR{wwid}=="eui.1", ATTR{queue/scheduler}="none"\n'
    host = made_trees.host(
        tmp_path,
        {
            "/usr/lib/udev/rules.d/60-x.rules": rule,
            "/etc/udev/rules.d/95-aitune.rules": ours,
            "/sys/block/sda/queue/read_ahead_kb": "4096",
            "/sys/block/nvme0n1/wwid": "eui.1",
        },
    )
    owners = read_owners(host)
    assert owners.at_boot("block.read_ahead_kb", "4096", "sda") == "yes"
    assert owners.at_boot("block.read_ahead_kb", "128", "sda") == "no"
    assert owners.at_boot("block.scheduler", "none", "nvme0n1") == "yes"
    assert owners.of("block.scheduler", "sda") is None
    assert str(owners.of("block.read_ahead_kb", "sda")) == "/usr/lib/udev/rules.d/60-x.rules:1"
