import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from gristmill.errors import RequestError
from gristmill.inference.engine import Delta, TorchEngine, join, visible_bytes
from gristmill.inference.sampling import SamplingParams
from gristmill.model.folder import load_model
from gristmill.model.llama import Llama
from gristmill.tokens.tokenizer import Tokenizer
from tests.model_folder import tiny_model

NEW = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> Llama:
    return load_model(folder)


@pytest.fixture(scope="module")
def prompts(tokenizer: Tokenizer) -> list[list[int]]:
    chance = random.Random(3)
    lengths = [1, 2, 15, 16, 17, 33, 48, 100, 200]
    made = [[chance.randrange(tokenizer.num_tokens) for _ in range(n)] for n in lengths]
    shared = made[-1][:64]
    return made + [[*shared, number] for number in range(5)]


@pytest.fixture(scope="module")
def alone(folder: Path, prompts: list[list[int]]) -> list[list[int]]:
    """What transformers answers to each prompt by itself."""
    reference = transformers.LlamaForCausalLM.from_pretrained(folder)
    answers = []
    for prompt in prompts:
        found = reference.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=NEW,
            do_sample=False,
            eos_token_id=-1,
        )
        answers.append(found[0, len(prompt) :].tolist())
    return answers


def _engine(model: Llama, tokenizer: Tokenizer, **options: object) -> TorchEngine:
    settings = {"max_batch": 16, "step_tokens": 512, "cache_tokens": 4096, **options}
    return TorchEngine(model, visible_bytes(tokenizer), num_tokens=tokenizer.num_tokens, **settings)


@pytest.mark.parametrize(
    ("max_batch", "step_tokens", "prefix_cache"),
    [(16, 512, True), (16, 512, False), (4, 32, True), (3, 7, True), (1, 512, False), (5, 1, True)],
)
def test_greedy_equals_transformers_alone(
    model, tokenizer, prompts, alone, max_batch, step_tokens, prefix_cache
):
    engine = _engine(
        model, tokenizer, max_batch=max_batch, step_tokens=step_tokens, prefix_cache=prefix_cache
    )
    for again in range(2):
        answers = engine.complete(prompts, SamplingParams(max_tokens=NEW))
        assert [list(answer.tokens) for answer in answers] == alone
        cached = sum(answer.num_cached for answer in answers)
        assert (cached > 0) >= (prefix_cache and bool(again))
        assert engine.stats().num_held_blocks == 0


def test_text_is_what_the_tokenizer_decodes(model, tokenizer, prompts):
    answers = _engine(model, tokenizer).complete(prompts, SamplingParams(max_tokens=NEW))
    for answer in answers:
        assert answer.text == tokenizer.decode(answer.tokens)


def test_greedy_holds_after_others_were_aborted(model, tokenizer, prompts, alone):
    engine = _engine(model, tokenizer, max_batch=6, step_tokens=48)
    for number, prompt in enumerate(prompts):
        engine.add(str(number), prompt, SamplingParams(max_tokens=NEW))
    found: dict[str, list[Delta]] = {str(number): [] for number in range(len(prompts))}
    aborted = ["1", "3", "7", "12"]
    steps = 0
    while engine.has_work:
        for delta in engine.step():
            found[delta.request_id].append(delta)
        steps += 1
        if steps <= len(aborted):
            engine.abort(aborted[steps - 1])
    for number, wanted in enumerate(alone):
        if str(number) not in aborted:
            assert list(join(found[str(number)]).tokens) == wanted
    assert engine.stats().num_held_blocks == 0


def test_a_seeded_answer_is_the_same_in_any_batch(model, tokenizer, prompts):
    params = SamplingParams(max_tokens=NEW, temperature=0.9, top_p=0.95, seed=11)
    single = _engine(model, tokenizer, max_batch=1).complete(prompts[-1:], params)[0]
    engine = _engine(model, tokenizer, max_batch=5, step_tokens=40)
    shifted = replace(params, seed=params.seed - len(prompts) + 1)  # prompt i is given seed + i
    batched = engine.complete(prompts, shifted)[-1]
    assert batched.tokens == single.tokens


def test_stop_ids_and_stop_texts_end_an_answer(model, tokenizer, prompts, alone):
    engine = _engine(model, tokenizer)
    wanted = alone[4]
    at = next(i for i, token in enumerate(wanted) if i > 2 and token not in wanted[:i])
    stopped = engine.complete(
        [prompts[4]], SamplingParams(max_tokens=NEW, stop_ids=frozenset({wanted[at]}))
    )[0]
    assert (stopped.finish_reason, stopped.text) == ("stop", tokenizer.decode(wanted[:at]))
    whole = engine.complete([prompts[4]], SamplingParams(max_tokens=NEW))[0].text
    stops = (*(f"never {number}" for number in range(16)), whole[4:8])
    cut = engine.complete([prompts[4]], SamplingParams(max_tokens=NEW, stop=stops))[0]
    assert (cut.finish_reason, cut.text) == ("stop", whole[: whole.find(whole[4:8])])


def test_logprobs_are_the_models(model, tokenizer, prompts):
    answer = _engine(model, tokenizer).complete(
        [prompts[5]], SamplingParams(max_tokens=3, logprobs=2)
    )[0]
    assert len(answer.logprobs) == 3
    for token, found in zip(answer.tokens, answer.logprobs, strict=True):
        assert found.token == token
        assert found.top[0] == (token, pytest.approx(found.logprob))


def test_what_can_never_be_answered_is_refused(model, tokenizer):
    engine = _engine(model, tokenizer, cache_tokens=64)
    for tokens, params, field in [
        ([], SamplingParams(), "prompt"),
        ([1], SamplingParams(max_tokens=0), "max_tokens"),
        ([1] * 64, SamplingParams(max_tokens=1), "prompt"),
        ([1] * 40, SamplingParams(max_tokens=30), "max_tokens"),
    ]:
        with pytest.raises(RequestError) as caught:
            engine.add("x", tokens, params)
        assert caught.value.param == field
    assert not engine.has_work


def test_blocks_return_to_zero_after_a_random_soak(model, tokenizer):
    chance = random.Random(1)
    engine = _engine(model, tokenizer, max_batch=6, step_tokens=24, cache_tokens=512)
    open_ids: set[str] = set()
    for step in range(250):
        if chance.random() < 0.5 and len(open_ids) < 30:
            prompt = _prompt(chance, tokenizer.num_tokens)
            engine.add(str(step), prompt, SamplingParams(max_tokens=chance.randrange(1, 20)))
            open_ids.add(str(step))
        if open_ids and chance.random() < 0.15:
            name = chance.choice(sorted(open_ids))
            engine.abort(name)
            open_ids.discard(name)
        for delta in engine.step():
            if delta.finish_reason is not None:
                open_ids.discard(delta.request_id)
        assert engine.stats().num_held_blocks <= engine.stats().num_blocks
    while engine.has_work:
        engine.step()
    stats = engine.stats()
    assert (stats.num_held_blocks, stats.num_running, stats.num_waiting) == (0, 0, 0)
    assert stats.num_cached_tokens > 0


def _prompt(chance: random.Random, num_tokens: int) -> Sequence[int]:
    start = [chance.randrange(3)] * 32 if chance.random() < 0.7 else []
    return start + [chance.randrange(num_tokens) for _ in range(chance.randrange(1, 60))]


def test_a_folder_is_loaded_with_its_tokenizer(folder, prompts, alone):
    engine = TorchEngine.from_folder(folder, cache_tokens=2048)
    assert list(engine.complete(prompts[:1], SamplingParams(max_tokens=NEW))[0].tokens) == alone[0]
