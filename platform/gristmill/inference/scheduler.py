"""What one step of the engine computes: running requests first, then as much prefill as fits.

A step has a budget of tokens. Every request that only waits for its next token gets one; what is left goes
to prompts, the most important and oldest first, in chunks, so a long prompt never holds up the answers
that are being written. Blocks are taken one by one, as they fill.

There are two ways to admit. By promise (the default): a request comes in only when the blocks it may ever
need can be had, so nothing is ever thrown out half way. Or `overcommit`: it comes in when its prompt fits,
and when blocks run out the least important, latest request goes back to wait; it keeps its tokens and
computes them again later, mostly from the prefix cache, and goes on with the same answer.
"""

import time
from collections import deque
from dataclasses import dataclass, field

from gristmill.inference.blocks import BLOCK, BlockPool
from gristmill.inference.sequence import Sequence


@dataclass(frozen=True)
class Chunk:
    """Part of a step: the next `num_tokens` uncomputed tokens of a sequence, and a draft after them."""

    sequence: Sequence
    num_tokens: int
    draft: tuple[int, ...] = ()

    @property
    def completes(self) -> bool:
        """Say whether the sequence can choose a token after this."""
        return self.num_tokens == self.sequence.num_left

    @property
    def width(self) -> int:
        """Tokens that are computed."""
        return self.num_tokens + len(self.draft)

    @property
    def tokens(self) -> list[int]:
        """Those tokens; the first stands at position `sequence.num_computed`."""
        start = self.sequence.num_computed
        return [*self.sequence.tokens[start : start + self.num_tokens], *self.draft]


@dataclass
class Scheduler:
    """The requests of an engine: waiting and running ones, both the most important first."""

    pool: BlockPool
    max_batch: int
    step_tokens: int
    prefix_cache: bool = True
    overcommit: bool = False
    draft_tokens: int = 0
    """Most tokens that are guessed after a request's last one."""
    draft_batch: int = 4
    """With more requests than this a step has better work than guesses."""
    waiting: deque[Sequence] = field(default_factory=deque)
    running: list[Sequence] = field(default_factory=list)
    num_preemptions: int = 0

    def add(self, sequence: Sequence) -> None:
        """Let a new sequence wait behind those as important."""
        at = len(self.waiting)
        while at and self.waiting[at - 1].params.priority < sequence.params.priority:
            at -= 1
        self.waiting.insert(at, sequence)

    def plan(self) -> list[Chunk]:
        """Return the chunks of the next step with their blocks held."""
        budget = max(self.step_tokens, len(self.running))
        wanted: dict[int, int] = {}
        for sequence in sorted(self.running, key=lambda running: running.num_left > 1):
            wanted[id(sequence)] = min(sequence.num_left, budget)
            budget -= wanted[id(sequence)]
        chunks: list[Chunk] = []
        for sequence in list(self.running):
            num_tokens = wanted[id(sequence)]
            if num_tokens and sequence in self.running and self._fits(sequence, num_tokens):
                chunks.append(Chunk(sequence, num_tokens))
        while self.waiting and len(self.running) < self.max_batch and budget > 0:
            if not self._admit(self.waiting[0]):
                break
            sequence = self.waiting.popleft()
            sequence.started_s = sequence.started_s or time.monotonic()
            self._run(sequence)
            chunks.append(Chunk(sequence, min(sequence.num_left, budget)))
            self._grow(sequence, chunks[-1].num_tokens)
            budget -= chunks[-1].num_tokens
        if self.draft_tokens and len(chunks) <= self.draft_batch:
            chunks = [self._guessed(chunk) for chunk in chunks]
        return chunks

    def computed(self, sequence: Sequence, num_tokens: int) -> None:
        """Take note that tokens are in the cache; their full blocks can be found from now on."""
        before = sequence.num_computed // BLOCK
        sequence.num_computed += num_tokens
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
        self._release(sequence)

    def _run(self, sequence: Sequence) -> None:
        at = len(self.running)
        while at and self.running[at - 1].params.priority < sequence.params.priority:
            at -= 1
        self.running.insert(at, sequence)

    def _fits(self, sequence: Sequence, num_tokens: int) -> bool:
        """Hold the blocks for the next tokens, at the cost of the least important if need be."""
        wanted = -(-(sequence.num_computed + num_tokens) // BLOCK) - len(sequence.blocks)
        while self.pool.num_free < wanted:
            victim = self.running.pop()
            self.num_preemptions += 1
            self._release(victim)
            victim.num_computed = 0
            self.waiting.appendleft(victim)
            if victim is sequence:
                return False
        self._grow(sequence, num_tokens)
        return True

    def _release(self, sequence: Sequence) -> None:
        self.pool.release(sequence.blocks)
        sequence.blocks = []

    def _admit(self, sequence: Sequence) -> bool:
        """Hold the blocks that are known already if the rest can be had later."""
        known: list[int] = []
        if self.prefix_cache and not sequence.params.prompt_logprobs:
            # the last token is always computed: its logits are what is wanted
            num_useful = (len(sequence.tokens) - 1) // BLOCK
            known = self.pool.match(sequence.extend_hashes()[:num_useful])
        if self.overcommit:
            promised = len(
                self.running
            )  # one more block each, or the newcomer would throw them out
            most = -(-len(sequence.tokens) // BLOCK)
        else:
            promised = sum(other.most_blocks - len(other.blocks) for other in self.running)
            most = sequence.most_blocks
        wanted = most - len(known) + self.pool.num_free_in(known)
        if wanted > self.pool.num_free - promised:
            return False
        self.pool.hold(known)
        sequence.blocks = known
        sequence.num_computed = len(known) * BLOCK
        if not sequence.num_output:
            sequence.num_cached = sequence.num_computed
        return True

    def _guessed(self, chunk: Chunk) -> Chunk:
        """Return the chunk with a guess of what follows, where there is one and blocks for it."""
        sequence = chunk.sequence
        if not (chunk.completes and sequence.num_output):
            return chunk
        left = sequence.params.max_tokens - sequence.num_output - 1
        most = min(self.draft_tokens, left, self.step_tokens - chunk.num_tokens)
        draft = sequence.lookup.draft(sequence.tokens, most)
        wanted = -(-(sequence.num_computed + chunk.num_tokens + len(draft)) // BLOCK)
        if not draft or wanted - len(sequence.blocks) > self.pool.num_free:
            return chunk
        self._grow(sequence, chunk.num_tokens + len(draft))
        return Chunk(sequence, chunk.num_tokens, draft)

    def _grow(self, sequence: Sequence, num_tokens: int) -> None:
        wanted = -(-(sequence.num_computed + num_tokens) // BLOCK)
        while len(sequence.blocks) < wanted:
            sequence.blocks.append(self.pool.take())
