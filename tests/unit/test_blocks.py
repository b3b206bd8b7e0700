import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.inference.blocks import BLOCK, BlockPool, block_hashes


def test_hashes_name_the_whole_beginning():
    tokens = list(range(3 * BLOCK + 5))
    hashes = block_hashes(tokens)
    assert len(hashes) == 3
    assert block_hashes(tokens[: 2 * BLOCK]) == hashes[:2]
    changed = [99, *tokens[1:]]
    assert not set(block_hashes(changed)) & set(hashes)
    assert block_hashes(tokens, hashes[:1]) == hashes


def test_released_blocks_are_found_until_they_are_given_away():
    pool = BlockPool(2)
    block = pool.take()
    pool.remember(block, b"a")
    pool.release([block])
    assert pool.num_held == 0
    assert pool.match([b"a", b"b"]) == [block]
    assert {pool.take(), pool.take()} == {0, 1}
    assert pool.match([b"a"]) == []


def test_blocks_without_content_are_given_away_first():
    pool = BlockPool(3)
    known, other = pool.take(), pool.take()
    pool.remember(known, b"a")
    pool.release([known, other])
    assert pool.take() == other
    assert pool.match([b"a"]) == [known]


def test_a_shared_block_is_free_when_the_last_holder_lets_go():
    pool = BlockPool(1)
    block = pool.take()
    pool.remember(block, b"a")
    pool.hold([block])
    pool.release([block])
    assert pool.num_free == 0
    pool.release([block])
    assert pool.num_free == 1


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_blocks_are_conserved(seed):
    chance = random.Random(seed)
    pool = BlockPool(8)
    held: list[list[int]] = []
    for step in range(60):
        if held and (chance.random() < 0.4 or not pool.num_free):
            pool.release(held.pop(chance.randrange(len(held))))
            continue
        known = pool.match([bytes([chance.randrange(4)])])
        pool.hold(known)
        blocks = list(known)
        if pool.num_free:
            blocks.append(pool.take())
            pool.remember(blocks[-1], bytes([step % 4]))
        held.append(blocks)
        assert pool.num_held == len({block for blocks in held for block in blocks})
    for blocks in held:
        pool.release(blocks)
    assert pool.num_held == 0
    assert sorted(pool.take() for _ in range(8)) == list(range(8))
