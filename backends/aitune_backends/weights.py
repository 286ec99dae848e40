"""Which files hold a model's weights, and which others belong to the same model."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitune_backends.host import Host

_SUFFIXES = (".safetensors", ".gguf")
# Suffixes of anything: only large files under them are taken for weights.
_VAGUE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
_LARGE = 64_000_000
# model-00003-of-00191.safetensors, consolidated.03.pth
_SHARD = re.compile(r"(.*?[-_.])([0-9]{2,5})(-of-[0-9]{2,5})?(\.[a-z]+)", re.DOTALL)
# The hubs' caches: weights lie under their hash, their names are links beside them.
_HUB = re.compile(r"(.*/models--([^/]+))/blobs/[^/]+")
_DIGEST = re.compile(r".*/blobs/sha256-[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The model a file belongs to.

    Attributes:
        name: What people call it: its directory, or the file itself where that holds more.
        shards: Every file of the model in the order of their names, with sizes in bytes.
    """

    name: str
    shards: Mapping[str, int]

    @property
    def total(self) -> int:
        """Bytes of all its files."""
        return sum(self.shards.values())


def mentions_weights(text: str) -> bool:
    """Whether a list of files can contain weights at all: a quick look before a thorough one."""
    return "/blobs/" in text or any(end in text for end in _SUFFIXES + _VAGUE_SUFFIXES)


def find_model_file(host: Host, pid: int, path: str) -> ModelFile | None:
    """The model that a file a process has open belongs to, or None if it holds no weights.

    Args:
        host: The machine.
        pid: The process: in a container its files lie below a root of its own.
        path: The file as the process names it.
    """
    hub = _HUB.fullmatch(path)
    vague = hub or _DIGEST.fullmatch(path) or path.endswith(_VAGUE_SUFFIXES)
    if not vague and not path.endswith(_SUFFIXES):
        return None
    size = _size(host, pid, path)
    if size is None or (vague and size < _LARGE):
        return None
    if hub:
        return ModelFile(hub[2].replace("--", "/"), _hub_shards(host, pid, hub[1], path, size))
    directory, name = posixpath.split(path)
    shards = _shards(host, pid, directory, name)
    if len(shards) > 1:
        return ModelFile(posixpath.basename(directory) or name, shards)
    return ModelFile(name, {path: size})


def family(name: str) -> str | None:
    """What all shards of one model share in their names; None for a file that stands alone."""
    found = _SHARD.fullmatch(name)
    if found is None or (found[3] is None and found[4] in _SUFFIXES):
        return None  # q4_0.gguf and q5_0.gguf are two models
    return f"{found[1]}#{found[3] or ''}{found[4]}"


def _shards(host: Host, pid: int, directory: str, name: str) -> dict[str, int]:
    mine = family(name)
    if mine is None:
        return {}
    found: dict[str, int] = {}
    for other in _names(host, pid, directory):
        if family(other) == mine:
            path = f"{directory}/{other}"
            found[path] = _size(host, pid, path) or 0
    return found


def _hub_shards(host: Host, pid: int, base: str, path: str, size: int) -> dict[str, int]:
    """The blobs of the snapshot that this one belongs to, in the order of their names."""
    for snapshot in _names(host, pid, f"{base}/snapshots"):
        directory = f"{base}/snapshots/{snapshot}"
        found: dict[str, int] = {}
        for name in _names(host, pid, directory):
            if name.endswith(_SUFFIXES + _VAGUE_SUFFIXES):
                blob = _target(host, pid, f"{directory}/{name}")
                found[blob] = _size(host, pid, blob) or 0
        if path in found:
            return found
    return {path: size}


def _places(pid: int, path: str) -> tuple[str, str]:
    """Where a process's file is to be found: below its own root, or else below ours."""
    return f"/proc/{pid}/root{path}", path


def _size(host: Host, pid: int, path: str) -> int | None:
    for place in _places(pid, path):
        size = host.size(place)
        if size is not None:
            return size
    return None


def _names(host: Host, pid: int, directory: str) -> list[str]:
    for place in _places(pid, directory):
        names = host.names(place)
        if names:
            return names
    return []


def _target(host: Host, pid: int, path: str) -> str:
    for place in _places(pid, path):
        try:
            text = host.link(place)
        except OSError:
            continue
        return posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
    return path
