import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from gristmill.errors import ModelError, RequestError
from gristmill.inference.engine import Delta, TorchEngine
from gristmill.inference.loop import EngineLoop, _merged
from gristmill.inference.sampling import SamplingParams, TokenLogprob
from tests.model_folder import tiny_model

PARAMS = SamplingParams(max_tokens=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("loop"))


@pytest.fixture
def loop() -> Iterator[EngineLoop]:
    made = EngineLoop(threads=1)
    yield made
    made.close()


@pytest.fixture
def engine(folder: Path) -> TorchEngine:
    return TorchEngine.from_folder(folder, cache_tokens=2048, max_batch=4)


async def _answer(
    loop: EngineLoop, engine: TorchEngine, prompts: list[list[int]]
) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in prompts]
    async for number, delta in loop.stream(engine, [(prompt, PARAMS) for prompt in prompts]):
        found[number] += delta.tokens
    return found


def test_streams_say_what_the_engine_says(loop, engine, folder):
    prompts = [[5, 6, 7], [8] * 20]
    wanted = TorchEngine.from_folder(folder, cache_tokens=2048).complete(prompts, PARAMS)

    async def many() -> list[list[list[int]]]:
        return await asyncio.gather(*(_answer(loop, engine, prompts) for _ in range(5)))

    for found in asyncio.run(many()):
        assert found == [list(answer.tokens) for answer in wanted]
    assert engine.stats().num_held_blocks == 0


def test_leaving_a_stream_aborts(loop, engine):
    async def leave() -> None:
        params = SamplingParams(max_tokens=400)
        async with aclosing(loop.stream(engine, [([5], params), ([6], params)])) as stream:
            await anext(stream)
        for _ in range(200):
            if not engine.has_work:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the engine still works")

    asyncio.run(leave())
    assert engine.stats().num_held_blocks == 0


def test_two_engines_run_side_by_side(loop, engine, folder):
    other = TorchEngine.from_folder(folder, cache_tokens=2048)

    async def both() -> list[list[list[int]]]:
        return await asyncio.gather(_answer(loop, engine, [[1, 2]]), _answer(loop, other, [[1, 2]]))

    first, second = asyncio.run(both())
    assert first == second


def test_a_refusal_comes_before_anything_is_queued(loop, engine):
    with pytest.raises(RequestError):
        asyncio.run(_answer(loop, engine, [[1], []]))
    assert not engine.has_work


def test_a_failed_step_is_told_to_all_who_wait(loop, engine):
    engine.model.norm = None  # the next step cannot work

    async def wait() -> None:
        with pytest.raises(ModelError, match="failed in a step"):
            await _answer(loop, engine, [[1, 2], [3]])

    asyncio.run(wait())
    assert loop.failure is not None


def test_deltas_that_pile_up_are_one_and_lose_nothing():
    first = TokenLogprob(1, -0.5)
    deltas = [
        Delta("r", "a", (1,), (first,), None, 3, 2, "", (first, first), 0.25),
        Delta("r", "b", (2,), (first,), None, 3, 2, "", (), 0.25),
        Delta("r", "c", (3,), (first,), "stop", 3, 2, "c", (), 0.25),
    ]
    ((number, merged),) = _merged([(0, delta) for delta in deltas])
    assert (number, merged.text, merged.tokens) == (0, "abc", (1, 2, 3))
    assert len(merged.logprobs) == 3 and merged.prompt_logprobs == (first, first)
    assert (merged.finish_reason, merged.stopping_word) == ("stop", "c")
