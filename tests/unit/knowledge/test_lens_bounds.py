"""Files that are hostile, or enormous: each ends in time and memory, with an error or a list."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aitune_backends.host import Host
from aitune_backends.lens import Imported, LensError, read_file
from aitune_backends.lens.picking import open_settings
from aitune_backends.profiles import ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 2.0
BYTES = 100 << 20

# Reads every file named in turn, and tells what became of each, how long it took, and at the end
# how much memory the whole of it needed (getrusage would count that of pytest, which started it).
CHILD = """
import json, pathlib, re, sys, time
from aitune_backends.host import Host
from aitune_backends.lens import LensError
from aitune_backends.lens.picking import open_settings
host = Host()
for name in sys.argv[1:]:
    begun = time.process_time()
    try:
        found = open_settings(name, host)
        said = [len(found.profile.wanted), len(found.left)]
    except LensError as error:
        said = str(error)
    print(json.dumps([name, said, time.process_time() - begun]))
status = pathlib.Path("/proc/self/status").read_text()
print(json.dumps(["", "", int(re.search(r"VmHWM:\\s*([0-9]+) kB", status)[1]) * 1024]))
"""

ROOM = 250_000  # just below the largest file that is read


def texts() -> Iterator[tuple[str, str]]:
    """Files by name, each made to keep one part of the lens busy."""
    laughs = "\n".join(f"a{n + 1}={f'${{a{n}}}' * 10}" for n in range(30))
    yield "laughs", f"[variables]\na0=haha\n{laughs}\n[sysctl]\nvm.swappiness=${{a30}}\n"
    yield "many-variables", "[variables]\n" + "".join(f"v{n}=1\n" for n in range(ROOM // 9))
    yield "many-rows", "[sysctl]\n" + "vm.swappiness=1\n" * (ROOM // 16)
    yield "many-knobs", "[sysctl]\n" + "".join(f"net.x{n}=1\n" for n in range(ROOM // 12))
    yield "long-value", "[sysctl]\nvm.swappiness=" + "1" * ROOM
    yield "long-name", "[sysctl]\n" + "x." * (ROOM // 2) + "=1"
    yield "dollars", "[sysctl]\nvm.swappiness=" + "${a" * 5000
    yield "functions", "[sysctl]\nvm.swappiness=" + "${f:x:" * 2500
    yield "brackets", "[main]\n" + "[" * ROOM
    yield "headings", "[main]\n" + "[x]\n" * (ROOM // 4)
    yield "blanks", "[main]\n" + " \n" * (ROOM // 2)
    yield "line-feeds", "\n" * ROOM
    yield "spaces", " " * ROOM
    yield "hashes", "[main]\nx=" + "# " * (ROOM // 2)
    yield "continued", "[main]\nsummary=x\n" + " y\n" * (ROOM // 3)
    yield "stars", "[sysfs]\n/sys/block/" + "*a" * 2000 + "/queue/scheduler=none"
    yield "star", "[sysfs]\n/sys/block/" + "*a" * 90 + "b/queue/scheduler=none"
    yield "devices", "[disk]\ndevices=" + "*a*b " * 3000 + "\nelevator=none"
    yield "regex", "[vm]\ncpuinfo_regex=(a+)+$\nuname_regex=(a|a)*b\ntransparent_hugepages=never"
    yield "words", "[bootloader]\ncmdline=" + "a " * 8000 + "\n" + "cmdline_x=-a\n" * 100
    yield "latency", "[cpu]\nforce_latency=" + "cstate.name:x|" * 1100
    yield "includes", "[main]\ninclude=" + "nothing," * 2000
    yield "sysctl", "vm.swappiness = 1\n" * (ROOM // 18)
    yield "sysctl-wide", "vm." + "x" * ROOM
    yield "equals", "=" * ROOM
    yield "tmpfiles", "w /sys/block/*/queue/scheduler - - - - none\n" * (ROOM // 44)
    yield "tmpfiles-wide", "w /sys/" + "a " * (ROOM // 2)
    yield "script", "#!/bin/sh\n" + "put '" * (ROOM // 5)
    yield "words-alone", "a=b " * (ROOM // 4)
    yield "quotes", '"a ' * (ROOM // 3)


def test_a_hostile_file_ends_in_time_and_in_memory(tmp_path: Path) -> None:
    for name, text in texts():
        (tmp_path / name).write_text(text)
    (tmp_path / "udev.rules").write_text('ATTR{queue/scheduler}="none", ' * (ROOM // 30))
    (tmp_path / "chain").mkdir()
    for number in range(200):
        folder = tmp_path / "chain" / f"p{number}"
        folder.mkdir()
        (folder / "tuned.conf").write_text(f"[main]\ninclude=p{number + 1}\n")
    with (tmp_path / "enormous").open("wb") as file:
        file.truncate(8 << 30)
    (tmp_path / "zero").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    names = [str(path) for path in sorted(tmp_path.iterdir()) if path.is_file() or path.is_fifo()]
    names += [str(tmp_path / "chain" / "p0"), str(tmp_path / "zero"), str(tmp_path)]
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, *names], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    *_, (_, _, most) = lines
    results = {name.rpartition("/")[2]: (said, took) for name, said, took in lines[:-1]}
    assert len(results) == len(names)
    assert {name: took for name, (_, took) in results.items() if took > SECONDS} == {}
    assert most < BYTES
    refused = {name: said for name, (said, _) in results.items() if isinstance(said, str)}
    for name, part in {
        "laughs": "grows beyond any use",
        "many-rows": "more than 4000 lines",
        "words-alone": "more than 4000 lines",
        "enormous": "larger than any file of settings",
        "p0": "includes more than 40 files",
        "fifo": "is no regular file",
        "zero": "is no regular file",
        tmp_path.name: "tuned.conf cannot be read: no such file",
    }.items():
        assert part in refused[name]
        assert refused[name].endswith(".")
        assert refused[name].isprintable()


def read(path: Path, text: str | bytes) -> Imported:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_file(str(path))


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("x/tuned.conf", "[sysctl]\nvm.swappiness=5\n", "vm.swappiness=5"),
        ("copy.conf", "[main]\nsummary=x\n[sysctl]\nvm.swappiness=5\n", "vm.swappiness=5"),
        ("99-x.conf", "# c\nvm.swappiness = 5\n-vm/zone_reclaim_mode=0\n",
         "vm.swappiness=5 vm.zone_reclaim_mode=0"),
        ("x.conf", "w /sys/kernel/mm/ksm/run - - - - 0\n", "ksm.run=0"),
        ("words", "transparent_hugepage=never quiet\n", "thp.enabled=never"),
        ("empty", "", ""),
    ],
)  # fmt: skip
def test_the_reader_is_picked(name: str, text: str, wanted: str, tmp_path: Path) -> None:
    found = read(tmp_path / name, text)
    assert " ".join(map(str, found.profile.wanted)) == wanted
    places = [want.place for want in found.profile.wanted]
    assert all(place.startswith(f"{tmp_path / name}:") for place in places)


def test_what_is_no_text_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(LensError, match="byte 1 is not UTF-8"):
        read(tmp_path / "x", b"a\xff")
    with pytest.raises(LensError, match="cannot be read: no such file"):
        read_file(str(tmp_path / "none"))
    with pytest.raises(LensError, match="others are not read"):
        read(tmp_path / "x.sh", "#!/bin/sh\nrm -rf x\n")


@pytest.mark.parametrize("name", ["x.toml", "x.conf"])
def test_a_file_that_has_nothing_to_say_yet_is_not_waited_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /proc/kmsg: to read that itself would take lines away from the system's log."""
    path = tmp_path / name
    path.touch()

    def nothing_yet(_fd: int, _count: int) -> bytes:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "read", nothing_yet)
    with pytest.raises((LensError, ProfileError), match="read: resource temporarily unavailable"):
        open_settings(str(path), Host())


def test_siblings_of_a_profile_that_is_named_by_its_path_are_found(tmp_path: Path) -> None:
    read(tmp_path / "base" / "tuned.conf", "[sysctl]\nvm.swappiness=7\n")
    found = read(tmp_path / "top" / "tuned.conf", "[main]\ninclude=base\n")
    assert [str(want) for want in found.profile.wanted] == ["vm.swappiness=7"]
    assert found == read_file(str(tmp_path / "top"))
    assert found.profile.name == "top"


def test_names_of_profiles_of_ours_and_of_tuned(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "tuned" / "x"
    folder.mkdir(parents=True)
    (folder / "tuned.conf").write_text("[sysctl]\nvm.swappiness=3\n")
    host = Host(tmp_path, origin="capture")
    assert str(open_settings("tuned:x", host).profile.wanted[0]) == "vm.swappiness=3"
    assert open_settings("classic", host).profile.source == "built in"
