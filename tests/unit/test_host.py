import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.inference.engine import TorchEngine
from gristmill.inference.sampling import SamplingParams
from gristmill.serving.exchange import Generation, Piece, Refusal
from gristmill.serving.host import DEFAULT_TOKENS, HostLimits, ModelHost
from tests.model_folder import tiny_model

LIMITS = HostLimits(max_batch=4, max_queued=2, cache_tokens=4096, max_new_tokens=100, threads=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = tmp_path_factory.mktemp("hosted")
    return tiny_model(made / "one", seed=1), tiny_model(made / "two", seed=2)


@pytest.fixture
def host(folders: tuple[Path, Path]) -> Iterator[ModelHost]:
    made = ModelHost("tiny", "completion", LIMITS)
    made.exchange(folders[0], "tiny@1")
    yield made
    made.close()


async def _ask(host: ModelHost, **values: object) -> list[Piece | Refusal]:
    return [item async for item in host.answer(Generation(**values))]


def _text(items: list[Piece | Refusal]) -> str:
    assert all(isinstance(item, Piece) for item in items), items
    return "".join(item.text for item in items if isinstance(item, Piece))


def test_requests_that_run_keep_their_weights_when_others_come(host, folders):
    ids = (5, 6, 7)
    wanted = [
        TorchEngine.from_folder(folder).complete([ids], SamplingParams(max_tokens=90))[0]
        for folder in folders
    ]
    assert wanted[0].tokens != wanted[1].tokens

    async def swap() -> tuple[str, str]:
        asked = {"prompts": (ids,), "max_tokens": 90, "temperature": 0.0}
        running = host.answer(Generation(**asked))
        first = await anext(running)
        await asyncio.to_thread(host.exchange, folders[1], "tiny@2")
        rest = [first, *[item async for item in running]]
        return _text(rest), _text(await _ask(host, **asked))

    before, after = asyncio.run(swap())
    stop = [answer.text for answer in wanted]
    assert before == stop[0] or stop[0].startswith(before)
    assert after == stop[1] or stop[1].startswith(after)
    assert (host.label, host.card().label) == ("tiny@2", "tiny@2")


def test_lengths_that_nobody_named(host):
    async def count(**values: object) -> int:
        items = await _ask(host, temperature=2.0, seed=3, **values)
        return sum(item.num_tokens for item in items if isinstance(item, Piece))

    assert asyncio.run(count(prompts=("a",))) <= DEFAULT_TOKENS
    assert asyncio.run(count(prompts=("a",), max_tokens=5000)) <= LIMITS.max_new_tokens


def test_too_many_at_once_are_refused_and_the_next_are_not(host):
    async def crowd() -> tuple[object, object]:
        asked = {"prompts": ("a",), "max_tokens": 60, "temperature": 2.0}
        running = host.answer(Generation(**asked, num_choices=4))
        await anext(running)
        refused = await _ask(host, **asked, num_choices=3)
        await running.aclose()
        return refused[-1], (await _ask(host, **asked))[-1]

    refused, answered = asyncio.run(crowd())
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (429, "queue_full")
    assert isinstance(answered, Piece)
    assert host.num_open == 0


def test_a_model_that_is_not_there_yet_says_so():
    host = ModelHost("late", "completion", LIMITS)
    found = asyncio.run(_ask(host, prompts=("a",)))
    host.close()
    assert isinstance(found[0], Refusal)
    assert found[0].status == 503


def test_a_more_important_request_comes_first(folders):
    limits = HostLimits(max_batch=1, max_queued=16, cache_tokens=4096, threads=1)
    made = ModelHost("tiny", "completion", limits)
    made.exchange(folders[0], "tiny@1")
    done: list[int] = []

    async def ask(priority: int) -> None:
        await _ask(made, prompts=((5, 6),), max_tokens=1, priority=priority)
        done.append(priority)

    async def run() -> None:
        busy = made.answer(Generation(prompts=((5, 6, 7),), max_tokens=90, num_choices=8))
        await anext(busy)
        waiting = [asyncio.create_task(ask(priority)) for priority in (5, 0, -5)]
        await asyncio.gather(*waiting)
        await busy.aclose()

    try:
        asyncio.run(run())
    finally:
        made.close()
    assert done == [-5, 0, 5]
