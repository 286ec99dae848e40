"""A machine as a directory of files, written and rewritten by a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Tree:
    """Files below one root. A text that starts with `-> ` makes a symbolic link."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def __call__(self, files: Mapping[str, str]) -> Path:
        for path, text in files.items():
            self.put(path, text)
        return self.root

    def put(self, path: str, text: str) -> None:
        """Write a file in place, as a kernel's file changes under an open descriptor."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            place.symlink_to(text[3:])
        else:
            place.write_text(text)
