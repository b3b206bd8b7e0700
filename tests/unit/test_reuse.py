"""A store knows the parts of its corpora by what they were made from."""

import io
from pathlib import Path

import pyarrow.parquet as pq

from gristmill.artifacts import Store
from gristmill.corpus.assembly import Written
from gristmill.corpus.reuse import PARTS, older_parts, parts_table
from tests.small_store import put


def test_parts_are_found_by_key(tmp_path: Path) -> None:
    counts = [{"repository": "a", "num_documents": 2}]
    written = [Written(1, "k1", [], made=False), Written(0, "k0", counts, made=True)]
    table = parts_table(written)
    assert table["number"].to_pylist() == [0, 1]
    sink = io.BytesIO()
    pq.write_table(table, sink)
    store = Store.open(str(tmp_path))
    assert older_parts(store) == {}
    put(store, "tokenizer", files={PARTS: b"not a corpus"})
    put(store, "corpus", config={"old": 1})  # from before there were keys
    corpus = put(store, "corpus", files={PARTS: sink.getvalue()})
    found = older_parts(store)
    assert {key: item.number for key, item in found.items()} == {"k0": 0, "k1": 1}
    assert found["k0"].url == corpus.storage.url and found["k0"].counts == counts
