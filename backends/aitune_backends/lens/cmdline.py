"""Words of the kernel command line as a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.boot_words import parse_boot_words, split_words
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.heads import bounded, named

if TYPE_CHECKING:
    from aitune_backends.lens import Imported


def read_cmdline(text: str, source: str, default_pool: str = "") -> Imported:
    """Read words for the kernel command line, a line or several, with comments.

    Args:
        text: The words.
        source: Where they come from, for the places of the lines.
        default_pool: The pool that `hugepages=` without a size fills, where it is known.

    Raises:
        LensError: It is too large to be a command line.
    """
    gathered = Gathered()
    for number, raw in enumerate(bounded(text, source).splitlines(), start=1):
        line = raw.strip()
        if line and not line.startswith("#"):
            _read_line(gathered, line, f"{source}:{number}", default_pool)
    return named(gathered, text, source)


def _read_line(gathered: Gathered, line: str, place: str, default_pool: str) -> None:
    found = parse_boot_words(line, default_pool)
    # Of a list of nodes the total is said too: the nodes say all of it.
    listed = {(word.knob, word.word) for word in found if word.instance}
    known: set[str] = set()
    for word in found:
        known |= set(word.word.split())
        if word.instance or (word.knob, word.word) not in listed:
            values = [(word.knob, word.instance or None, word.value)]
            gathered.knobs(place, word.word, values)
    others = [word for word, _, _ in split_words(line) if word not in known]
    if others:
        gathered.boot(place, " ".join(others), others)
