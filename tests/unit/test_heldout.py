import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gristmill.corpus.documents import SCHEMA
from gristmill.evaluation import heldout
from gristmill.evaluation.heldout import Hole, fit_prompt, is_worth_asking, measure, samples
from gristmill.model.config import SIZES
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.storage import Storage
from gristmill.tokens.bpe import train
from gristmill.tokens.fim import infill_prompt
from gristmill.tokens.tokenizer import Tokenizer

BODY = "import os\n\n\ndef total_{0}(values):\n    # adds\n    result = {0}\n    for value in values:\n        result += value\n    return result\n}}\n"


def corpus_at(folder: Path, num_files: int = 12) -> Storage:
    rows = []
    for number in range(num_files):
        text = BODY.replace("}}", "}").replace("{0}", str(number)) * 3
        file = {"path": f"a/{number}.py", "language": "python", "header": f"# a/{number}.py\n"}
        rows.append(
            {
                "document": f"{number:02x}",
                "repository": f"r{number % 3}",
                "revision": "1",
                "licence": "MIT",
                "domain": "",
                "split": "held_out" if number % 4 else "train",
                "language": "python",
                "num_bytes": len(text),
                "files": [{**file, "text": text}],
            }
        )
    (folder / "documents").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "documents" / "part-00000.parquet")
    return Storage.open(str(folder))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train([BODY.replace("{0}", str(number)) for number in range(40)], 320)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Llama:
    made = Llama(LlamaConfig(SIZES["tiny"], tokenizer.vocab_rows, 256, 10000.0))
    initialize(made, 0.02, 1)
    return made


def test_samples_are_the_held_out_files_spread_and_always_the_same(tmp_path: Path) -> None:
    corpus = corpus_at(tmp_path / "corpus")
    found = samples(corpus, 9, seed=5, num_lines=20)
    assert found == samples(corpus, 9, seed=5, num_lines=20)
    assert found != samples(corpus, 9, seed=6, num_lines=20)
    assert len(found.files) == 9  # 3 of 12 are for training
    assert {file.key for file in found.files}.isdisjoint({"r0/a/0.py", "r1/a/4.py", "r2/a/8.py"})
    assert len(found.spans) == 9
    assert len({span.key.split("@")[0] for span in found.spans}) == 9
    assert len(found.lines) == 20
    assert len({line.key for line in found.lines}) == 20
    per_file = [sum(line.key.startswith(file.key) for line in found.lines) for file in found.files]
    assert set(per_file) <= {2, 3}
    fewer = samples(corpus, 4, seed=5)
    assert fewer.files == found.files[:4]


def test_a_hole_and_what_is_around_it_are_the_file(tmp_path: Path) -> None:
    found = samples(corpus_at(tmp_path / "corpus"), 9, seed=5, num_lines=30)
    texts = {file.key: file.text for file in found.files}
    for hole in (*found.spans, *found.lines):
        key = hole.key.split("@")[0].rsplit(":", 1)[0]
        assert hole.prefix + hole.target + hole.suffix == texts[key]
    for line in found.lines:
        number = int(line.key.rsplit(":", 1)[1])
        key = line.key.rsplit(":", 1)[0]
        assert texts[key].splitlines()[number - 1] == line.target
        assert line.suffix.startswith("\n")


@pytest.mark.parametrize(
    ("line", "worth"),
    [
        ("    return result\n", True),
        ("}\n", False),
        ("\n", False),
        ("  // a comment here\n", False),
        ("# a comment here\n", False),
        ("  });\n", False),
        ("x = 1\n", False),
        ("data = '" + "a" * 200 + "'\n", False),
        ("no newline at the end", False),
    ],
)
def test_lines_worth_asking(line: str, worth: bool) -> None:
    assert is_worth_asking(line) is worth


def test_bits_per_byte_is_the_loss_of_each_file_alone(
    tmp_path: Path, model: Llama, tokenizer: Tokenizer
) -> None:
    held_out = samples(corpus_at(tmp_path / "corpus"), 6, seed=1)
    found = measure(model, tokenizer, held_out, batch_tokens=300)
    bits = num_bytes = 0.0
    for file in held_out.files:
        start = [tokenizer.special.bos, *tokenizer.encode(file.header)]
        ids = torch.tensor((start + tokenizer.encode(file.text))[:256])
        with torch.inference_mode():
            attend = heldout.PackedAttention([0, len(ids)])
            logits = model.logits(model(ids, torch.arange(len(ids)), attend))
        losses = torch.log_softmax(logits[:, : tokenizer.num_tokens], -1)
        for at in range(len(start), len(ids)):
            bits -= float(losses[at - 1, ids[at]]) / math.log(2)
            num_bytes += len(tokenizer.token_bytes(int(ids[at])))
    assert found["l2r_bits_per_byte"] == pytest.approx(bits / num_bytes, rel=1e-4)
    assert found == pytest.approx(measure(model, tokenizer, held_out, batch_tokens=5000), rel=1e-4)
    assert model.training


def test_a_model_that_knows_the_line_matches_and_an_untrained_one_does_not(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    held_out = samples(corpus_at(tmp_path / "corpus"), 4, seed=1, num_lines=2)
    model = Llama(LlamaConfig(SIZES["tiny"], tokenizer.vocab_rows, 256, 10000.0))
    initialize(model, 0.02, 1)
    before = measure(model, tokenizer, held_out)
    assert before["infilling_exact_match"] == 0
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    items = heldout.hole_items(tokenizer, held_out.lines, 256)
    for _ in range(60):
        for item in items:
            ids = torch.tensor([*item.tokens, tokenizer.special.eos])
            attend = heldout.PackedAttention([0, len(ids)])
            logits = model.logits(model(ids, torch.arange(len(ids)), attend))
            loss = torch.nn.functional.cross_entropy(logits[item.first - 1 : -1], ids[item.first :])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    after = measure(model, tokenizer, held_out)
    assert after["infilling_exact_match"] == 1


def test_a_measure_without_items_is_left_out(model: Llama, tokenizer: Tokenizer) -> None:
    assert measure(model, tokenizer, heldout.HeldOut((), (), ())) == {}


@pytest.mark.parametrize("room", [12, 40, 100, 2000])
def test_a_prompt_fits_and_keeps_what_is_next_to_the_hole(tokenizer: Tokenizer, room: int) -> None:
    prefix, suffix = "value = result\n" * 30 + "\u00e9\u4e16", "\u754c\n" + "result += 1\n" * 30
    hole = Hole("k", "python", "# a.py\n", prefix, "x", suffix)
    tokens = fit_prompt(tokenizer, hole, room)
    assert len(tokens) <= room
    special = tokenizer.special
    at = tokens.index(special.fim_hole)
    left = tokenizer.decode(tokens[tokens.index(special.fim_begin) + 1 : at])
    right = tokenizer.decode(tokens[at + 1 : -1])
    assert prefix.endswith(left) and suffix.startswith(right)
    assert tokens[-1] == special.fim_end
    if room == 2000:
        assert tokens == infill_prompt(tokenizer, prefix, suffix, context="# a.py\n")


def test_docstrings_are_not_asked_for(tmp_path: Path) -> None:
    text = 'def f():\n    """Say it\n    once more and again\n    """\n    return \'"""\' + value\n    end = 1\n'
    lines = text.splitlines(keepends=True)
    assert heldout._quoted(lines) == {2, 3, 5}  # a mark inside a string costs the lines after it
    assert heldout._quoted(['x = """one"""\n', "y = call(x)\n"]) == set()
