"""Results of load tests, kept in one SQLite file per user.

The file may lie in a home shared by a hundred nodes: no write-ahead log, which a network file
system does not support, and every row says which machine and which boot it is of.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, fields
from typing import TYPE_CHECKING

from aitune_backends.loads.records import LoadRequest, LoadResult, LoadRun, Place, with_id
from aitune_backends.loads.settings import machine_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aitune_backends.places import UserPlaces

BUSY_S = 5.0
VERSION = 1

_RUN_COLUMNS = tuple(field.name for field in fields(LoadRun))
_TABLES = f"""
CREATE TABLE results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL, host TEXT NOT NULL, machine TEXT NOT NULL, boot TEXT NOT NULL,
    kernel TEXT NOT NULL, trial TEXT NOT NULL, settings TEXT NOT NULL,
    request TEXT NOT NULL, notes TEXT NOT NULL
);
CREATE INDEX results_of_a_machine ON results (machine, at);
CREATE TABLE runs (
    result INTEGER NOT NULL REFERENCES results (id) ON DELETE CASCADE,
    number INTEGER NOT NULL, {", ".join(_RUN_COLUMNS)},
    PRIMARY KEY (result, number)
);
PRAGMA user_version = {VERSION};
"""


_INSERT_RESULT = (
    "INSERT INTO results (at, host, machine, boot, kernel, trial, settings, request, notes)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The names are ours, from the record's own fields.
_INSERT_RUN = f"INSERT INTO runs VALUES (?, ?{', ?' * len(_RUN_COLUMNS)})"  # noqa: S608


class StoreError(Exception):
    """The results cannot be kept or read; the text is one sentence."""


class Store:
    """The results of one user in one file, which is made when the first one is saved."""

    def __init__(self, places: UserPlaces) -> None:
        """Say whose they are; nothing is opened yet."""
        self._places = places
        self.path = places.results
        self.moved_aside: Path | None = None
        """Where a damaged file was put, if one was found."""

    def save(self, result: LoadResult) -> LoadResult:
        """Keep a result and return it under its number.

        Raises:
            StoreError: It could not be written.
        """
        place = result.place
        texts = (asdict(result.request), dict(place.settings), list(result.notes))
        request, settings, notes = (json.dumps(text) for text in texts)
        with self._open() as database, database:
            cursor = database.execute(
                _INSERT_RESULT,
                (*astuple(place)[:6], settings, request, notes),
            )
            number = int(cursor.lastrowid or 0)
            database.executemany(
                _INSERT_RUN,
                [(number, index, *astuple(run)) for index, run in enumerate(result.runs, 1)],
            )
        return with_id(result, number)

    def results(self, *, all_hosts: bool = False, limit: int = 100) -> tuple[LoadResult, ...]:
        """The latest results, newest first; of this machine unless all are asked for.

        Raises:
            StoreError: The file cannot be read.
        """
        if not self.path.exists():
            return ()
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM results WHERE ? OR machine = ? ORDER BY id DESC LIMIT ?",
                (all_hosts, machine_hash(), limit),
            ).fetchall()
            return tuple(_result(database, row) for row in rows)

    def result(self, number: int) -> LoadResult | None:
        """One result of any machine, None if there is none of that number.

        Raises:
            StoreError: The file cannot be read.
        """
        if not self.path.exists():
            return None
        with self._open() as database:
            row = database.execute("SELECT * FROM results WHERE id = ?", (number,)).fetchone()
            return None if row is None else _result(database, row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect()) as database:
                yield database
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.path}: {error}.") from error

    def _connect(self) -> sqlite3.Connection:
        self._places.make_state()
        try:
            return _checked(self.path)
        except sqlite3.OperationalError:
            raise  # locked, read-only, no space: the file itself is not at fault
        except sqlite3.DatabaseError:
            # Damaged. Nothing is guessed out of it: it is put aside for people to look at.
            self.moved_aside = _put_aside(self.path)
            return _checked(self.path)


def _put_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(aside)
    return aside


def _checked(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_S)
    try:
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA foreign_keys = ON")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _create(database)
        elif version > VERSION:
            raise sqlite3.OperationalError("written by a newer version of aitune-tui")
        elif database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
    except BaseException:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection) -> None:
    """Make the tables, unless another process does so at this very moment."""
    database.execute("BEGIN EXCLUSIVE")
    if database.execute("PRAGMA user_version").fetchone()[0] == 0:
        for statement in _TABLES.split(";"):
            database.execute(statement)
    database.commit()


def _result(database: sqlite3.Connection, row: sqlite3.Row) -> LoadResult:
    runs = database.execute("SELECT * FROM runs WHERE result = ? ORDER BY number", (row["id"],))
    request = json.loads(row["request"])
    place = Place(
        row["at"], row["host"], row["machine"], row["boot"], row["kernel"], row["trial"],
        json.loads(row["settings"]),
    )  # fmt: skip
    return LoadResult(
        request=LoadRequest(**request | {"files": tuple(request["files"])}),
        place=place,
        runs=tuple(LoadRun(**{name: run[name] for name in _RUN_COLUMNS}) for run in runs),
        notes=tuple(json.loads(row["notes"])),
        id=row["id"],
    )
