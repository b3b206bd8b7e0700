"""What one step of the engine computes: running requests first, then as much prefill as fits.

A step has a budget of tokens. Every request that only waits for its next token gets one; what is left goes
to prompts, oldest first, in chunks, so a long prompt never holds up the answers that are being written.
A request is admitted only when the blocks it may ever need can be had, so nothing is ever thrown out
half way; blocks are still taken one by one, as they fill.
"""

from collections import deque
from dataclasses import dataclass, field

from gristmill.inference.blocks import BLOCK, BlockPool
from gristmill.inference.sequence import Sequence


@dataclass(frozen=True)
class Chunk:
    """Part of a step: the next `num_tokens` uncomputed tokens of a sequence."""

    sequence: Sequence
    num_tokens: int

    @property
    def completes(self) -> bool:
        """Say whether the sequence can choose a token after this."""
        return self.num_tokens == self.sequence.num_left


@dataclass
class Scheduler:
    """The requests of an engine: waiting and running ones."""

    pool: BlockPool
    max_batch: int
    step_tokens: int
    prefix_cache: bool = True
    waiting: deque[Sequence] = field(default_factory=deque)
    running: list[Sequence] = field(default_factory=list)

    def plan(self) -> list[Chunk]:
        """Return the chunks of the next step, single tokens first, with their blocks held."""
        budget = max(self.step_tokens, len(self.running))
        ready = [sequence for sequence in self.running if sequence.num_left == 1]
        chunks = [Chunk(sequence, 1) for sequence in ready]
        budget -= len(chunks)
        for sequence in self.running:
            if sequence.num_left > 1 and budget > 0:
                chunks.append(Chunk(sequence, min(sequence.num_left, budget)))
                budget -= chunks[-1].num_tokens
        while self.waiting and len(self.running) < self.max_batch and budget > 0:
            if not self._admit(self.waiting[0]):
                break
            sequence = self.waiting.popleft()
            self.running.append(sequence)
            chunks.append(Chunk(sequence, min(sequence.num_left, budget)))
            budget -= chunks[-1].num_tokens
        for chunk in chunks:
            self._grow(chunk)
        return chunks

    def computed(self, chunk: Chunk) -> None:
        """Take note that a chunk is in the cache; its full blocks can be found from now on."""
        sequence = chunk.sequence
        before = sequence.num_computed // BLOCK
        sequence.num_computed += chunk.num_tokens
        after = sequence.num_computed // BLOCK
        if not self.prefix_cache or before == after:
            return
        hashes = sequence.extend_hashes()
        for index in range(before, after):
            self.pool.remember(sequence.blocks[index], hashes[index])

    def remove(self, sequence: Sequence) -> None:
        """Forget a finished or aborted sequence and free what it held."""
        if sequence in self.running:
            self.running.remove(sequence)
        else:
            self.waiting.remove(sequence)
        self.pool.release(sequence.blocks)
        sequence.blocks = []

    def _admit(self, sequence: Sequence) -> bool:
        """Hold the blocks that are known already if the rest can be had later."""
        known: list[int] = []
        if self.prefix_cache:
            # the last token is always computed: its logits are what is wanted
            num_useful = (len(sequence.tokens) - 1) // BLOCK
            known = self.pool.match(sequence.extend_hashes()[:num_useful])
        promised = sum(other.most_blocks - len(other.blocks) for other in self.running)
        wanted = sequence.most_blocks - len(known) + self.pool.num_free_in(known)
        if wanted > self.pool.num_free - promised:
            return False
        self.pool.hold(known)
        sequence.blocks = known
        sequence.num_computed = sequence.num_cached = len(known) * BLOCK
        return True

    def _grow(self, chunk: Chunk) -> None:
        sequence = chunk.sequence
        wanted = -(-(sequence.num_computed + chunk.num_tokens) // BLOCK)
        while len(sequence.blocks) < wanted:
            sequence.blocks.append(self.pool.take())
