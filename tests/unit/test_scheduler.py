from gristmill.inference.blocks import BLOCK, BlockPool
from gristmill.inference.detokenizer import Detokenizer
from gristmill.inference.sampling import SamplingParams
from gristmill.inference.scheduler import Chunk, Scheduler
from gristmill.inference.sequence import Sequence


def _sequence(name: str, tokens: list[int], max_tokens: int = 4) -> Sequence:
    params = SamplingParams(max_tokens=max_tokens)
    return Sequence(name, list(tokens), len(tokens), params, Detokenizer(lambda token: b""))


def _step(scheduler: Scheduler) -> list[tuple[str, int]]:
    chunks = scheduler.plan()
    for chunk in chunks:
        completes = chunk.completes
        scheduler.computed(chunk.sequence, chunk.num_tokens)
        if completes:
            chunk.sequence.tokens.append(0)
    return [(chunk.sequence.request_id, chunk.num_tokens) for chunk in chunks]


def test_running_answers_come_before_prompts_and_prompts_come_in_chunks():
    scheduler = Scheduler(BlockPool(64), max_batch=4, step_tokens=20)
    scheduler.waiting += [_sequence("short", list(range(5))), _sequence("long", list(range(40)))]
    assert _step(scheduler) == [("short", 5), ("long", 15)]
    assert _step(scheduler) == [("short", 1), ("long", 19)]
    assert _step(scheduler) == [("short", 1), ("long", 6)]
    assert _step(scheduler) == [("short", 1), ("long", 1)]


def test_a_batch_has_a_limit_and_the_oldest_waits_least():
    scheduler = Scheduler(BlockPool(64), max_batch=2, step_tokens=100)
    scheduler.waiting += [_sequence(name, [1, 2, 3]) for name in "abc"]
    assert [name for name, _ in _step(scheduler)] == ["a", "b"]
    scheduler.remove(scheduler.running[0])
    assert [name for name, _ in _step(scheduler)] == ["b", "c"]


def test_a_request_is_admitted_only_when_all_it_may_need_can_be_had():
    pool = BlockPool(4)
    scheduler = Scheduler(pool, max_batch=4, step_tokens=100)
    first = _sequence("first", [1] * BLOCK, max_tokens=2 * BLOCK + 1)  # three blocks
    second = _sequence("second", [2] * BLOCK, max_tokens=BLOCK + 1)  # two
    scheduler.waiting += [first, second]
    assert [name for name, _ in _step(scheduler)] == ["first"]
    assert pool.num_held == 1  # blocks are taken as they fill, but promised at once
    scheduler.remove(first)
    assert [name for name, _ in _step(scheduler)] == ["second"]


def test_a_known_beginning_is_not_computed_again_but_the_last_token_is():
    scheduler = Scheduler(BlockPool(16), max_batch=4, step_tokens=100)
    tokens = list(range(3 * BLOCK))
    scheduler.waiting.append(_sequence("first", tokens))
    _step(scheduler)
    scheduler.remove(scheduler.running[0])
    scheduler.waiting.append(_sequence("same", tokens))
    scheduler.waiting.append(_sequence("longer", [*tokens, 7, 8]))
    assert _step(scheduler) == [("same", BLOCK), ("longer", 2)]
    assert [sequence.num_cached for sequence in scheduler.running] == [2 * BLOCK, 3 * BLOCK]


def test_removing_frees_everything_wherever_a_request_is():
    pool = BlockPool(16)
    scheduler = Scheduler(pool, max_batch=1, step_tokens=100)
    running, waiting = _sequence("a", [1] * 20), _sequence("b", [2] * 20)
    scheduler.waiting += [running, waiting]
    _step(scheduler)
    scheduler.remove(waiting)
    scheduler.remove(running)
    assert (pool.num_held, len(scheduler.waiting), scheduler.running) == (0, 0, [])


def test_a_chunk_completes_when_nothing_is_left():
    sequence = _sequence("a", [1, 2, 3])
    assert Chunk(sequence, 3).completes
    assert not Chunk(sequence, 2).completes
