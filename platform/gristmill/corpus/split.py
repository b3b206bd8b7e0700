"""Which files are held out of training. Decided on clusters of near copies, so that none crosses.

    file        clusters by hash of the seed and the cluster's content, until the share is reached
    repository  whole repositories by hash of the seed and the name
    date        whole repositories, newest revision first

With `repository` and `date` a training file that has a near copy among the held-out ones is dropped.
The choice depends on content and seed alone: adding a source moves no file from one side to the other
when the split is by file, unless `max_files` cuts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from gristmill.corpus.config import HeldOut
from gristmill.corpus.dedup import Indices
from gristmill.corpus.shingles import U64, mix
from gristmill.errors import RecipeError

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """By file: is it held out; is it dropped, as a near copy of a held-out one or beyond `max_files`."""

    held_out: Flags
    copies: Flags
    surplus: Flags


def split(
    held: HeldOut,
    seed: int,
    repositories: Sequence[str],
    contents: U64,
    label: Indices,
    dates: Mapping[str, str],
) -> Split:
    """Return the split of files, given each one's repository, content hash and near-copy cluster.

    Raises RecipeError when the split is by date and no repository has one.
    """
    none = np.zeros(len(contents), dtype=bool)
    if held.share == 0 or len(contents) == 0:
        return Split(none, none, none)
    keys = _cluster_keys(contents, label, seed)
    if held.by == "file":
        return Split(_by_file(held, keys, label), none, none)
    order = newest_first(repositories, dates) if held.by == "date" else _by_hash(repositories, seed)
    chosen = _whole_repositories(order, repositories, held.share)
    inside = np.array([repository in chosen for repository in repositories])
    best = np.flatnonzero(inside)[np.argsort(keys[inside], kind="stable")]
    held_out = none.copy()
    held_out[best[: held.max_files]] = True
    copies = ~inside & np.isin(label, label[held_out])
    return Split(held_out, copies, inside & ~held_out)


def _cluster_keys(contents: U64, label: Indices, seed: int) -> U64:
    """Return a hash by file that is the same for all of a cluster and differs with the seed."""
    least = np.full(int(label.max()) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(least, label, contents)
    return mix(least[label] ^ mix(np.array([seed], dtype=np.int64).astype(np.uint64)))


def _by_file(held: HeldOut, keys: U64, label: Indices) -> Flags:
    under = keys < np.uint64(min(int(held.share * 2**64), 2**64 - 1))
    order = np.lexsort((label, keys))
    order = order[under[order]]
    if len(order) > held.max_files:
        # whole clusters: a cluster that the limit would cut stays in training
        cut = keys[order[held.max_files]]
        order = order[: held.max_files]
        order = order[keys[order] != cut]
    result = np.zeros(len(keys), dtype=bool)
    result[order] = True
    return result


def _by_hash(repositories: Sequence[str], seed: int) -> list[str]:
    return sorted(
        set(repositories),
        key=lambda name: (xxhash.xxh3_64_intdigest(f"{seed}\0{name}".encode()), name),
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


def _whole_repositories(
    order: Sequence[str], repositories: Sequence[str], share: float
) -> set[str]:
    """Return the first repositories whose files reach the share; never all of them."""
    wanted = share * len(repositories)
    sizes = dict.fromkeys(order, 0)
    for name in repositories:
        if name in sizes:
            sizes[name] += 1
    chosen: set[str] = set()
    total = 0
    for name in order:
        if total >= wanted or len(chosen) == len(set(repositories)) - 1:
            break
        chosen.add(name)
        total += sizes[name]
    return chosen
