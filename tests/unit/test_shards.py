import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import StoreError
from gristmill.storage import Storage
from gristmill.tokens.sampler import Group
from gristmill.tokens.shards import MANIFEST, Manifest, Shards, ShardWriter, dtype_of

ROWS = st.lists(
    st.lists(st.lists(st.integers(0, 90_000), min_size=1, max_size=5), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)


def write(storage: Storage, shards: list[list[list[list[int]]]], vocab_rows: int = 90_048) -> None:
    writer = ShardWriter(storage, 16, vocab_rows, pad=7)
    made = []
    for number, rows in enumerate(shards):
        arrays = [[np.array(piece) for piece in row] for row in rows]
        masks = [[np.array(piece) % 2 == 0 for piece in row] for row in rows]
        made.append(writer.write(f"epoch-0/shard-{number:05d}", arrays, masks, epoch=number))
    tokens = sum(len(piece) for rows in shards for row in rows for piece in row)
    total = sum(map(len, shards))
    Manifest(16, dtype_of(vocab_rows), vocab_rows, 7, "", total, tokens, tuple(made)).write(storage)


@settings(max_examples=50, deadline=None)
@given(shards=st.lists(ROWS, min_size=1, max_size=3))
def test_rows_come_back(tmp_path_factory: pytest.TempPathFactory, shards: list) -> None:  # type: ignore[type-arg]
    storage = Storage.open(str(tmp_path_factory.mktemp("shards")))
    write(storage, shards)
    opened = Shards.open(storage)
    rows = [row for part in shards for row in part]
    assert opened.num_rows == len(rows)
    firsts = [0, *itertools.accumulate(map(len, shards))]
    epochs = tuple(zip(firsts, map(len, shards), strict=False))
    assert opened.order == (Group(1.0, epochs),)
    assert opened.num_tokens == sum(len(piece) for row in rows for piece in row)
    for number, row in enumerate(rows):
        found = opened.row(number)
        flat = [token for piece in row for token in piece]
        assert found.tokens.dtype == np.int64 and found.bounds.dtype == np.int32
        assert found.tokens.tolist() == flat + [7] * (16 - len(flat))
        assert found.num_tokens == len(flat)
        bounds = found.bounds.tolist()
        assert bounds[0] == 0 and bounds[-1] == 16 and bounds == sorted(set(bounds))
        cut = [found.tokens[a:b].tolist() for a, b in itertools.pairwise(bounds)]
        assert cut[: len(row)] == row
        assert found.loss_mask is not None
        assert found.loss_mask.tolist() == [t % 2 == 0 for t in flat] + [False] * (16 - len(flat))


def test_small_vocabularies_take_two_bytes(tmp_path: Path) -> None:
    assert dtype_of(65_536) == "uint16" and dtype_of(65_600) == "uint32"
    storage = Storage.open(str(tmp_path))
    write(storage, [[[[1, 2]], [[3]]]], vocab_rows=128)
    assert storage.sizes()["epoch-0/shard-00000.bin"] == 2 * 16 * 2
    assert Shards.open(storage).row(1).tokens[0] == 3


def test_damage_is_named(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    write(storage, [[[[1, 2]], [[3]]]])
    with pytest.raises(IndexError, match="row 2 of 2"):
        Shards.open(storage).row(2)
    (tmp_path / "epoch-0/shard-00000.bin").write_bytes(b"short")
    with pytest.raises(StoreError, match=r"shard-00000\.bin has 5 bytes, its manifest says 128"):
        Shards.open(storage).row(0)
    (tmp_path / "epoch-0/shard-00000.bin").unlink()
    with pytest.raises(StoreError, match="is missing"):
        Shards.open(storage).row(0)
    values = json.loads(storage.read_bytes(MANIFEST)) | {"format": 99}
    storage.write_bytes(MANIFEST, json.dumps(values).encode())
    with pytest.raises(StoreError, match="format 99"):
        Shards.open(storage)
    storage.write_bytes(MANIFEST, b"{")
    with pytest.raises(StoreError, match="damaged"):
        Shards.open(storage)


def test_a_mixture_s_groups_are_drawn_from_apart(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    writer = ShardWriter(storage, 4, 128, pad=7)
    piece = np.array([1, 2])
    made = [
        writer.write(f"{epoch}-{group}-{part}", [[piece]] * rows, epoch=epoch, group=group)
        for epoch in (0, 1)
        for group, part, rows in [("text", 0, 3), ("code", 0, 2), ("code", 1, 4)]
    ]
    weights = {"text": 1.0, "code": 3.0}
    Manifest(4, "uint16", 128, 7, "", 18, 36, tuple(made), weights).write(storage)
    assert Shards.open(storage).order == (
        Group(3.0, ((3, 6), (12, 6))),
        Group(1.0, ((0, 3), (9, 3))),
    )
