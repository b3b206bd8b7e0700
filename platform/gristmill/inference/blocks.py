"""Blocks of the KV cache: who holds which, and which hold a prefix that can be used again.

A block holds the keys and values of `BLOCK` consecutive tokens. A full block is known by the hash of all
tokens up to its end, so a request whose prompt begins like an earlier one shares its blocks. A block is
in exactly one state: held (by one or more requests) or free; a free block keeps its content and its hash
until it is given away again, oldest first. `num_held` is zero when nothing runs.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence

BLOCK = 16


def block_hashes(tokens: Sequence[int], known: Sequence[bytes] = ()) -> list[bytes]:
    """Return one hash for each full block of `tokens`, each over everything before it too.

    `known` are the hashes of the first blocks, which are not computed again.
    """
    hashes = list(known)
    for start in range(len(hashes) * BLOCK, len(tokens) - BLOCK + 1, BLOCK):
        before = hashes[-1] if hashes else b""
        content = array("q", tokens[start : start + BLOCK]).tobytes()
        hashes.append(hashlib.blake2b(before + content, digest_size=16).digest())
    return hashes


class BlockPool:
    """Gives blocks out, takes them back, and finds the ones that hold a known prefix."""

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(num_blocks))
        self._holders = [0] * num_blocks
        self._hash_of: list[bytes | None] = [None] * num_blocks
        self._block_of: dict[bytes, int] = {}

    @property
    def num_free(self) -> int:
        """Blocks that can be given out; some of them may hold a prefix."""
        return len(self._free)

    @property
    def num_held(self) -> int:
        """Blocks that requests hold."""
        return self.num_blocks - len(self._free)

    def match(self, hashes: Sequence[bytes]) -> list[int]:
        """Return the blocks that hold the longest known beginning of `hashes`."""
        found: list[int] = []
        for value in hashes:
            block = self._block_of.get(value)
            if block is None:
                break
            found.append(block)
        return found

    def num_free_in(self, blocks: Sequence[int]) -> int:
        """Return how many of these blocks nobody holds, which holding them would take from the free."""
        return sum(self._holders[block] == 0 for block in blocks)

    def hold(self, blocks: Sequence[int]) -> None:
        """Hold blocks that were matched."""
        for block in blocks:
            if self._holders[block] == 0:
                del self._free[block]
            self._holders[block] += 1

    def take(self) -> int:
        """Give out the block that has been free for longest; what it held is forgotten."""
        block, _ = self._free.popitem(last=False)
        value = self._hash_of[block]
        if value is not None:
            del self._block_of[value]
            self._hash_of[block] = None
        self._holders[block] = 1
        return block

    def remember(self, block: int, value: bytes) -> None:
        """Let a full block be found by its hash; the first block with that content stays the one."""
        if self._hash_of[block] is None and value not in self._block_of:
            self._hash_of[block] = value
            self._block_of[value] = block

    def release(self, blocks: Sequence[int]) -> None:
        """Let go of a request's blocks, the last first, so that beginnings are kept for longest."""
        for block in reversed(blocks):
            self._holders[block] -= 1
            if self._holders[block] == 0:
                self._free[block] = None
                if self._hash_of[block] is None:
                    self._free.move_to_end(block, last=False)
