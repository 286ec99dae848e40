"""Which files make up the model that an operator names."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Kinds of weights, best first: a directory that holds several kinds holds one model several times.
_KINDS: tuple[tuple[str, ...], ...] = (
    (".safetensors",),
    (".gguf",),
    (".bin", ".pt", ".pth", ".ckpt"),
)
_INDEX = "model.safetensors.index.json"
_KINDS_SENTENCE = "*.safetensors, *.gguf, *.bin, *.pt, *.pth or *.ckpt"


class ModelError(ValueError):
    """A path that cannot be load-tested; its text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a load test reads: whole regular files, each once, in the order of their names.

    Attributes:
        name: What to call the model.
        files: Absolute paths.
        bytes: Their sizes together.
    """

    name: str
    files: tuple[Path, ...]
    bytes: int


def find_model(paths: Sequence[str | os.PathLike[str]]) -> ModelFiles:
    """Find the files of the model at `paths`.

    A directory stands for the shards that its `model.safetensors.index.json` names, else for its
    *.safetensors, else for its *.gguf, else for its *.bin, *.pt, *.pth and *.ckpt. A file stands
    for itself, whatever it holds.

    Raises:
        ModelError: Something is missing, unreadable, empty, or no file.
    """
    if not paths:
        raise ModelError("No path was given.")
    given = [Path(path).absolute() for path in paths]
    found: dict[tuple[int, int], Path] = {}
    size = 0
    for path in given:
        for file in _files_of(path):
            status = _readable(file)
            if (status.st_dev, status.st_ino) not in found:
                found[status.st_dev, status.st_ino] = file
                size += status.st_size
    return ModelFiles(_name(given), tuple(found.values()), size)


def _files_of(path: Path) -> Iterable[Path]:
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
        names = (
            sorted((entry.name for entry in path.iterdir()), key=_natural) if is_directory else []
        )
    except OSError as error:
        raise ModelError(f"{path}: {_why(error)}.") from None
    if not is_directory:
        return (path,)
    if _INDEX in names:
        return _shards(path / _INDEX)
    for endings in _KINDS:
        files = [path / name for name in names if name.endswith(endings)]
        if files:
            return files
    raise ModelError(f"{path} holds no model files ({_KINDS_SENTENCE}).")


def _shards(index: Path) -> list[Path]:
    try:
        names = parse_index(index.read_text("utf-8"))
    except OSError as error:
        raise ModelError(f"{index}: {_why(error)}.") from None
    except ValueError as error:
        raise ModelError(f"{index}: {error}.") from None
    return [index.parent / name for name in names]


def parse_index(text: str) -> tuple[str, ...]:
    """The shards that a safetensors index names, in natural order.

    Raises:
        ValueError: It is no index, or it names a file outside its directory.
    """
    try:
        index: object = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not a JSON file") from None
    weights = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise ValueError("names no shards (weight_map)")
    names = set(weights.values())
    for name in names:
        if not isinstance(name, str) or not name or "\0" in name:
            raise ValueError("names a shard that is no file name")
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"names a shard outside its directory: {name}")
    return tuple(sorted(names, key=_natural))


def _readable(path: Path) -> os.stat_result:
    """Stat a regular file that can be opened and is not empty, by really opening it."""
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ModelError(f"{path}: {_why(error)}.") from None
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path} is not a regular file.")
    if status.st_size == 0:
        raise ModelError(f"{path} is empty.")
    return status


def _name(given: Sequence[Path]) -> str:
    first = given[0].resolve().name if given[0].name in {"", ".."} else given[0].name
    return first if len(given) == 1 else f"{first} and {len(given) - 1} more"


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key under which shard 10 comes after shard 9."""
    return tuple(
        (int(part), "") if part.isdigit() and part.isascii() else (-1, part)
        for part in re.split(r"(\d+)", name)
    )
