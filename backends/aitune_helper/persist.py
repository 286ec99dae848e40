"""Our files that are read at boot: written only for what was kept, and only if they are ours.

There is one file for each mechanism, `95-aitune` in its directory. It is ours as long as its digest
is one in `owned.json`; a file that somebody made or edited is never touched. What is to change in
several files is checked in all of them first, then written beside them, then put in their place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING

from aitune_helper import boot, files
from aitune_helper.formats import FORMATS, Lines
from aitune_helper.state import loud
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitune_helper.places import Places

_FOLDER_UMASK = 0o022
_MODE = 0o644
_SHOWN_MAX = 60

# What our files say, by mechanism.
Contents = dict[str, Lines]


class DropIns:
    """Our files below /etc.

    Args:
        places: Where they and the list of our files lie.
    """

    def __init__(self, places: Places) -> None:
        self._paths = places.at_boot
        self._owned = places.owned

    def lines(self, mechanism: str) -> Lines:
        """The lines of one file now; none where there is no file.

        Raises:
            Fault: `PersistRefused`: the file is somebody else's, or was edited.
        """
        path = self._paths[mechanism]
        try:
            data = files.read_file(path)
            if data is None:
                return {}
            texts = self._written().get(path, {})
        except OSError as error:
            raise _refused(path, f"it cannot be read: {error.strerror}") from error
        if _digest(data) not in texts:
            raise _refused(path, _difference(data, list(texts.values())))
        return FORMATS[mechanism].parse(data.decode("ascii", "replace"))

    def put(self, contents: Mapping[str, Lines]) -> tuple[str, ...]:
        """Make each file named in `contents` say exactly its lines; without any it is removed.

        Returns:
            The paths of the files that changed.

        Raises:
            Fault: `PersistRefused`, as for `lines`; also when a file appears meanwhile, and when
                one cannot be written: then all are as they were.
        """
        before = {mechanism: self.lines(mechanism) for mechanism in contents}
        for mechanism in contents:
            _tidy(self._paths[mechanism])
        changed = {
            self._paths[mechanism]: self._text(mechanism, lines)
            for mechanism, lines in contents.items()
            if lines != before[mechanism]
        }
        if changed:
            old = {self._paths[name]: _rendered(name, lines) for name, lines in before.items()}
            self._put(changed, old)
        return tuple(changed)

    def _text(self, mechanism: str, lines: Lines) -> bytes:
        """The bytes of one file, b"" for none; every line is one that `Apply` could write."""
        for key, line in lines.items():
            reason = boot.why_not(boot.Setting(mechanism, key, line.value))
            if reason is not None:
                raise _refused(self._paths[mechanism], reason)
        return _rendered(mechanism, lines)

    def _put(self, changed: Mapping[str, bytes], old: Mapping[str, bytes]) -> None:
        path = ""
        done: list[str] = []
        try:
            for path in changed:
                _make_folder(os.path.dirname(path))
            path = self._owned
            self._own(changed)
            for path, data in changed.items():
                if data:
                    files.write_aside(path, data, _MODE, sync=True)
            for path, data in changed.items():
                _place(path, data, fresh=not old[path])
                done.append(path)
                files.sync_directory(path)
        except (OSError, Fault) as error:
            _put_back(done, old)
            for left in changed:
                _tidy(left)
            if isinstance(error, Fault):
                raise
            raise _refused(path, f"it cannot be written: {error.strerror}") from error

    def _written(self) -> dict[str, dict[str, str]]:
        """What our files may hold: by path, text by digest. A damaged list means none is ours."""
        data = files.read_file(self._owned)
        if data is None:
            return {}
        try:
            return _parse_owned(json.loads(data))
        except (ValueError, AttributeError):
            loud(f"damaged, moved to {files.move_aside(self._owned)}")
            return {}

    def _own(self, changed: Mapping[str, bytes]) -> None:
        """Put the next and the present content on the list, so that a crash leaves the file ours.

        The present content comes from the file: it was on the list a moment ago.
        """
        owned = self._written()
        for path, data in changed.items():
            there = files.read_file(path)
            texts = owned.get(path, {})
            owned[path] = {
                _digest(content): content.decode("ascii", "replace")
                for content in (there, data)
                if content and (content is data or _digest(content) in texts)
            }
        listed = {path: texts for path, texts in owned.items() if texts}
        data = json.dumps(listed, separators=(",", ":")).encode("ascii")
        files.replace_file(self._owned, data, 0o600)


def _rendered(mechanism: str, lines: Lines) -> bytes:
    return FORMATS[mechanism].render(lines).encode("ascii") if lines else b""


def _place(path: str, data: bytes, *, fresh: bool) -> None:
    """Bring one file to what was written beside it, in one step; without data it goes."""
    if not data:
        files.remove(path)
    elif fresh:
        _create(path)
    else:
        os.rename(path + files.ASIDE, path)


def _create(path: str) -> None:
    """Make the file only if there is none: `link` never replaces."""
    try:
        os.link(path + files.ASIDE, path)
    except FileExistsError:
        raise _refused(path, "somebody else made it just now") from None
    _tidy(path)


def _tidy(path: str) -> None:
    """Remove what was to take a file's place; also what one left there that was killed."""
    with contextlib.suppress(OSError):
        files.remove(path + files.ASIDE)


def _put_back(paths: list[str], old: Mapping[str, bytes]) -> None:
    """Bring files that were changed already back to what they said."""
    for path in paths:
        try:
            if old[path]:
                files.replace_file(path, old[path], _MODE)
            else:
                files.remove(path)
                files.sync_directory(path)
        except OSError as error:
            loud(f"{path} could not be brought back: {error.strerror}")


def _make_folder(folder: str) -> None:
    """Make a directory of drop-ins where it is missing, for everybody to read."""
    if not os.path.isdir(folder):
        before = os.umask(_FOLDER_UMASK)
        try:
            os.makedirs(folder)
        finally:
            os.umask(before)
        files.sync_directory(folder)


def _parse_owned(value: object) -> dict[str, dict[str, str]]:
    """The list of our files; ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError("not a list of files")
    for texts in value.values():
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError("not texts by digest")
    return value


def _difference(data: bytes, texts: list[str]) -> str:
    """Say where a file differs from what we wrote last; its text is foreign and is shown quoted."""
    if not texts:
        return "it was not made by aitune"
    theirs, ours = data.decode("ascii", "replace").splitlines(), texts[-1].splitlines()
    for number, (line, was) in enumerate(zip(theirs, ours), start=1):
        if line != was:
            return f"it was edited: line {number} is {line[:_SHOWN_MAX]!a}, was {was!a}"
    if len(theirs) > len(ours):
        return f"it was edited: line {len(ours) + 1}, {theirs[len(ours)][:_SHOWN_MAX]!a}, is new"
    return "it was edited: its end is gone" if len(theirs) < len(ours) else "its line ends changed"


def _refused(path: str, reason: str) -> Fault:
    return Fault("PersistRefused", {"path": path, "reason": reason})


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
