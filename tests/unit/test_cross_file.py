from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.evaluation import cross_file
from gristmill.evaluation.cross_file import Pair, declared, items, measure, pairs
from gristmill.evaluation.heldout import score
from gristmill.model.config import SIZES
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from tests.made_corpus import document, write_documents
from tests.model_folder import tiny_tokenizer

SHAPES = """\
PI = 3


class Circle:
    def area(self):
        return PI


def square_of(value):
    return value * value
"""
MAIN = "from shapes import Circle, square_of\n\n\ndef area():\n    spot = Circle()\n    return square_of(spot)\n"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


def corpus_at(folder: Path) -> Storage:
    corpus = Storage.open(str(folder))
    write_documents(
        corpus,
        [
            document({"shapes.py": SHAPES, "other.py": "square_of = 1\n"}, "one"),
            document({"main.py": MAIN}, "one", "held_out"),
            document({"alone.py": "import os\n"}, "one", "held_out"),
            document({"main.py": MAIN}, "two", "held_out"),
        ],
    )
    edges = [("one", "main.py", "shapes.py"), ("one", "main.py", "other.py")]
    edges += [("one", "alone.py", "shapes.py"), ("two", "main.py", "gone.py")]
    rows = [dict(zip(("repository", "importer", "imported"), edge, strict=True)) for edge in edges]
    with corpus.open_output("edges/part-00000.parquet") as stream:
        pq.write_table(pa.Table.from_pylist(rows), stream)
    return corpus


def test_names_are_what_a_file_declares() -> None:
    assert declared(SHAPES) == {"Circle", "area", "square_of"}
    assert declared("type Node struct {\nfn run_all()\nlet total = 1\n  x == y\n") == {
        "Node", "run_all", "total",
    }  # fmt: skip


def test_a_pair_is_a_held_out_file_with_the_import_whose_names_it_uses_most(tmp_path: Path) -> None:
    corpus = corpus_at(tmp_path)
    found = pairs(corpus, 10, 1)
    assert [(pair.key, pair.imported.path) for pair in found] == [("one/main.py", "shapes.py")]
    assert pairs(corpus, 0, 1) == ()


def test_what_counts_is_every_token_of_a_name_and_no_other(tokenizer: Tokenizer) -> None:
    made = document({"main.py": MAIN}).files[0], document({"shapes.py": SHAPES}).files[0]
    ((behind, alone),) = items(tokenizer, [Pair("one", *made)], 4096)
    text = b"".join(tokenizer.token_bytes(token) for token in behind.scored).decode()
    # `area` is main's own; a token may hold a blank before the name
    assert text.replace(" ", "") == "Circlesquare_of" * 2
    assert behind.scored == alone.scored
    asked = b"".join(tokenizer.token_bytes(token) for token in behind.tokens[1:]).decode()
    assert asked == f"# shapes.py\n{SHAPES}# main.py\n{MAIN}".replace("PI = 3\n\n\n", "")
    assert alone.tokens[1:] == tokenizer.encode("# main.py\n") + tokenizer.encode(MAIN)


def test_a_window_is_kept_and_what_is_not_visible_is_not_asked(tokenizer: Tokenizer) -> None:
    long = "x = 1\n" * 400
    made = document({"main.py": MAIN}).files[0], document({"shapes.py": long + SHAPES}).files[0]
    found = list(items(tokenizer, [Pair("one", *made)], 128))
    assert found and all(len(item.tokens) <= 128 for both in found for item in both)
    assert list(items(tokenizer, [Pair("one", made[0], made[0])], 128)) == []


def test_the_gain_is_what_the_imported_file_saves(tokenizer: Tokenizer) -> None:
    made = document({"main.py": MAIN}).files[0], document({"shapes.py": SHAPES}).files[0]
    model = Llama(LlamaConfig(SIZES["tiny"], tokenizer.vocab_rows, 512, 10000.0))
    initialize(model, 0.05, 1)
    pair = Pair("one", *made)
    found = measure(model, tokenizer, [pair], 512)
    ((behind, alone),) = items(tokenizer, [pair], 512)
    (with_it,), (without,) = score(model, tokenizer, [behind]), score(model, tokenizer, [alone])
    assert with_it.num_bytes == without.num_bytes >= 2 * len("Circlesquare_of")
    assert found["cross_file_bits_per_byte"] == pytest.approx(with_it.bits / with_it.num_bytes)
    gain = (without.bits - with_it.bits) / with_it.num_bytes
    assert found["cross_file_gain_bits"] == pytest.approx(gain)
    assert cross_file.measure(model, tokenizer, [], 512) == {}
