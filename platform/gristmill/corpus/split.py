"""Which files are held out of training. Decided on clusters of near copies, so that none crosses.

    file        clusters by hash of the seed and the cluster's smallest content, up to the share
    repository  whole repositories by hash of the seed and the name
    date        whole repositories, newest revision first

Every file has its cluster's key. A boundary (key, id) says it all: with `file`, keys below it are held
out; with `repository` and `date`, those of the chosen repositories' files that are below it, and a
training file of a held-out file's cluster is dropped. So no task needs the others' files, only the
`max_files` smallest keys. The choice depends on content and seed alone: adding a source moves no file
from one side to the other when the split is by file, unless `max_files` cuts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from gristmill.corpus.config import HeldOut
from gristmill.corpus.shingles import U64, mix
from gristmill.errors import RecipeError

Flags = npt.NDArray[np.bool_]
_ALL = 2**64 - 1


def cluster_keys(least: U64, seed: int) -> U64:
    """Return the key of each file's cluster, given the smallest content hash in it."""
    return mix(least ^ mix(np.array([seed], dtype=np.int64).astype(np.uint64)))


def chosen_repositories(
    held: HeldOut, seed: int, num_files: Mapping[str, int], dates: Mapping[str, str]
) -> frozenset[str] | None:
    """Return the first repositories whose files reach the share, never all; None by file.

    Raises RecipeError when the split is by date and no repository has one.
    """
    if held.by == "file" or held.share == 0 or not num_files:
        return None
    names = list(num_files)
    order = newest_first(names, dates) if held.by == "date" else _by_hash(names, seed)
    wanted = held.share * sum(num_files.values())
    chosen: set[str] = set()
    total = 0
    for name in order:
        if total >= wanted or len(chosen) == len(names) - 1:
            break
        chosen.add(name)
        total += num_files[name]
    return frozenset(chosen)


@dataclass(frozen=True)
class Eligible:
    """Which files may be held out at all."""

    held: HeldOut
    chosen: frozenset[str] | None

    def flags(self, repositories: Sequence[str], keys: U64) -> Flags:
        """Say for each file, of this repository and key, whether it may."""
        if self.held.share == 0:
            return np.zeros(len(keys), dtype=bool)
        if self.chosen is None:
            return np.asarray(keys < np.uint64(min(int(self.held.share * 2**64), _ALL)))
        return np.fromiter((name in self.chosen for name in repositories), bool, len(keys))

    def first(self, repositories: Sequence[str], keys: U64, ids: U64) -> tuple[U64, U64]:
        """Return the smallest `max_files + 1` keys of these files, with their ids."""
        may = np.flatnonzero(self.flags(repositories, keys))
        best = may[np.lexsort((ids[may], keys[may]))[: self.held.max_files + 1]]
        return keys[best], ids[best]

    def boundary(self, parts: Iterable[tuple[U64, U64]]) -> Boundary:
        """Return the boundary, given what `first` returned for every file of the corpus."""
        found = list(parts)
        keys = np.concatenate([keys for keys, _ in found])
        ids = np.concatenate([ids for _, ids in found])
        if len(keys) <= self.held.max_files:
            return Boundary(self, None)
        at = np.lexsort((ids, keys))[self.held.max_files]
        # by file a cluster that the limit would cut stays in training, whole
        return Boundary(self, (int(keys[at]), 0 if self.chosen is None else int(ids[at])))


@dataclass(frozen=True)
class Boundary:
    """Which of the eligible files are held out: those below `limit`, or all."""

    eligible: Eligible
    limit: tuple[int, int] | None

    def split(self, repositories: Sequence[str], keys: U64, ids: U64) -> tuple[Flags, Flags]:
        """Say for each file whether it is held out, and whether it is surplus: in neither split."""
        may = self.eligible.flags(repositories, keys)
        held = may.copy()
        if self.limit is not None:
            key, last = np.uint64(self.limit[0]), np.uint64(self.limit[1])
            held &= (keys < key) | ((keys == key) & (ids < last))
        surplus = may & ~held if self.eligible.chosen is not None else np.zeros_like(held)
        return held, surplus


def _by_hash(names: Sequence[str], seed: int) -> list[str]:
    return sorted(
        names, key=lambda name: (xxhash.xxh3_64_intdigest(f"{seed}\0{name}".encode()), name)
    )


def newest_first(repositories: Sequence[str], dates: Mapping[str, str]) -> list[str]:
    """Return the repositories that have a date, newest first. Raises RecipeError when none has."""
    dated = [name for name in sorted(set(repositories)) if dates.get(name)]
    if not dated:
        raise RecipeError(
            "corpus.held_out.by is 'date' and no source knows its revision's date; "
            "git repositories do, other sources need by: file or by: repository"
        )
    return sorted(dated, key=lambda name: dates[name], reverse=True)
