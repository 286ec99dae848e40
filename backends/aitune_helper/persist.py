"""The file that sets our sysctl knobs at boot: written only for what was kept, and only if ours.

`/etc/sysctl.d/95-aitune.conf` holds one line for each kept and persisted knob. It is ours as long
as its digest is the one in `owned.json`; a file that somebody made or edited is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import files
from aitune_helper.knobs import KNOBS, refusal
from aitune_helper.state import loud
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitune_helper.messages import Item
    from aitune_helper.places import Places

_HEADER = """\
# Written by aitune-tui: settings that were kept and are to last, read by systemd-sysctl at boot.
# Take one out with `aitune-tui unpersist KNOB`. Edited by hand, it is left alone from then on.
"""
_LINE = re.compile(r"([a-z_.]+) = (\S+)")
_FOLDER_UMASK = 0o022
NOT_YET = "not persistent yet: only sysctl knobs are set at boot so far"


class Line(NamedTuple):
    """One setting in the drop-in: its value and who kept it."""

    value: str
    why: str


Lines = dict[str, Line]


def key_and_value(item: Item, default_pool: str) -> tuple[str, str] | None:
    """The sysctl line that sets an item at boot, or None where sysctl.d cannot.

    Args:
        item: What was kept; its requested value is what lasts.
        default_pool: The pool that `vm.nr_hugepages` sizes on this machine.
    """
    if KNOBS[item.knob].persist == "sysctl":
        return item.knob, item.requested
    if item.knob == default_pool and not item.instance:
        return "vm.nr_hugepages", item.requested
    return None


def parse(text: str) -> Lines:
    """Read our drop-in; a comment before a line says who kept it."""
    lines: Lines = {}
    why = ""
    for raw in text.splitlines():
        if raw.startswith("# "):
            why = raw[2:]
        found = _LINE.fullmatch(raw)
        if found is not None:
            lines[found[1]] = Line(found[2], why)
            why = ""
    return lines


def render(lines: Mapping[str, Line]) -> str:
    """Write our drop-in; the same lines give the same bytes."""
    body = "".join(f"\n# {line.why}\n{key} = {line.value}\n" for key, line in sorted(lines.items()))
    return _HEADER + body


class DropIn:
    """Our one file in sysctl.d.

    Args:
        places: Where it and the list of our files lie.
    """

    def __init__(self, places: Places) -> None:
        self._path = places.sysctl
        self._owned = places.owned

    def lines(self) -> Lines:
        """The lines there now; none where there is no file.

        Raises:
            Fault: `PersistRefused`: the file is somebody else's, or was edited.
        """
        try:
            data = files.read_file(self._path)
            digests = self._digests()
        except OSError as error:
            raise self._refused(f"it cannot be read: {error.strerror}") from error
        if data is None:
            return {}
        if _digest(data) not in digests:
            raise self._refused("it is not as aitune wrote it")
        return parse(data.decode("ascii", "replace"))

    def put(self, lines: Mapping[str, Line]) -> tuple[str, ...]:
        """Make the file say exactly `lines`; without any it is removed.

        Returns:
            The files that changed.

        Raises:
            Fault: `PersistRefused`, as for `lines`; also when a file appears meanwhile, and when
                it cannot be written: then it is as it was.
        """
        now = self.lines()
        if now == dict(lines):
            return ()
        try:
            return self._put(now, lines)
        except OSError as error:
            raise self._refused(f"it cannot be written: {error.strerror}") from error

    def _put(self, now: Lines, lines: Mapping[str, Line]) -> tuple[str, ...]:
        if not lines:
            files.remove(self._path)
            files.sync_directory(self._path)
            self._own()
            return (self._path,)
        for key, line in lines.items():
            if key not in KNOBS or refusal(KNOBS[key], line.value) is not None:
                raise self._refused(f"{key} = {line.value!a} is no value of that knob")
        data = render(lines).encode("ascii")
        self._make_folder()
        # The next and the present content are both ours, so that a crash between leaves it ours.
        there = files.read_file(self._path)
        self._own(_digest(data), *(() if there is None else (_digest(there),)))
        if now or there is not None:
            files.replace_file(self._path, data, 0o644)
        else:
            self._create(data)
        return (self._path,)

    def _make_folder(self) -> None:
        """Make sysctl.d where it is missing, for everybody to read, whatever our umask."""
        folder = os.path.dirname(self._path)
        if not os.path.isdir(folder):
            before = os.umask(_FOLDER_UMASK)
            try:
                os.makedirs(folder)
            finally:
                os.umask(before)
            files.sync_directory(folder)

    def _create(self, data: bytes) -> None:
        """Make the file only if there is none: `link` never replaces."""
        aside = files.write_aside(self._path, data, 0o644, sync=True)
        try:
            os.link(aside, self._path)
        except FileExistsError:
            raise self._refused("somebody else made it just now") from None
        finally:
            files.remove(aside)
        files.sync_directory(self._path)

    def _digests(self) -> list[str]:
        """The digests our file may have, newest first; a damaged list means it is not ours."""
        data = files.read_file(self._owned)
        if data is None:
            return []
        try:
            owned = json.loads(data)
            digests = owned.get(self._path, [])
            if not all(isinstance(digest, str) for digest in digests):
                raise ValueError("not digests")
        except (ValueError, AttributeError, TypeError):
            loud(f"damaged, moved to {files.move_aside(self._owned)}")
            return []
        return list(digests)

    def _own(self, *digests: str) -> None:
        data = json.dumps({self._path: digests}).encode("ascii")
        files.replace_file(self._owned, data, 0o600)

    def _refused(self, reason: str) -> Fault:
        return Fault("PersistRefused", {"path": self._path, "reason": reason})


def changed(now: Mapping[str, Line], then: Mapping[str, Line]) -> dict[str, object]:
    """What a change makes of the file, for the journal.

    Returns:
        `before` and `after`: what the file says of each key that changes, None where nothing.
    """
    keys = sorted(key for key in {*now, *then} if now.get(key) != then.get(key))
    return {
        name: {key: list(lines[key]) if key in lines else None for key in keys}
        for name, lines in (("before", now), ("after", then))
    }


def restored(lines: Mapping[str, Line], entry: Mapping[str, object]) -> Lines | None:
    """The lines with what `changed` noted put back; None where it noted nothing.

    A line that says something else by now is of a later trial, and stays.
    """
    before, after = entry.get("before"), entry.get("after")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return None
    merged = dict(lines)
    for key, value in before.items():
        if (list(merged[key]) if key in merged else None) != after.get(key):
            continue
        if isinstance(value, list) and len(value) == 2:
            merged[key] = Line(str(value[0]), str(value[1]))
        else:
            merged.pop(key, None)
    return merged


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
