"""What becomes of every file: levels, survivors, the split; the same over any partitions."""

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.config import CorpusSection, Dedup, HeldOut
from gristmill.corpus.exchange import HeldExchange, StoredExchange, one_by_one
from gristmill.corpus.repositories import GATHERED
from gristmill.corpus.rows import PieceRows
from gristmill.corpus.selection import Selection, select
from gristmill.corpus.shingles import ngrams
from gristmill.storage import Storage
from tests.made_rows import File, changed, in_memory, made_pieces, rows_of, stored, words

Pieces = list[list[File]]
DATES = {f"r{i}": f"2024-01-0{i + 1}" for i in range(5)}


def section_of(**values: Any) -> CorpusSection:
    return CorpusSection.model_validate({"sources": (), **values})


def memory_of(pieces: Pieces, section: CorpusSection) -> tuple[pa.Table, pa.Table]:
    return in_memory(pieces, section, 1, DATES)


def partitioned(
    rows: PieceRows, section: CorpusSection, num_buckets: int, exchange: Any
) -> tuple[pa.Table, pa.Table]:
    selection = Selection(rows, exchange, section, 1, num_buckets)
    planned = selection.run(one_by_one, DATES)
    parts = [planned.plan(batch) for batch in range(rows.num_batches)]
    plan, clusters = (pa.concat_tables([part[i] for part in parts]) for i in (0, 1))
    up = "ascending"
    by_place = [("repository", up), ("path", up)]
    return plan.sort_by([*by_place, ("piece", up)]), clusters.sort_by([("cluster", up), *by_place])


LEVELS = st.sampled_from(["file", "repository", "both", "none"])
SPLITS = st.sampled_from(["file", "repository", "date"])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), LEVELS, SPLITS, st.integers(1, 8), st.integers(1, 5))
def test_partitions_give_what_memory_gives(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    level: str,
    by: str,
    batch_pieces: int,
    num_buckets: int,
) -> None:
    pieces = made_pieces(seed)
    section = section_of(dedup={"level": level}, held_out={"by": by, "share": 0.3, "max_files": 4})
    folder = tmp_path_factory.mktemp("rows")
    rows = stored(pieces, section.dedup, folder, batch_pieces)
    exchange = StoredExchange(Storage.open(str(folder / "shuffle")))
    found = partitioned(rows, section, num_buckets, exchange)
    wanted = memory_of(pieces, section)
    assert found[0].equals(wanted[0])
    assert found[1].equals(wanted[1])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), LEVELS, SPLITS)
def test_no_near_copy_crosses_the_split(seed: int, level: str, by: str) -> None:
    pieces = made_pieces(seed)
    section = section_of(dedup={"level": level}, held_out={"by": by, "share": 0.3, "max_files": 4})
    plan, _ = memory_of(pieces, section)
    texts: dict[tuple[int, str], list[str]] = {}
    for number, files in enumerate(pieces):
        for _, path, text in files:
            texts.setdefault((number, path), []).append(text)
    sides: dict[str, list[set[int]]] = {"train": [], "held_out": []}
    for row in plan.to_pylist():
        for text in texts[row["piece"], row["path"]][:1] if row["split"] else []:
            sides[row["split"]].append(set(ngrams([text.encode()], 5)[0].tolist()))
    assert len(sides["held_out"]) <= 4
    for held in sides["held_out"]:
        for train in sides["train"]:
            assert len(held & train) / len(held | train) < 0.7


def reasons(plan: pa.Table) -> Counter[str]:
    return Counter(plan["reason"].to_pylist())


def by_path(plan: pa.Table) -> dict[str, str]:
    names = zip(plan["repository"].to_pylist(), plan["path"].to_pylist(), strict=True)
    return dict(zip(map(":".join, names), plan["reason"].to_pylist(), strict=True))


NO_SPLIT = {"held_out": {"share": 0}}


def test_the_survivor_is_permissive_then_larger_then_first() -> None:
    base = words(1)
    text, longer = " ".join(base), " ".join(base) + " and a little more"
    files = [("a|GPL-3.0-only", "x", longer), ("c|MIT", "x", text), ("b|MIT", "y", text)]
    plan, clusters = memory_of([files], section_of(**NO_SPLIT))
    assert by_path(plan) == {"a:x": "near_duplicate", "b:y": "", "c:x": "exact_duplicate"}
    assert dict(zip(plan["repository"].to_pylist(), plan["detail"].to_pylist(), strict=True)) == {
        "a": f"{clusters['similarity'][0].as_py():.2f} like b:y",
        "b": "",
        "c": "same as b:y",
    }
    assert clusters["survivor"].to_pylist() == [False, True, False]
    assert len(set(clusters["cluster"].to_pylist())) == 1
    assert clusters["similarity"].to_pylist()[1:] == [1.0, 1.0]


def test_levels() -> None:
    fork = [f"{name}.py" for name in "abcde"]
    texts = [changed(words(i), 0) for i in range(5)]
    mine = [("mine", path, text) for path, text in zip(fork, texts, strict=True)]
    theirs = [("their", path, text) for path, text in zip(fork, texts, strict=True)]
    other = [("other", "a.py", texts[0]), ("other", "b.py", " ".join(words(77, 900)))]
    pieces = [mine, other, theirs]
    for level, wanted in {
        "none": {"": 12},
        "file": {"": 6, "exact_duplicate": 6},
        "repository": {"": 7, "repository_duplicate": 5},
        "both": {"": 6, "repository_duplicate": 5, "exact_duplicate": 1},
    }.items():
        plan, _ = memory_of(pieces, section_of(dedup={"level": level}, **NO_SPLIT))
        assert reasons(plan) == wanted, level


def test_forks_of_the_same_blobs_need_no_signature(tmp_path: Path) -> None:
    """Files too short for an n-gram have empty signatures: only the blobs say that these are forks."""
    pieces = [[(name, f"{i}.py", f"x = {i}") for i in range(3)] for name in ("a", "b")]
    plan, _ = memory_of(pieces, section_of(dedup={"level": "repository"}, **NO_SPLIT))
    assert by_path(plan)["a:0.py"] == "" and by_path(plan)["b:0.py"] == "repository_duplicate"


def test_a_repository_s_pieces_are_gathered_into_one_item(tmp_path: Path) -> None:
    section = section_of(dedup={"level": "repository"}, **NO_SPLIT)
    texts = [changed(words(i), 0) for i in range(4)]
    pieces = [[(name, f"{i}.py", text)] for name in ("a", "b") for i, text in enumerate(texts)]
    rows = stored(pieces, section.dedup, tmp_path, 1)
    exchange = HeldExchange()
    plan, _ = partitioned(rows, section, 3, exchange)
    assert reasons(plan) == {"": 4, "repository_duplicate": 4}
    parts = [exchange.read(GATHERED, batch) for batch in range(8)]
    names = [set(part["repository"].to_pylist()) for part in parts if part is not None]
    assert not any(a & b for a, b in combinations(names, 2))


def test_a_repeated_path_is_dropped_even_beyond_its_piece() -> None:
    files = [("a", "x", " ".join(words(1)))], [("a", "x", " ".join(words(2)))]
    plan, _ = memory_of(list(files), section_of(**NO_SPLIT))
    assert plan["reason"].to_pylist() == ["", "repeated_path"]


class Killed(Exception):
    pass


class KilledAfter:
    """Does this many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, step: Any, numbers: Any) -> list[Any]:
        results = []
        for number in numbers:
            self.left -= 1
            if self.left < 0:
                raise Killed
            results.append(step(number))
        return results


def test_an_interrupted_shuffle_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    section = section_of(held_out={"share": 0.3})
    rows = stored(made_pieces(3), section.dedup, tmp_path / "rows", 2)
    whole = partitioned(rows, section, 3, HeldExchange())
    for limit in (9, 37):
        exchange = StoredExchange(Storage.open(str(tmp_path / f"shuffle-{limit}")))
        with pytest.raises(Killed):
            Selection(rows, exchange, section, 1, 3).run(KilledAfter(limit), DATES)
        again = partitioned(rows, section, 3, exchange)
        assert again[0].equals(whole[0]) and again[1].equals(whole[1]), limit


def test_nothing_gives_nothing() -> None:
    section = CorpusSection(sources=(), dedup=Dedup(level="both"), held_out=HeldOut())
    rows = rows_of([], section.dedup).append_column("piece", pa.array([], pa.int32()))
    assert select(rows, {}, section, 1, {}).num_rows == 0
