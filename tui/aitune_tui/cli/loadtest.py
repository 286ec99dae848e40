"""`aitune-tui loadtest`: time the load of a model, and look at earlier timings."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aitune_backends.foreign import clean
from aitune_backends.loads.records import (
    BUFFERED,
    COLD,
    ENGINES,
    MAX_RUNS,
    MAX_THREADS,
    STATES,
    result_as_json,
)
from aitune_backends.loads.store import Store, StoreError
from aitune_backends.places import user_places
from aitune_tui.cli import load_runs
from aitune_tui.cli.common import (
    NOT_AS_WANTED,
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    pass_options,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.loads.records import LoadResult

# What SQLite can count to.
_ID = click.IntRange(0, 2**63 - 1)


def load_options(function: Callable[..., None]) -> Callable[..., None]:
    """How a model is read: the options that every command has that times a load."""
    for option in (
        click.option(
            "--runs", default=3, show_default=True, type=click.IntRange(1, MAX_RUNS), metavar="N",
            help="How often.",
        ),
        click.option(
            "--threads", default=1, show_default=True, type=click.IntRange(1, MAX_THREADS),
            metavar="N", help="Readers at once.",
        ),
        click.option(
            "--state", default=COLD, show_default=True, type=click.Choice(STATES),
            help="Whether the files lie in the page cache before each run.",
        ),
        click.option(
            "--engine", default=BUFFERED, show_default=True, type=click.Choice(ENGINES),
            help="How they are read.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command(name="loadtest")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@load_options
@click.option("--list", "list_", is_flag=True, help="List earlier results.")
@click.option("--all-hosts", is_flag=True, help="With --list: of other machines too.")
@click.option("--show", type=_ID, metavar="ID", help="Show an earlier result.")
@click.option(
    "--export", type=(_ID, click.Path(path_type=Path)), metavar="ID FILE", default=None,
    help="Write an earlier result to a new file, as JSON.",
)  # fmt: skip
@pass_options
def command(
    options: Options,
    paths: tuple[str, ...],
    engine: str,
    state: str,
    threads: int,
    runs: int,
    list_: bool,
    all_hosts: bool,
    show: int | None,
    export: tuple[int, Path] | None,
) -> None:
    """Time the load of a model into host memory.

    PATH is a directory of *.safetensors, *.gguf or *.bin files, or any files. Cold means that the
    page cache holds nothing of them, and that this was verified. Nothing is changed.
    """
    asked = [bool(paths), list_, show is not None, export is not None]
    if sum(asked) != 1:
        fail(USAGE, "usage", "Give a model's PATH, or one of --list, --show ID, --export ID FILE.")
    if list_:
        _list(options, all_hosts=all_hosts)
    elif show is not None:
        _print(options, _stored(show))
    elif export is not None:
        _export(_stored(export[0]), export[1])
    else:
        load_runs.require_this_machine(options)
        request = load_runs.request_for(load_runs.model_at(paths), engine, state, threads, runs)
        _print(options, load_runs.save(load_runs.run_test(request)))


def _print(options: Options, result: LoadResult) -> None:
    if options.json:
        emit_json("loadtest", result_as_json(result))
        return
    for line in load_runs.result_lines(result):
        echo(line)
    if result.id is not None:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(result.place.at))
        echo(f"result {result.id} · {clean(result.place.host)} · {when}")


def _stored(number: int) -> LoadResult:
    store = Store(user_places())
    try:
        result = store.result(number)
    except StoreError as error:
        fail(NOT_AS_WANTED, "results", str(error))
    finally:
        load_runs.say_what_was_moved(store)
    if result is None:
        fail(USAGE, "results", f"There is no result {number}; `loadtest --list` lists them.")
    return result


def _list(options: Options, *, all_hosts: bool) -> None:
    store = Store(user_places())
    try:
        results = store.results(all_hosts=all_hosts)
    except StoreError as error:
        fail(NOT_AS_WANTED, "results", str(error))
    finally:
        load_runs.say_what_was_moved(store)
    if options.json:
        emit_json("loadtest-list", {"results": [result_as_json(result) for result in results]})
    elif not results:
        echo("No load was timed yet: `aitune-tui loadtest PATH` times one.")
    else:
        echo(table(("ID", "WHEN", "HOST", "MODEL", "HOW", "STATE", "SPEED"), _rows(results)))


def _rows(results: tuple[LoadResult, ...]) -> list[tuple[str, ...]]:
    return [
        (
            str(result.id),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(result.place.at)),
            result.place.host,
            result.request.name,
            f"{result.request.engine}, {load_runs.count(result.request.threads, 'thread')}",
            load_runs.states_of(result.runs),
            load_runs.summary(result),
        )
        for result in results
    ]


def _export(result: LoadResult, file: Path) -> None:
    document = {"schema": "aitune/loadtest/1", **result_as_json(result)}
    text = json.dumps(document, indent=2) + "\n"
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        with file.open("x", encoding="ascii") as opened:
            opened.write(text)
    except OSError as error:
        fail(USAGE, "export", f"{file}: {(error.strerror or str(error)).lower()}.")
    echo(f"Result {result.id} is in {file}.")
