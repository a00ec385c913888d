"""A run's file: the partial states of what is done, so that a run that was killed goes on, and that runs can be added.

It is a Parquet file of int64 limbs, see `State.to_arrow`, whose metadata says what was scored and which parts of
which sources are in it. A source counts as the same while its name and its fingerprint are.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from logitloss.evaluate.errors import InputError, said_by
from logitloss.evaluate.input.columns import Columns
from logitloss.evaluate.output import check_output, write_whole
from logitloss.evaluate.plan import Plan
from logitloss.evaluate.results import Report
from logitloss.evaluate.state.state import State

_METADATA = b"logitloss"
_VERSION = 2
_WAIT = 10  # writing takes at most one part in so many of the time


@dataclasses.dataclass
class Progress:
    """How much of a source is counted: the numbers of its parts, of which there are `parts`."""

    fingerprint: str
    parts: int
    done: set[int] = dataclasses.field(default_factory=set)


class Run:
    """What is known of a set of sources so far, and how it was come by."""

    def __init__(self, columns: Columns, plan: Plan, key_types: Sequence[pa.DataType] = (), path: Path | None = None):
        """Nothing yet; with a path, kept there."""
        self.columns, self.plan, self.path = columns, plan, path
        self.partial = State(key_types)
        self.sources: dict[str, Progress] = {}
        self._next_save, self._saved = 0.0, True

    def add(self, parts: Iterable[tuple[str, int]], partial: State) -> None:
        """Count parts in, and write the file unless that was done just now."""
        self.partial.merge(partial)
        for name, part in parts:
            self.sources[name].done.add(part)
        self._saved = False
        if time.monotonic() >= self._next_save:
            self.save()

    def save(self) -> None:
        """Write the file, if there is one and it is not up to date: all of it, or nothing."""
        if self.path is None or self._saved:
            return
        start = time.monotonic()
        table = self.partial.to_arrow().replace_schema_metadata({_METADATA: json.dumps(self._description())})
        write_whole(self.path, lambda file: pyarrow.parquet.write_table(table, file))
        self._saved, now = True, time.monotonic()
        self._next_save = now + _WAIT * (now - start)

    @classmethod
    def load(cls, path: Path) -> Run:
        """What a file holds; `InputError` if it is no file of this kind."""
        try:
            # Opened once: a run may put another in its place meanwhile. And by Arrow: one of its threads may hold the
            # file a moment longer than its reader, and a file of Python's aborts the process if Python has ended.
            with pa.OSFile(os.fspath(path)) as file:
                table = pyarrow.parquet.read_table(file)
            if _METADATA not in (table.schema.metadata or {}):
                raise InputError(f"{path}: is not a state that logitloss wrote, but other data; name another file")
            description = json.loads(table.schema.metadata[_METADATA])
            if description["version"] != _VERSION:
                raise InputError(f"{path}: was written by another version of logitloss; score its files again")
            columns = dict(description["columns"])
            columns["pairs"], columns["by"] = tuple(map(tuple, columns["pairs"])), tuple(columns["by"])
            partial = State.from_arrow(table)
            run = cls(Columns(**columns), Plan(description["classes"], tuple(description["kinds"])), (), path)
            run.partial = partial
            for name, fingerprint, parts, done in description["sources"]:
                run.sources[name] = Progress(fingerprint, parts, set(done))
        except InputError:
            raise
        except FileNotFoundError as error:
            raise InputError(f"{path}: there is no such file; check the path") from error
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: is not a state that logitloss wrote: {said_by(error)}; name another file, or delete this one"
            ) from error
        return run

    def check_same(self, columns: Columns, plan: Plan, path: Path) -> None:
        """Refuse to add what was scored otherwise."""
        for what, mine, its in (
            *((f.name, getattr(self.columns, f.name), getattr(columns, f.name)) for f in dataclasses.fields(Columns)),
            ("kinds of the keys", self.plan.kinds, plan.kinds),
            ("classes", self.plan.classes, plan.classes),
        ):
            if mine != its:
                raise InputError(
                    f"{path}: was scored with {what} {json.dumps(its)}, expected {json.dumps(mine)}; keep them apart"
                )

    def skipped(self) -> dict[str, int]:
        """The rows left out, by reason."""
        return self.partial.reasons()

    def report(self) -> Report:
        """The scores so far."""
        logits, labels = (", ".join(dict.fromkeys(names)) for names in zip(*self.columns.pairs, strict=True))
        return self.partial.report(
            by=self.columns.keys,
            sources=tuple(self.sources),
            logits=logits,
            labels=labels,
            cluster=self.columns.cluster,
        )

    def _description(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "columns": dataclasses.asdict(self.columns),
            "classes": self.plan.classes,
            "kinds": self.plan.kinds,
            "sources": [[name, one.fingerprint, one.parts, sorted(one.done)] for name, one in self.sources.items()],
        }


def resumed(
    path: Path,
    columns: Columns,
    plan: Plan,
    key_types: Sequence[pa.DataType],
    sources: Sequence[tuple[str, str, int]],
) -> Run:
    """The run that a file holds, or a new one; `sources` are the names, fingerprints and numbers of parts."""
    run = Run(columns, plan, key_types, path)
    if path.exists():
        before = Run.load(path)
        run.check_same(before.columns, before.plan, path)
        run.partial, run.sources = before.partial, before.sources
    now = {name: (fingerprint, parts) for name, fingerprint, parts in sources}
    for name, one in run.sources.items():
        if name not in now:
            raise InputError(f"{path}: holds {name}, which is not among the files; name it too, or another state")
        if now[name] != (one.fingerprint, one.parts):
            raise InputError(
                f"{name}: changed since {path} was written; restore it, or delete {path} to score everything again"
            )
    for name, fingerprint, parts in sources:
        run.sources.setdefault(name, Progress(fingerprint, parts))
    return run


def is_state(path: Path) -> bool:
    """Whether the file is a state that logitloss wrote."""
    try:
        return _METADATA in (pyarrow.parquet.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def merged(paths: Iterable[Path], into: Path | None = None, *, force: bool = False) -> Run:
    """The sum of the runs that some files hold; with `into`, kept there, in the place of another file with `force`."""
    whole, paths = None, list(paths)
    if into is not None:
        check_output(into, is_state, inputs=paths, force=force)
    for path in paths:
        run = Run.load(path)
        for name, one in run.sources.items():
            if len(one.done) < one.parts:
                raise InputError(
                    f"{path}: holds {len(one.done)} of the {one.parts} parts of {name}; finish that run first"
                )
        if whole is None:
            whole = Run(run.columns, run.plan, run.partial.key_types, into)
        whole.check_same(run.columns, run.plan, path)
        for name, one in run.sources.items():
            if twin := next((n for n, other in whole.sources.items() if other.fingerprint == one.fingerprint), ""):
                as_well = "" if twin == name else f", as {twin}"
                raise InputError(f"{path}: holds {name}, which another of the files holds too{as_well}; count it once")
            whole.sources[name if name not in whole.sources else f"{name} ({path})"] = one
        whole.partial.merge(run.partial)
        whole._saved = False
    if whole is None:
        raise InputError("no states to merge; name at least one")
    whole.save()
    return whole
