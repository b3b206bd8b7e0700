"""Partition files: every row to its bucket, in order, whoever writes first."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.exchange import Exchange, HeldExchange, StoredExchange, buckets_of
from gristmill.storage import Storage


@pytest.fixture(params=["held", "stored"])
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Exchange:
    return (
        HeldExchange() if request.param == "held" else StoredExchange(Storage.open(str(tmp_path)))
    )


def test_rows_arrive_by_bucket_in_the_writers_order(exchange: Exchange) -> None:
    for writer in (1, 0):
        rows = pa.table({"id": [writer * 10 + i for i in range(4)], "value": [b"x"] * 4})
        exchange.write("s", writer, rows, np.array([2, 0, 2, 0]), 3)
    read = [exchange.read("s", bucket) for bucket in range(3)]
    assert [part["id"].to_pylist() for part in read if part is not None] == [
        [1, 3, 11, 13],
        [],
        [0, 2, 10, 12],
    ]
    assert exchange.has("s", 0) and not exchange.has("s", 2)


def test_a_stage_that_nobody_wrote_or_that_was_dropped_is_none(exchange: Exchange) -> None:
    assert exchange.read("s", 0) is None
    exchange.write("s", 0, pa.table({"id": [1]}), np.array([0]), 1)
    exchange.drop("s")
    assert exchange.read("s", 0) is None


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(1, 9))
def test_a_key_always_goes_to_the_same_bucket(keys: list[int], num: int) -> None:
    data = np.array(keys, dtype=np.uint64)
    to = buckets_of(data, num)
    assert ((to >= 0) & (to < num)).all()
    assert buckets_of(data[::-1].copy(), num)[::-1].tolist() == to.tolist()


def test_ascending_keys_spread_evenly() -> None:
    sizes = np.bincount(buckets_of(np.arange(80_000, dtype=np.uint64), 8))
    assert sizes.min() > 9_000
