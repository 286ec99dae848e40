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
        except OSError as error:
            raise self._refused(f"it cannot be read: {error.strerror}") from error
        if data is None:
            return {}
        if hashlib.sha256(data).hexdigest() not in self._digests():
            raise self._refused("it is not as aitune wrote it")
        return parse(data.decode("ascii", "replace"))

    def put(self, lines: Mapping[str, Line]) -> tuple[str, ...]:
        """Make the file say exactly `lines`; without any it is removed.

        Returns:
            The files that changed.

        Raises:
            Fault: `PersistRefused`, as for `lines`; also when a file appears meanwhile.
            OSError: It could not be written; then it is as it was.
        """
        now = self.lines()
        if now == dict(lines):
            return ()
        if not lines:
            files.remove(self._path)
            files.sync_directory(self._path)
            self._own()
            return (self._path,)
        for key, line in lines.items():
            if key not in KNOBS or refusal(KNOBS[key], line.value) is not None:
                raise self._refused(f"{key} = {line.value!a} is no value of that knob")
        data = render(lines).encode("ascii")
        os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
        # Both digests are ours until the next change, so that a crash between leaves it ours.
        self._own(hashlib.sha256(data).hexdigest(), *self._digests()[:1])
        if now or os.path.lexists(self._path):
            files.replace_file(self._path, data, 0o644)
        else:
            self._create(data)
        return (self._path,)

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


def before(now: Mapping[str, Line], then: Mapping[str, Line]) -> dict[str, object]:
    """What the file says of the keys that `then` changes, for the journal: or None if nothing."""
    changed = sorted(key for key in {*now, *then} if now.get(key) != then.get(key))
    return {key: list(now[key]) if key in now else None for key in changed}


def restored(lines: Mapping[str, Line], earlier: Mapping[str, object]) -> Lines:
    """The lines with what `before` noted put back."""
    merged = dict(lines)
    for key, value in earlier.items():
        if isinstance(value, list) and len(value) == 2:
            merged[key] = Line(str(value[0]), str(value[1]))
        else:
            merged.pop(key, None)
    return merged
