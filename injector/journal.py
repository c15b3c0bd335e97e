"""What is remembered of faults: SQLite, one row each, on disk before whoever wrote it goes on."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

KEPT = 1000
"""Faults that are over and remembered; the oldest go."""


class Entry(BaseModel):
    """What is written: its subclasses add to it."""

    id: str

    @property
    def over(self) -> bool:
        """Nothing more will happen to it, so that it may be forgotten when there are many."""
        raise NotImplementedError


E = TypeVar("E", bound=Entry)


class JournalFailure(Exception):
    """It could not be written; says why."""


class Journal(Generic[E]):
    """Of entries of one type. Safe to use from several threads."""

    def __init__(self, path: Path, entries: type[E]) -> None:
        """JournalFailure when there cannot be one. A damaged one is set aside: see `damage`."""
        self._path, self._entries = path, entries
        self._lock = threading.Lock()
        self.damage: str | None = None
        """What was wrong with the one that was there, and where it is kept now."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._sound() or self._opened()
        except (sqlite3.Error, OSError) as failure:
            raise JournalFailure(f"the journal {path} cannot be opened: {failure}") from failure

    def save(self, entry: E) -> None:
        """Durable when it returns. JournalFailure when it is not."""
        row = (entry.id, over := entry.over, entry.model_dump_json())
        with self._lock:
            try:
                with self._database:
                    self._database.execute("INSERT OR REPLACE INTO faults VALUES (?, ?, ?)", row)
                    if over:
                        self._database.execute(
                            "DELETE FROM faults WHERE over AND rowid NOT IN"
                            " (SELECT rowid FROM faults WHERE over ORDER BY rowid DESC LIMIT ?)",
                            (KEPT,),
                        )
            except sqlite3.Error as failure:
                raise JournalFailure(f"the journal {self._path} cannot be written: {failure}") from failure

    def all(self) -> list[E]:
        """Every entry, in the order in which they were last written."""
        with self._lock:
            rows = self._database.execute("SELECT entry FROM faults ORDER BY rowid").fetchall()
        return [self._entries.model_validate_json(text) for (text,) in rows]

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _sound(self) -> sqlite3.Connection | None:
        """The one that is there, or a new one; None when what is there is damaged, and has been set aside."""
        database = self._opened()
        try:
            (verdict,) = database.execute("PRAGMA quick_check").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            with closing(database.execute("SELECT entry FROM faults")) as rows:
                for (text,) in rows:
                    self._entries.model_validate_json(text)
        except sqlite3.OperationalError:  # it is locked, or the disk is full: that is no damage
            database.close()
            raise
        except (sqlite3.DatabaseError, ValidationError) as failure:
            database.close()
            self._set_aside(str(failure).splitlines()[0])
            return None
        return database

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            with database:
                database.execute("CREATE TABLE IF NOT EXISTS faults (id TEXT PRIMARY KEY, over INTEGER, entry TEXT)")
        except sqlite3.OperationalError:
            database.close()
            raise
        except sqlite3.DatabaseError as failure:  # it is none at all
            database.close()
            self._set_aside(str(failure))
            return self._opened()
        return database

    def _set_aside(self, why: str) -> None:
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        os.replace(self._path, aside)  # noqa: PTH105
        for beside in ("-wal", "-shm"):
            self._path.with_name(self._path.name + beside).unlink(missing_ok=True)
        self.damage = f"the journal was damaged ({why}) and is kept as {aside}"
