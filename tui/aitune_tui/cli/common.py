"""What every subcommand shares: options, exit statuses, tables, JSON, questions, failures.

A subcommand is a click command named `command` in a module of its own:

    @click.command(name="status")
    @click.argument("knobs", nargs=-1)
    @pass_options
    def command(options: Options, knobs: tuple[str, ...]) -> None:
        with open_machine(options) as machine:
            ...
            if options.json:
                emit_json("status", {...})
            else:
                echo(table(("SETTING", "NOW"), rows))

The options of `Options` are given to every command by the group; a command declares only its own.
It ends with `fail(status, code, sentence, hint)`, with `ctx.exit(status)`, or by returning.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import click

from aitune_backends.foreign import clean
from aitune_tui.cli import output
from aitune_tui.cli.output import echo, note, prepare_streams, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aitune_backends.machine import Machine

__all__ = [
    "BUSY", "DONE", "FAULT", "GOALS", "INTERRUPTED", "NOT_AS_WANTED", "NOT_PERMITTED", "PARTIAL",
    "PROGRAM", "USAGE", "Failure", "Options", "add_shared_options",
    "echo", "emit_json", "fail", "fault", "has_terminal", "interrupted", "note", "open_machine",
    "pass_options", "prepare_streams", "report", "require_terminal", "show_version", "table",
    "write_log",
]  # fmt: skip

PROGRAM = "aitune-tui"

# Exit statuses, DESIGN "The command line".
DONE = 0
NOT_AS_WANTED = 1
USAGE = 2
PARTIAL = 3
NOT_PERMITTED = 4
BUSY = 5
FAULT = 70
INTERRUPTED = 130
READER_LEFT = 141

GOALS = ("model-loading", "inference", "training")
_LOG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every command takes, before or after its name.

    Attributes:
        demo: Work on the made-up machine.
        root: A directory or a tar of one: look at a capture instead of this machine.
        readonly: Never write.
        goal: What the machine is for; decides what is advised.
        interval: Seconds between two samples.
        slow_link: Send few bytes to the terminal.
        debug: Show the trace of a fault.
        json: One JSON object instead of text.
    """

    demo: bool = False
    root: str | None = None
    readonly: bool = False
    goal: str = "inference"
    interval: float = 1.0
    slow_link: bool = False
    debug: bool = False
    json: bool = False


class Failure(click.ClickException):
    """An ending that is not success: a status, a word for programs, a sentence for people."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.hint = hint


pass_options = click.make_pass_decorator(Options, ensure=True)


def add_shared_options(command: click.Command) -> None:
    """Give a command the options of `Options` that it does not declare itself."""
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            add_shared_options(subcommand)
    taken = {name for param in command.params for name in param.opts}
    command.params.extend(
        option for option in _shared_options() if not taken.intersection(option.opts)
    )


def _shared_options() -> list[click.Option]:
    option = partial(click.Option, expose_value=False, callback=_remember)
    return [
        option(("--demo",), is_flag=True, help="Work on a made-up machine; needs no root."),
        option(("--root",), metavar="PATH", help="Look at a capture: a directory or a tar of it."),
        option(("--readonly",), is_flag=True, help="Look only, never write."),
        option(("--goal",), type=click.Choice(GOALS), help="What the machine is for."),
        option(
            ("--interval",),
            metavar="S",
            type=click.FloatRange(0.2, 3600),
            help="Seconds between two samples.",
        ),
        option(("--slow-link",), is_flag=True, help="Send few bytes to the terminal."),
        option(("--debug",), is_flag=True, help="Show the trace of a fault."),
        option(("--json",), is_flag=True, help="Print one JSON object."),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Carry an option that was given into the context's `Options`."""
    options = ctx.obj if isinstance(ctx.obj, Options) else Options()
    name = param.name or ""
    if value is not None and value is not False:
        changed: dict[str, object] = {name: value}
        options = replace(options, **changed)  # type: ignore[arg-type]  # the option's own type
    ctx.obj = options


@contextlib.contextmanager
def open_machine(options: Options) -> Iterator[Machine]:
    """Open the machine the options name: this one, a capture, or the demo.

    Raises:
        Failure: It cannot be opened; status 2.
    """
    machines = importlib.import_module("aitune_backends.machine")
    hosts = importlib.import_module("aitune_backends.host")
    try:
        machine: Machine = machines.open_machine(
            demo=options.demo, root=options.root, readonly=options.readonly
        )
    except hosts.HostError as error:
        fail(USAGE, "host", str(error))
    try:
        yield machine
    finally:
        machine.close()


def emit_json(command: str, body: Mapping[str, object], version: int = 1) -> None:
    """Print the one object of a `--json` run, its schema first.

    Args:
        command: The command's name, as in `aitune/status/1`.
        body: The rest; values as in the schema under docs/json/.
        version: Raised when a field is removed or changes its meaning.
    """
    document = {"schema": f"aitune/{command}/{version}", **body}
    click.echo(json.dumps(document, ensure_ascii=True, indent=2, allow_nan=False))


def fail(status: int, code: str, message: str, hint: str = "") -> NoReturn:
    """End the command: one sentence on stderr, or the error object with `--json`.

    Args:
        status: One of the exit statuses above.
        code: A word for programs, as `busy`.
        message: What is true now, as a sentence.
        hint: What to do about it, or "".
    """
    raise Failure(status, code, message, hint)


def report(failure: click.ClickException, *, as_json: bool) -> int:
    """Show why a command ended, and return its exit status."""
    if not isinstance(failure, Failure):
        if not as_json:
            _show_usage(failure)
            return failure.exit_code
        failure = Failure(failure.exit_code, "usage", failure.format_message())
    if as_json:
        body = {"code": failure.code, "message": failure.message, "hint": failure.hint}
        emit_json("error", body)
    else:
        output.error("\n".join(map(clean, filter(None, (failure.message, failure.hint)))))
    return failure.status


def _show_usage(failure: click.ClickException) -> None:
    """Say what is wrong with the arguments, as click does; what was typed is foreign text too."""
    context = failure.ctx if isinstance(failure, click.UsageError) else None
    if context is not None:
        output.error(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n")
    output.error(f"Error: {clean(failure.format_message())}")


def interrupted() -> Failure:
    """The ending of a command that was stopped from the keyboard."""
    return Failure(INTERRUPTED, "interrupted", "Interrupted.")


def fault(error: Exception, log: Path | None) -> Failure:
    """The ending of a command that met a fault of ours."""
    where = f"The trace is in {log}." if log else "Its trace could not be written to a log."
    return Failure(
        FAULT, "fault", f"This is a fault of {PROGRAM}: {type(error).__name__}: {error}.", where
    )


def write_log(text: str) -> Path | None:
    """Append to the application's log, which is emptied when it grows past 1 MiB.

    Returns:
        The file, or None where it cannot be written.
    """
    from aitune_backends.places import user_places

    try:
        places = user_places()
        places.make_state()
        log = places.log
        fresh = not log.exists() or log.stat().st_size > _LOG_BYTES
        with log.open("w" if fresh else "a", encoding="utf-8", errors="backslashreplace") as file:
            # A trace repeats what was read: the log is looked at on terminals.
            file.write("\n".join(map(clean, text.rstrip().split("\n"))) + "\n\n")
    except OSError:
        return None
    return log


def has_terminal() -> bool:
    """Whether there is somebody to ask: keys come from a terminal and questions reach it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def require_terminal() -> None:
    """Refuse to draw the dashboard into a pipe or a file."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail(
            USAGE,
            "no-terminal",
            "The dashboard needs a terminal.",
            f"`{PROGRAM} status` prints the settings, `{PROGRAM} --help` lists what else there is.",
        )


def show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Print the program's version and the helper's, and leave."""
    if not value or ctx.resilient_parsing:
        return
    installer = importlib.import_module("aitune_backends.installer")
    metadata = importlib.import_module("importlib.metadata")
    echo(f"{PROGRAM} {metadata.version(PROGRAM)}")
    echo(f"helper: {installer.status().sentence}")
    ctx.exit(DONE)
