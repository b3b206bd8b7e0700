import random
from pathlib import Path

import pytest
import torch
import transformers

from gristmill.inference.compiled import CompiledRunner
from gristmill.inference.detokenizer import Detokenizer
from gristmill.inference.engine import TorchEngine
from gristmill.inference.native import build
from gristmill.inference.packing import pack
from gristmill.inference.runner import TorchRunner
from gristmill.inference.sampling import SamplingParams
from gristmill.inference.scheduler import Chunk
from gristmill.inference.sequence import Sequence
from gristmill.model.config import Shape
from gristmill.model.folder import load_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from tests.model_folder import tiny_model

pytestmark = pytest.mark.toolchain
NEW = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


def _compiled(model: Llama, num_blocks: int = 32) -> CompiledRunner:
    library = build.library()
    assert library is not None
    return CompiledRunner(model, num_blocks, library)


def _sequence(tokens: list[int], blocks: list[int]) -> Sequence:
    detokenizer = Detokenizer(lambda token: b"")
    return Sequence("x", tokens, len(tokens), SamplingParams(), detokenizer, list(blocks))


def _random(num: int, seed: int = 0) -> list[int]:
    chance = random.Random(seed)
    return [chance.randrange(300) for _ in range(num)]


@pytest.mark.parametrize("weights", ["plain", "int8", "int4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_hidden_states_and_logits_are_torch_s(folder, dtype, weights):
    model = pack(load_model(folder, dtype=dtype), weights)
    ours = _compiled(model)
    theirs = TorchRunner(model.float(), 32)
    with torch.inference_mode():
        for length in (1, 2, 5, 16, 17, 70):
            chunk = Chunk(_sequence(_random(length), [9, 2, 30, 0, 7]), length)
            hidden, wanted = ours.run([chunk]), theirs.run([chunk])
            torch.testing.assert_close(hidden, wanted, rtol=1e-4, atol=2e-5)
            logits = theirs.logits(wanted)
            torch.testing.assert_close(ours.logits(hidden), logits, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize(("heads", "kv_heads"), [(8, 8), (8, 4), (12, 1), (6, 2)])
def test_any_grouping_of_heads_is_torch_s(heads, kv_heads):
    shape = Shape(
        hidden_size=16 * heads, intermediate_size=80, num_layers=2, num_heads=heads,
        num_kv_heads=kv_heads, tie_embeddings=True,
    )  # fmt: skip
    model = Llama(LlamaConfig(shape, 312, 256, 10000.0, 4.0))
    initialize(model, 0.2, 1)
    chunk = Chunk(_sequence(_random(50), [1, 3, 5, 7]), 50)
    with torch.inference_mode():
        theirs = TorchRunner(model, 32)
        ours = _compiled(model)
        wanted = theirs.run([chunk])
        torch.testing.assert_close(ours.run([chunk]), wanted, rtol=1e-4, atol=2e-5)
        logits = ours.logits(wanted[-3:])
        assert logits.shape == (3, 312)
        torch.testing.assert_close(logits, theirs.logits(wanted[-3:]), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("weights", ["plain", "int8", "int4"])
def test_a_token_has_the_same_bits_in_any_batch_and_chunk(folder, weights):
    model = pack(load_model(folder, dtype=torch.bfloat16), weights)
    runner = _compiled(model)
    prompts = [_random(length, length) for length in (37, 20, 53)]
    blocks = [[4, 1, 8, 2], [20, 21], [13, 14, 15, 16]]
    alone = []
    for tokens, held in zip(prompts, blocks, strict=True):
        alone.append(runner.run([Chunk(_sequence(tokens, held), len(tokens))]))
    chance = random.Random(5)
    for most in (1, 3, 7, 20):
        open_ = [_sequence(tokens, held) for tokens, held in zip(prompts, blocks, strict=True)]
        while open_:
            chunks = [Chunk(one, min(one.num_left, chance.randint(1, most))) for one in open_]
            found = runner.run(chunks).split([chunk.width for chunk in chunks])
            for chunk, hidden in zip(chunks, found, strict=True):
                at = chunk.sequence.num_computed
                wanted = alone[prompts.index(chunk.sequence.tokens)]
                assert torch.equal(hidden, wanted[at : at + chunk.width])
                chunk.sequence.num_computed += chunk.width
            open_ = [one for one in open_ if one.num_left]


def test_any_number_of_threads_gives_the_same_bits(folder):
    model = load_model(folder)
    chunk = Chunk(_sequence(_random(45), [9, 2, 30]), 45)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            runner = _compiled(model)
            found.append(runner.logits(runner.run([chunk])))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    shared = _random(64, 9)
    return [*(_random(n, n) for n in (1, 15, 16, 33, 100)), *([*shared, n] for n in range(4))]


@pytest.fixture(scope="module")
def alone(folder: Path, prompts: list[list[int]]) -> list[list[int]]:
    reference = transformers.LlamaForCausalLM.from_pretrained(folder)
    answers = []
    for prompt in prompts:
        found = reference.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=NEW, do_sample=False, eos_token_id=-1,
        )  # fmt: skip
        answers.append(found[0, len(prompt) :].tolist())
    return answers


@pytest.mark.parametrize(
    "options",
    [
        {"max_batch": 16},
        {"max_batch": 3, "step_tokens": 7},
        {"max_batch": 8, "step_tokens": 64, "cache_tokens": 272, "overcommit": True},
        {"max_batch": 4, "draft_tokens": 4},
    ],
)
def test_greedy_answers_are_transformers_alone(folder, prompts, alone, options):
    engine = TorchEngine.from_folder(folder, **{"cache_tokens": 4096, "compiled": True} | options)
    assert isinstance(engine._runner, CompiledRunner)
    for _ in range(2):
        answers = engine.complete(prompts, SamplingParams(max_tokens=NEW))
        assert [list(answer.tokens) for answer in answers] == alone
    assert engine.stats().num_held_blocks == 0


def test_a_model_that_does_not_suit_is_named():
    shape = Shape(hidden_size=24, intermediate_size=40, num_layers=1, num_heads=2, num_kv_heads=1)
    model = Llama(LlamaConfig(shape, 32, 64, 10000.0))
    assert "hidden size is 24" in CompiledRunner.lacks(model)
    assert "float16" in CompiledRunner.lacks(model.to(torch.float16))
