import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from gristmill.errors import RequestError
from gristmill.inference.engine import Delta, TorchEngine, join, visible_bytes
from gristmill.inference.sampling import SamplingParams
from gristmill.model.folder import load_model, save_model
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


@pytest.fixture(scope="module")
def looping(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with little attention: what it writes, it writes again and again, as code does."""
    made = tmp_path_factory.mktemp("looping") / "model"
    shutil.copytree(folder, made)
    model = load_model(folder)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "o_proj" in name:
                weight *= 0.002
    save_model(made, model, None)
    return made


@pytest.fixture(scope="module")
def loops(looping: Path, tokenizer: Tokenizer) -> tuple[list[list[int]], list[list[int]]]:
    """Prompts, and what transformers makes of each alone."""
    chance = random.Random(9)
    reference = transformers.LlamaForCausalLM.from_pretrained(looping)
    prompts, answers = [], []
    for length in (3, 5, 9, 14, 20):
        once = [chance.randrange(tokenizer.num_tokens) for _ in range(length)]
        prompts.append(once * 6)
        found = reference.generate(
            torch.tensor([prompts[-1]]),
            attention_mask=torch.ones(1, 6 * length, dtype=torch.long),
            max_new_tokens=100,
            do_sample=False,
            eos_token_id=-1,
        )
        answers.append(found[0, 6 * length :].tolist())
    return prompts, answers


@pytest.mark.parametrize(("max_batch", "step_tokens"), [(5, 512), (1, 512), (3, 9)])
def test_guesses_change_no_answer_and_save_steps(looping, tokenizer, loops, max_batch, step_tokens):
    prompts, wanted = loops
    model = load_model(looping)
    params = SamplingParams(max_tokens=100)
    plain = _engine(model, tokenizer, max_batch=max_batch, step_tokens=step_tokens)
    assert [list(one.tokens) for one in plain.complete(prompts, params)] == wanted
    guessing = _engine(
        model, tokenizer, max_batch=max_batch, step_tokens=step_tokens,
        draft_tokens=4, draft_batch=8,
    )  # fmt: skip
    answers = guessing.complete(prompts, params)
    assert [list(one.tokens) for one in answers] == wanted
    assert [one.text for one in answers] == [tokenizer.decode(tokens) for tokens in wanted]
    stats = guessing.stats()
    assert 0 < stats.num_accepted_tokens <= stats.num_draft_tokens
    assert stats.num_steps < plain.stats().num_steps
    assert stats.num_held_blocks == 0


def test_guesses_change_no_seeded_answer(looping, tokenizer, loops):
    model = load_model(looping)
    for more in (
        {},
        {"frequency_penalty": 0.001},
        {"min_tokens": 40, "stop_ids": frozenset(range(9))},
    ):
        params = SamplingParams(max_tokens=60, temperature=0.05, seed=3, **more)
        plain = _engine(model, tokenizer).complete(loops[0], params)
        guessing = _engine(model, tokenizer, draft_tokens=6, draft_batch=8)
        assert [one.tokens for one in guessing.complete(loops[0], params)] == [
            one.tokens for one in plain
        ]
        assert guessing.stats().num_drafts > 0


@pytest.mark.parametrize("draft_tokens", [0, 4])
def test_greedy_equals_transformers_after_being_thrown_out(
    model, tokenizer, prompts, alone, draft_tokens
):
    engine = _engine(
        model, tokenizer, max_batch=8, step_tokens=64, cache_tokens=272, overcommit=True,
        draft_tokens=draft_tokens, draft_batch=8,
    )  # fmt: skip
    answers = engine.complete(prompts, SamplingParams(max_tokens=NEW))
    assert [list(answer.tokens) for answer in answers] == alone
    assert engine.stats().num_preemptions > 0
    assert engine.stats().num_held_blocks == 0


def test_the_important_come_first_and_stay(model, tokenizer, prompts):
    engine = _engine(model, tokenizer, max_batch=2, overcommit=True, cache_tokens=272)
    for number, priority in enumerate([0, 0, 0, 5]):
        engine.add(str(number), prompts[6], SamplingParams(max_tokens=8, priority=priority))
    ended = []
    while engine.has_work:
        ended += [delta.request_id for delta in engine.step() if delta.finish_reason]
    assert ended[0] == "3"


def test_nothing_stops_an_answer_that_is_too_short(model, tokenizer, prompts, alone):
    at = next(i for i, token in enumerate(alone[4]) if i > 2 and token not in alone[4][:i])
    stops = frozenset({alone[4][at]})
    params = SamplingParams(max_tokens=NEW, stop_ids=stops, min_tokens=at + 3)
    answer = _engine(model, tokenizer).complete([prompts[4]], params)[0]
    assert len(answer.tokens) >= at + 3 and not stops & set(answer.tokens[: at + 3])


@pytest.mark.parametrize("step_tokens", [512, 7])
def test_a_prompt_s_logprobs_are_transformers(folder, model, tokenizer, prompts, step_tokens):
    engine = _engine(model, tokenizer, step_tokens=step_tokens)
    reference = transformers.LlamaForCausalLM.from_pretrained(folder)
    params = SamplingParams(max_tokens=1, logprobs=1, prompt_logprobs=True)
    for prompt in prompts[:8]:
        for _ in range(2):  # a known prefix is computed again: its logits are wanted
            engine.add("x", prompt, params)
            deltas = []
            while engine.has_work:
                deltas += engine.step()
            found = deltas[0].prompt_logprobs
            with torch.no_grad():
                logits = reference(torch.tensor([prompt])).logits[0, :-1, : tokenizer.num_tokens]
            wanted = torch.log_softmax(logits.float(), -1)
            assert [one.token for one in found] == prompt[1:]
            for row, one in zip(wanted, found, strict=True):
                assert one.logprob == pytest.approx(float(row[one.token]), abs=1e-3)
                assert one.top[0][1] == pytest.approx(float(row.max()), abs=1e-3)


def test_a_soak_with_guesses_and_too_few_blocks_ends_clean(looping, tokenizer):
    chance = random.Random(4)
    model = load_model(looping)
    engine = _engine(
        model, tokenizer, max_batch=6, step_tokens=24, cache_tokens=176, overcommit=True,
        draft_tokens=3, draft_batch=8,
    )  # fmt: skip
    open_ids: set[str] = set()
    for step in range(300):
        if chance.random() < 0.5 and len(open_ids) < 20:
            params = SamplingParams(
                max_tokens=chance.randrange(1, 70), priority=chance.randrange(3)
            )
            engine.add(str(step), _prompt(chance, tokenizer.num_tokens), params)
            open_ids.add(str(step))
        if open_ids and chance.random() < 0.15:
            gone = chance.choice(sorted(open_ids))
            engine.abort(gone)
            open_ids.discard(gone)
        for delta in engine.step():
            if delta.finish_reason is not None:
                open_ids.discard(delta.request_id)
    while engine.has_work:
        engine.step()
    stats = engine.stats()
    assert (stats.num_held_blocks, stats.num_running, stats.num_waiting) == (0, 0, 0)
    assert stats.num_preemptions > 0 and stats.num_accepted_tokens > 0
