"""What an earlier version, or somebody else, left in the places where this program keeps files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import counted, size
from aitune_helper.formats import FILES, HEADER
from aitune_helper.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.host import Host

_PLACES = Places()
_COPIES = "/run/aitune-bin"
# What every file of ours begins with, whatever reads it.
_OURS = HEADER.partition(":")[0]


def findings(host: Host) -> Iterator[Finding]:
    """Files that set something at boot under our name and are not as we wrote them, and copies."""
    owned = _owned(host)
    strange: list[str] = []
    edited: list[str] = []
    lost: list[str] = []
    for path in (f"{_PLACES.etc}/{file}" for file in FILES.values()):
        try:
            text = host.read(path)
        except (OSError, ValueError):
            continue
        if not text.startswith(_OURS):
            strange.append(path)
        elif owned is None:
            if not host.exists(_PLACES.state) and host.origin != "capture":
                lost.append(path)
        elif hashlib.sha256(text.encode()).hexdigest() not in owned.get(path, ()):
            edited.append(path)
    if strange:
        yield Finding(
            "drop-in-strange",
            "A file of our name is not ours",
            f"{', '.join(strange)} was not written by aitune-tui: settings that are to last cannot "
            "be saved there.",
            "Give it another name if it is yours.",
            "warning",
        )
    if edited:
        yield Finding(
            "drop-in-edited",
            "A file of ours was edited",
            f"{', '.join(edited)} is not as aitune-tui wrote it last, so it will not touch it: "
            "nothing can be saved there, and undo leaves it alone.",
            "Move your lines to a file of another name, or remove the file.",
            "warning",
        )
    if lost:
        yield Finding(
            "drop-in-lost",
            "Files of an earlier installation",
            f"{', '.join(lost)} still sets values at boot, but the list of our files is gone.",
            "Remove what is not wanted any more; `aitune-tui status` says what each file sets.",
            "warning",
        )
    yield from _copies(host)


def _owned(host: Host) -> dict[str, list[str]] | None:
    """The digests we wrote, by file; None where the list is absent or not ours to read."""
    try:
        value = json.loads(host.read(_PLACES.owned))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return {path: list(texts) for path, texts in value.items() if isinstance(texts, dict)}


def _copies(host: Host) -> Iterator[Finding]:
    sizes = [host.size(f"{_COPIES}/{name}") or 0 for name in host.names(_COPIES)[:1000]]
    if len(sizes) > 2:  # the helper of this program and what its interpreter made of it
        yield Finding(
            "copies",
            "Copies of other versions",
            f"{_COPIES} holds {counted(len(sizes), 'file')}, {size(sum(sizes))}: copies of the "
            "root helper, one for each version that root has started since boot.",
            f"`rm {_COPIES}/*` as root, when no aitune-tui runs; a reboot removes them where /run "
            "is in memory.",
            "info",
        )
