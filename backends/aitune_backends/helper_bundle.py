"""The helper as one file: a zipapp of the `aitune_helper` sources that lie beside us.

The same sources give the same bytes wherever they were unpacked, in a checkout, an editable install
or a wheel: sorted names, one fixed date, nothing compressed, nothing compiled.
"""

from __future__ import annotations

import functools
import hashlib
import io
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable
    from zipfile import ZipFile

PACKAGE = "aitune_helper"
_START = b"""\
import sys

from aitune_helper import compiled

compiled.use(sys.argv[0])

from aitune_helper.__main__ import main

main()
"""
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o100644


def bundle() -> bytes:
    """The bytes of the zipapp that `helper install` installs."""
    from zipfile import ZIP_STORED, ZipFile  # large, and wanted only to write

    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as archive:
        _add(archive, "__main__.py", _START)
        for name, source in sorted(_sources(resources.files(PACKAGE), PACKAGE)):
            _add(archive, name, source)
    return out.getvalue()


@functools.cache
def bundle_sha256() -> str:
    """The digest of `bundle()`, in hex."""
    return hashlib.sha256(bundle()).hexdigest()


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{prefix}/{entry.name}"
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _sources(entry, name)
        elif entry.name.endswith(".py"):
            # Line ends as in the repository, whatever a checkout made of them.
            yield name, entry.read_bytes().replace(b"\r\n", b"\n")


def _add(archive: ZipFile, name: str, source: bytes) -> None:
    from zipfile import ZipInfo

    info = ZipInfo(name, _DATE)
    info.create_system = _UNIX
    info.external_attr = _MODE << 16
    archive.writestr(info, source)
