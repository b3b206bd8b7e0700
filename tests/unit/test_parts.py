"""Where parts end is the repositories' own affair; tables are written group by group."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus import parts
from gristmill.corpus.parts import (
    LEAST_PART_BYTES,
    MOST_PART_BYTES,
    REJECTS,
    TALLY,
    TableWriter,
    plan_parts,
    read_num_rows,
    read_table,
    tally,
)
from gristmill.corpus.selection import SCHEMA
from gristmill.storage import Storage


def tallies(sizes: dict[str, int]) -> pa.Table:
    rows = [
        {
            "repository": name,
            "reason": "",
            "split": "train",
            "num_files": 1,
            "num_bytes": size,
            "licence": "MIT",
            "piece": 0,
            "batch": 0,
        }
        for name, size in sizes.items()
    ]
    return pa.Table.from_pylist(rows, schema=TALLY)


SIZES = st.dictionaries(st.text("abcdef", min_size=1, max_size=6), st.integers(0, 6_000_000))


@settings(deadline=None)
@given(SIZES)
def test_parts_hold_every_repository_once_in_order_of_name(sizes: dict[str, int]) -> None:
    found = list(plan_parts(tallies(sizes)))
    assert [name for part in found for name in part.repositories] == sorted(sizes)
    assert [part.number for part in found] == list(range(len(found)))
    assert sum(part.num_bytes for part in found) == sum(sizes.values())
    assert all(LEAST_PART_BYTES <= part.num_bytes <= MOST_PART_BYTES for part in found[:-1])


def test_a_repository_more_or_less_touches_one_or_two_parts() -> None:
    rng = random.Random(3)
    sizes = {f"r{number:04}": rng.randrange(10_000, 900_000) for number in range(1000)}
    before = {part.repositories for part in plan_parts(tallies(sizes))}
    assert 30 < len(before) < 110
    for name in rng.sample(sorted(sizes), 20):
        without = {other: size for other, size in sizes.items() if other != name}
        assert len({part.repositories for part in plan_parts(tallies(without))} - before) <= 2
        more = sizes | {f"{name}x": 300_000}
        assert len({part.repositories for part in plan_parts(tallies(more))} - before) <= 2


def test_a_giant_is_a_part_of_its_own() -> None:
    found = list(plan_parts(tallies({"a": 1000, "b": 90_000_000, "c": 1000})))
    assert [part.repositories for part in found] == [("a",), ("b",), ("c",)]


def test_a_tally_has_a_row_a_repository_reason_and_split() -> None:
    blank = {"path": "p", "language": "", "detail": "", "licence": "MIT", "num_bytes": 5}
    rows = [
        {"piece": 3, "repository": "a", "reason": "", "split": "train", **blank},
        {"piece": 2, "repository": "a", "reason": "", "split": "train", **blank},
        {"piece": 2, "repository": "a", "reason": "empty", "split": "", **blank},
    ]
    found = tally(pa.Table.from_pylist(rows, schema=SCHEMA), 7).sort_by("reason").to_pylist()
    assert [(row["num_files"], row["num_bytes"], row["piece"]) for row in found] == [
        (2, 10, 2),
        (1, 5, 2),
    ]
    assert {row["batch"] for row in found} == {7}


def test_a_table_is_written_in_groups_and_appears_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage.open(str(tmp_path))
    monkeypatch.setattr(parts, "GROUP_BYTES", 100)
    blank = dict.fromkeys(REJECTS.names)
    with TableWriter(storage, "x/t.parquet", REJECTS) as writer:
        for number in range(30):
            writer.add([blank | {"repository": f"r{number}"}], 40)
        assert not storage.exists("x/t.parquet")
    assert read_num_rows(storage, "x/t.parquet") == 30
    assert pq.read_metadata(tmp_path / "x" / "t.parquet").num_row_groups == 10
    assert read_table(storage, "x/t.parquet", None, ["r7", "r9"]).num_rows == 2
    with pytest.raises(ZeroDivisionError), TableWriter(storage, "x/u.parquet", REJECTS) as writer:
        writer.add([blank])
        raise ZeroDivisionError
    assert storage.list("x") == ["x/t.parquet"]
