"""Which line of tmpfiles.d stands, by the rules that systemd-tmpfiles itself follows."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitune_backends.boot_files import Owner
from aitune_backends.boot_tmpfiles import DIRECTORIES, Writes, matches, parse_tmpfiles
from aitune_backends.owners import read_owners
from tests.unit.knowledge import made_trees

TMPFILES = shutil.which("systemd-tmpfiles")
FOLDER = "/sys/devices/system/cpu/cpufreq"
PATHS = tuple(f"{FOLDER}/policy{number}/scaling_governor" for number in (0, 1))
PATTERNS = (*PATHS, f"{FOLDER}/policy*/scaling_governor", f"{FOLDER}/*/scaling_governor",
            f"{FOLDER}/policy[1-9]/scaling_governor")  # fmt: skip
THP = "/sys/kernel/mm/transparent_hugepage/enabled"


def test_lines_of_a_file() -> None:
    text = (
        "# comment\n\nd /run/x 0755 root root -\n"
        f"w {THP} - - - - always\n"
        f'  w! "{PATHS[0]}"   -   root -  -   a b  \n'
        f"w+ {PATHS[1]} - - - - x\nw /short - -\nz {THP} 0644 - - -\n"
    )
    assert [tuple(write) for write in parse_tmpfiles(text)] == [
        (4, THP, "always", False),
        (5, PATHS[0], "a b", False),
        (6, PATHS[1], "x", True),
    ]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for write in parse_tmpfiles(text):
        assert 1 <= write.line <= len(text.splitlines())


@pytest.mark.parametrize(
    ("pattern", "path", "does"),
    [
        ("/sys/a", "/sys/a", True),
        ("/sys/*", "/sys/a", True),
        ("/sys/*", "/sys/a/b", False),
        ("/sys/*/b", "/sys/a/b", True),
        ("/sys/?", "/sys/ab", False),
        ("/sys/[ab]", "/sys/b", True),
    ],
)
def test_a_star_ends_at_a_slash(pattern: str, path: str, does: bool) -> None:
    assert matches(pattern, path) is does


def test_the_earliest_file_wins_for_the_same_path_and_a_pattern_is_another_path() -> None:
    first = ("/etc/tmpfiles.d/10-a.conf", f"w {THP} - - - - never\nw {PATTERNS[2]} - - - - a\n")
    ours = ("/etc/tmpfiles.d/95-aitune.conf", f"w {THP} - - - - always\nw {PATHS[0]} - - - - b\n")
    writes = Writes((first, ours))
    assert writes.lines(THP)[-1] == Owner(first[0], 1, "never")
    assert writes.lines(PATHS[0])[-1] == Owner(ours[0], 2, "b")
    assert writes.lines(PATHS[1])[-1] == Owner(first[0], 2, "a")


def test_what_systemd_replaces_is_not_told() -> None:
    writes = Writes((("/etc/tmpfiles.d/1.conf", f"w {THP} - - - - %b\n"),))
    assert not writes.lines(THP)[-1].certain


def test_whether_a_value_is_there_again(tmp_path: Path) -> None:
    text = f"w {THP} - - - - never\nw {PATTERNS[2]} - - - - performance\n"
    host = made_trees.host(
        tmp_path,
        {
            "/usr/lib/tmpfiles.d/x.conf": text,
            THP: "always [madvise] never",
            **dict.fromkeys(PATHS, "performance"),
            f"{FOLDER}/policy1/scaling_driver": "acpi-cpufreq",
            "/sys/module/acpi_cpufreq/initstate": "live",
        },
    )
    owners = read_owners(host)
    assert owners.at_boot("thp.enabled", "never") == "yes"
    assert owners.at_boot("thp.enabled", "madvise") == "no"
    assert owners.at_boot("thp.defrag", "madvise") == ""
    assert owners.survives("cpu.governor", "performance", "policy0") is True
    assert owners.at_boot("cpu.governor", "performance", "policy1") == "likely"
    assert owners.survives("cpu.governor", "performance", "policy1") is None


lines = st.lists(st.tuples(st.sampled_from(("w", "w!")), st.sampled_from(PATTERNS)), max_size=3)
layouts = st.dictionaries(
    st.tuples(st.sampled_from(DIRECTORIES), st.sampled_from(("10-a", "95-x", "99-z"))),
    st.none() | lines,
    min_size=1,
)


@pytest.mark.skipif(TMPFILES is None, reason="systemd-tmpfiles is not installed")
@settings(max_examples=40, deadline=None)
@given(layouts)
def test_the_line_that_stands_is_systemds_own(
    layout: dict[tuple[str, str], list[tuple[str, str]] | None],
) -> None:
    assert TMPFILES is not None
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for path in PATHS:
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True)
            file.write_text("---")
        number = 100
        for (folder, name), writes in layout.items():
            file = root / folder.lstrip("/") / f"{name}.conf"
            file.parent.mkdir(parents=True, exist_ok=True)
            if writes is None:
                file.symlink_to("/dev/null")
                continue
            with file.open("w") as out:
                for kind, pattern in writes:
                    number += 1
                    out.write(f"{kind} {pattern} - - - - {number}\n")
        subprocess.run(
            [TMPFILES, f"--root={root}", "--create", "--boot"],
            capture_output=True,
            check=False,  # it says with its status that lines were ignored
        )
        owners = read_owners(made_trees.host(root))
        for path in PATHS:
            owner = owners.of("cpu.governor", path.split("/")[-2])
            written = (root / path.lstrip("/")).read_text()[-3:]
            assert (owner.value if owner else "---") == written
