"""Real model files, small, in a directory of each test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from aitune_backends.loads.model_files import find_model
from aitune_backends.loads.records import LoadRequest
from aitune_backends.places import UserPlaces
from aitune_tui.cli import load_runs, loadtest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A model of two safetensors shards, 12 MB together, as people have them on their disks."""
    folder = tmp_path / "tiny-llama"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number, rows in ((1, 2000), (2, 1000)):
        tensors = {f"layer.{number}": random.standard_normal((rows, 1001)).astype(np.float32)}
        save_file(tensors, folder / f"model-{number:05}-of-00002.safetensors")
    return folder


@pytest.fixture
def gguf_file(tmp_path: Path) -> Path:
    """A model of one GGUF file, 4 MB."""
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tensor("token_embd.weight", np.ones((1000, 1024), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def request_for() -> Callable[..., LoadRequest]:
    """Make a request for a path: `request_for(path, engine=…, state=…)`."""

    def make(path: Path, **options: object) -> LoadRequest:
        model = find_model([path])
        files = tuple(str(file) for file in model.files)
        return LoadRequest(model.name, files, model.bytes, **options)  # type: ignore[arg-type]  # as given

    return make


# Maps a file, touches it all, says so, and holds it until its stdin closes.
_HOLD = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sum(held[::4096])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def mapped_elsewhere() -> Callable[[str], AbstractContextManager[int]]:
    """Let another process map a file, as a running server does; gives its pid."""

    @contextmanager
    def hold(path: str) -> Iterator[int]:
        with subprocess.Popen(
            [sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdin is not None
            assert holder.stdout.readline() == b"held\n"
            yield holder.pid
            holder.stdin.close()

    return hold


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UserPlaces:
    """Places of this test's own, also for the commands."""
    own = UserPlaces(tmp_path / "state", tmp_path / "config")
    monkeypatch.setattr(load_runs, "user_places", lambda: own)
    monkeypatch.setattr(loadtest, "user_places", lambda: own)
    return own


def _fits(value: object, schema: dict[str, Any], root: dict[str, Any]) -> str:
    """Why a JSON value does not fit its schema, "" if it does: as much of it as ours use."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "const" in schema and value != schema["const"]:
        return f"{value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is none of {schema['enum']}"
    kinds = {
        "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
        "number": (int, float), "integer": int,
    }  # fmt: skip
    wanted = schema.get("type", list(kinds))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if not any(isinstance(value, kinds[kind]) for kind in wanted):  # type: ignore[arg-type]  # a table of types
        return f"{value!r} is no {wanted}"
    if isinstance(value, bool) and "boolean" not in wanted:
        return f"{value!r} is a boolean"
    if isinstance(value, list):
        return next(filter(None, (_fits(one, schema.get("items", {}), root) for one in value)), "")
    if not isinstance(value, dict):
        return ""
    known = schema.get("properties", {})
    missing = [name for name in schema.get("required", ()) if name not in value]
    extra = schema.get("additionalProperties", {})
    unknown = [name for name in value if name not in known and extra is False]
    if missing or unknown:
        return f"missing {missing}, unknown {unknown}"
    parts = ((name, _fits(one, known.get(name, extra), root)) for name, one in value.items())
    return next((f"{name}: {why}" for name, why in parts if why), "")


@pytest.fixture
def fits() -> Callable[[object, str], str]:
    """Compare a document with a schema of docs/json; gives why it does not fit, or ""."""
    folder = Path(__file__).parents[3] / "docs/json"

    def compare(document: object, name: str) -> str:
        schema = json.loads((folder / f"{name}.json").read_text())
        return _fits(document, schema, schema)

    return compare
