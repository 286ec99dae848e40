"""Archives from anybody: what comes out is bounded, and stays where it belongs."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitune_backends import capture_file
from aitune_backends.capture_file import CaptureError, unpacked
from aitune_backends.host import HostError, open_host

Member = tuple[str, bytes | str]


def archive(path: Path, members: Iterable[Member], mode: str = "w") -> Path:
    """A tar: bytes make a file, `-> x` a link, `=> x` a hard link, `d`, `p`, `c` other kinds."""
    kinds = {"d": tarfile.DIRTYPE, "p": tarfile.FIFOTYPE, "c": tarfile.CHRTYPE}
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]  # a mode by variable
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                continue
            if content[:3] in ("-> ", "=> "):
                info.type = tarfile.SYMTYPE if content[0] == "-" else tarfile.LNKTYPE
                info.linkname = content[3:]
            else:
                info.type = kinds[content]
            tar.addfile(info)
    return path


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tgz", "w:gz"), ("tar.xz", "w:xz")])
def test_each_kind_of_archive_opens(tmp_path: Path, suffix: str, mode: str) -> None:
    path = archive(tmp_path / f"m.{suffix}", [("./proc/stat", b"cpu 1\n"), ("sys", "d")], mode)
    with open_host(str(path)) as host:
        assert host.read("/proc/stat") == "cpu 1\n"
        assert "a capture of m at" in host.label
        root = host.root
        assert root.stat().st_mode & 0o077 == 0
    assert not root.exists()


def test_nothing_is_written_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_file, "_IN_MEMORY", Path("/nonexistent"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # so that `..` leads to `outside`
    outside = tmp_path / "outside"
    outside.mkdir()
    members: list[Member] = [
        ("proc/stat", b"cpu 1\n"),
        (f"{outside}/absolute", b"bad"),
        ("../outside/up", b"bad"),
        ("proc/../../outside/middle", b"bad"),
        ("door", f"-> {outside}"),
        ("door/through", b"bad"),
        ("later/through", b"inside"),
        ("later", f"-> {outside}"),
        ("proc/hard", f"=> {outside}/x"),
        ("proc/fifo", "p"),
        ("proc/device", "c"),
        ("proc/stat", f"-> {outside}"),
        ("x" * 300, b"name too long"),
    ]
    with unpacked(archive(tmp_path / "bad.tar", members)) as directory:
        assert directory.parent == tmp_path
        assert list(outside.iterdir()) == []
        found = {str(file.relative_to(directory)) for file in directory.rglob("*")}
        assert found == {"proc", "proc/stat", "door", "door/through", "later", "later/through"}
        assert not any(file.is_symlink() for file in directory.rglob("*"))


def test_a_link_through_a_link_is_not_made_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    members: list[Member] = [
        ("proc", "d"),
        ("door", f"-> {outside}"),
        ("door/link", "-> /etc/passwd"),
    ]
    with unpacked(archive(tmp_path / "bad.tar", members)) as directory:
        assert list(outside.iterdir()) == []
        assert (directory / "door").is_dir()
        assert not (directory / "door").is_symlink()


def test_a_large_file_is_cut_and_still_too_large(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.tar", [("proc/meminfo", b"x" * (2 << 20))])
    with open_host(str(path)) as host, pytest.raises(OSError, match="too large"):
        host.read("/proc/meminfo")


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_file, "MAX_BYTES", 1 << 20)
    zeros: list[Member] = [("proc/a", bytes(8 << 20))]
    for suffix, mode in (("tgz", "w:gz"), ("txz", "w:xz"), ("tar", "w")):
        path = archive(tmp_path / f"bomb.{suffix}", zeros, mode)
        with pytest.raises(CaptureError, match="unpacks to more than"), unpacked(path):
            pass


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_file, "MAX_MEMBERS", 10)
    path = archive(tmp_path / "many.tar", [(f"proc/{n}", b"") for n in range(11)])
    with pytest.raises(CaptureError, match="more than 10 members"), unpacked(path):
        pass


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_an_archive_that_ends_early_says_so(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = os.urandom(200_000)
    whole = archive(tmp_path / "w.tar", [("proc/a", content), ("proc/b", content)]).read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(_cut(pack(whole)))
    with pytest.raises(HostError, match="ends early"), open_host(str(path)):
        pass


def test_a_log_that_has_nothing_to_say_yet_is_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /proc/kmsg: to read that itself would take lines away from the system's log."""

    class Silent(io.FileIO):
        def read(self, _size: int | None = -1) -> None:  # type: ignore[override]
            """What a file gives that would have to be waited for."""

    path = tmp_path / "log"
    path.touch()
    monkeypatch.setattr(os, "fdopen", lambda fd, _mode: Silent(fd))
    with pytest.raises(CaptureError, match="neither a directory nor"), unpacked(path):
        pass


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(HostError, match="neither a directory nor a file"):
        open_host(str(tmp_path / "fifo")).__enter__()


GOOD = io.BytesIO()
with tarfile.open(fileobj=GOOD, mode="w") as _tar:
    _info = tarfile.TarInfo("proc/stat")
    _info.size = 6
    _tar.addfile(_info, io.BytesIO(b"cpu 1\n"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(
    pack=st.sampled_from([bytes, gzip.compress, lzma.compress]),
    at=st.integers(0, 2000),
    junk=st.binary(min_size=1, max_size=64),
)
def test_a_damaged_archive_opens_or_is_one_sentence(
    tmp_path: Path, pack: Callable[[bytes], bytes], at: int, junk: bytes
) -> None:
    data = bytearray(pack(GOOD.getvalue()))
    at = at % len(data)
    data[at : at + len(junk)] = junk
    path = tmp_path / "damaged"
    path.write_bytes(data)
    # Whatever the damage: it opens, or it is a HostError. Anything else fails the test.
    with suppress(HostError), open_host(str(path)) as host:
        host.first_line("/proc/stat")
