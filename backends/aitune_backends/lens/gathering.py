"""Collecting what a file of another tool wants, until it is a profile of ours.

Whatever a reader adds is checked as a change that is typed is; what is no knob of ours, or no value
of it, is left with the reason. Of two values for one target the one that is written last counts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from aitune_backends.changes import ChangeError, shown, wanted
from aitune_backends.foreign import clean
from aitune_backends.lens import BootWord, Imported, Left, LensError
from aitune_backends.lens.knob_paths import NoKnob, places_of, unlisted
from aitune_backends.profiles.parse import NAME, Profile
from aitune_helper.knobs import KNOBS, other_half

if TYPE_CHECKING:
    from aitune_backends.changes import Wanted
    from aitune_backends.lens.knob_paths import Names

_MOST_LINES = 4000
_LONGEST_REASON = 400


class Gathered:
    """What was found so far; `result` makes it a profile."""

    def __init__(self, names: Names = unlisted) -> None:
        """Begin with nothing.

        Args:
            names: Lists a directory of the machine that the settings are for.
        """
        self.names = names
        self._wanted: dict[tuple[str, str | None], tuple[Wanted, str]] = {}
        self._boot: list[tuple[BootWord, str]] = []
        self._left: list[Left] = []
        self._understood: list[Left] = []
        self._lines = 0

    def leave(self, place: str, text: str, why: str) -> None:
        """List a line that is not understood, or is no setting of ours."""
        self._count()
        self._left.append(Left(place, shown(text), why))

    def follow(self, place: str, text: str, why: str) -> None:
        """Note a line that wants nothing by itself."""
        self._count()
        self._understood.append(Left(place, shown(text), why))

    def boot(self, place: str, text: str, words: list[str]) -> None:
        """Add words for the kernel command line."""
        self._count(len(words))
        self._boot += [(BootWord(clean(word), place), text) for word in words]

    def take_out(self, place: str, text: str, words: list[str]) -> None:
        """Take words for the kernel command line out again, as a later line asks."""
        kept = [pair for pair in self._boot if pair[0].word not in words]
        still = {word.place for word, _ in kept}
        gone = {word.place: said for word, said in self._boot if word.place not in still}
        self._boot = kept
        for earlier, said in gone.items():
            self.follow(earlier, said, f"{place} takes its words out again")
        self.follow(place, text, "takes words of earlier lines out")

    def path(
        self, place: str, text: str, path: str, value: str, reason: str = "", bound: str = ""
    ) -> None:
        """Add a value for a file of the kernel, which may have patterns in it."""
        try:
            targets = places_of(path, self.names)
        except NoKnob as why:
            self.leave(place, text, str(why))
            return
        values = [(each.knob.id, each.instance, value) for each in targets]
        self.knobs(place, text, values, reason, bound)

    def knobs(
        self,
        place: str,
        text: str,
        values: list[tuple[str, str | None, str]],
        reason: str = "",
        bound: str = "",
    ) -> None:
        """Add values that one line wants: knob, instance or None for all, value."""
        self._count()
        try:
            found = [_checked(*value, place, clean(reason), bound) for value in values]
        except ChangeError as error:
            self.leave(place, text, str(error).rstrip("."))
            return
        for want in found:
            self._set(want, text)

    def result(self, name: str, title: str, text: str, source: str) -> Imported:
        """Everything as a profile, which may want nothing.

        Args:
            name: What to call it; letters that no name has become `-`.
            title: What it says of itself, in a few words, or "".
            text: The same at length, or "".
            source: The file.
        """
        self._settle_halves()
        plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:64]
        plain = plain if NAME.fullmatch(plain) else "imported"
        profile = Profile(
            name=plain,
            title=clean(" ".join(title.split())) or plain,
            text=clean(" ".join(text.split())),
            wanted=tuple(want for want, _ in self._wanted.values()),
            source=clean(source),
        )
        boot = tuple(word for word, _ in self._boot)
        return Imported(profile, boot, tuple(self._left), tuple(self._understood))

    def _set(self, want: Wanted, text: str) -> None:
        # Of two values for one target the later one is what the machine ends up with.
        target = want.knob, want.instance
        earlier = self._wanted.pop(target, None)
        self._wanted[target] = want, text
        if earlier is not None and earlier[0].place != want.place:
            self._replaced(*earlier, f"{want.place} sets it again")

    def _settle_halves(self) -> None:
        """Of two knobs that say one thing, keep the one that is written last and is not 0."""
        for target, (want, text) in list(self._wanted.items()):
            half = other_half(KNOBS[want.knob])
            other = self._wanted.get((half.id, want.instance)) if half else None
            if other is None or target not in self._wanted:
                continue
            order = list(self._wanted)
            later = order.index(target) < order.index((other[0].knob, want.instance))
            if want.value == "0" or (later and other[0].value != "0"):
                del self._wanted[target]
                self._replaced(want, text, f"{other[0]} says it, at {other[0].place}")

    def _replaced(self, want: Wanted, text: str, why: str) -> None:
        """Note a line whose last value is gone."""
        if all(other.place != want.place for other, _ in self._wanted.values()):
            self.follow(want.place, text, why)

    def _count(self, more: int = 1) -> None:
        self._lines += more
        if self._lines > _MOST_LINES:
            raise LensError(f"It has more than {_MOST_LINES} lines: these are no settings.")


def _checked(
    knob_id: str, instance: str | None, value: str, place: str, reason: str, bound: str
) -> Wanted:
    knob = KNOBS.get(knob_id)
    if knob is None or not knob.offered:
        raise ChangeError("this tool has no knob for it")
    return replace(
        wanted(knob, instance, dict(knob.reads).get(value, value)),
        reason=reason[:_LONGEST_REASON],
        place=place,
        bound=bound if knob.is_integer else "",
    )
