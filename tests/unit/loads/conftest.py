"""Real model files, small, in a directory of each test's own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from aitune_backends.loads.model_files import find_model
from aitune_backends.loads.records import LoadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


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
