"""How text reaches the outside: encodings that cannot fail, tables for people and for pipes."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from aitune_backends.foreign import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

# What our sentences use beyond ASCII, and what stands for it where that cannot be shown.
_PLAIN = str.maketrans(
    {"→": "->", "–": "-", "—": "-", "·": "-", "…": "...", "×": "x", "▲": "^", "✓": "+", "✗": "x",
     "●": "*", "○": "o", "◆": "*", "≥": ">=", "≤": "<=", "“": '"', "”": '"', "’": "'"}
)  # fmt: skip


def prepare_streams() -> None:
    """Make a stream that is closed an empty one, and a strange character a matter of looks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us, as by `<&-`
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_plain() -> bool:
    """Whether output is to be ASCII: the locale is C or POSIX, or the encoding is not UTF-8.

    Python quietly sets LC_CTYPE to C.UTF-8 where the locale is C, so that value alone says
    nothing of the terminal.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    if encoding != "utf8":
        return True
    named = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or ""
    if named in ("", "C.UTF-8", "C.utf8") and not os.environ.get("LC_ALL"):
        named = os.environ.get("LANG", "")
    return named in ("", "C", "POSIX")


def shown(text: str) -> str:
    """Lines of ours as this terminal shows them: nothing acts, ASCII where that is all it has."""
    text = "\n".join(clean(line) for line in text.expandtabs().split("\n"))
    return text.translate(_PLAIN) if is_plain() else text


def one_line(text: str) -> str:
    """Like `shown`, for what others may have chosen: it cannot begin a line of its own."""
    return shown(clean(text))


def echo(text: str = "") -> None:
    """Print to standard output."""
    click.echo(shown(text))


def note(text: str, *, as_json: bool = False) -> None:
    """Print what people read while a command works; beside the object of a `--json` run."""
    click.echo(shown(text), err=as_json)


def error(text: str) -> None:
    """Print to standard error."""
    click.echo(shown(text), err=True)


def prompt(text: str) -> None:
    """Print a question to standard error, without ending its line."""
    click.echo(shown(text), err=True, nl=False)


def progress(text: str) -> None:
    """Replace the line on a terminal's standard error; "" clears it."""
    click.echo(f"\r{shown(text)}\x1b[K", err=True, nl=False)


def discard_stdout() -> None:
    """Let what is still buffered go nowhere, after the reader of our pipe has left."""
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, sys.stdout.fileno())
    os.close(void)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: drawn by rich on a terminal, columns with two spaces between them elsewhere."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    heads = [one_line(head) for head in headers]
    if sys.stdout.isatty():
        return _rich_table(heads, cells)
    widths = [max(len(line[i]) for line in (heads, *cells)) for i in range(len(heads))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (heads, *cells)
    )
    return "\n".join(lines)


def field(name: str, text: str, width: int = 9) -> str:
    """A named text, indented; wrapped to the terminal where there is one."""
    head = f"  {name:<{width}} "
    text = clean(text)
    if not sys.stdout.isatty():
        return head + text
    columns = max(40, shutil.get_terminal_size().columns)
    return textwrap.fill(
        text, columns, initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _rich_table(heads: list[str], cells: list[list[str]]) -> str:
    # rich is imported only where there is a terminal to draw on: it costs a tenth of a second.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        box=box.ASCII2 if is_plain() else box.SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    for head in heads:
        drawn.add_column(Text(head), overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False, markup=False, emoji=False, force_terminal=False)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
