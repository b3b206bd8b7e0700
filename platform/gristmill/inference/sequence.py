"""One request inside the engine: its tokens, its blocks, and how far it has been computed."""

import time
from dataclasses import dataclass, field
from typing import Literal

from gristmill.inference.blocks import BLOCK, block_hashes
from gristmill.inference.detokenizer import Detokenizer
from gristmill.inference.draft import Lookup
from gristmill.inference.sampling import SamplingParams, TokenLogprob

FinishReason = Literal["stop", "length", "abort"]


@dataclass(eq=False)
class Sequence:
    """A prompt and what has been produced after it."""

    request_id: str
    tokens: list[int]
    """The prompt, then the tokens produced."""
    num_prompt: int
    params: SamplingParams
    detokenizer: Detokenizer
    blocks: list[int] = field(default_factory=list)
    """Of the cache, in order; block i holds tokens i * BLOCK and on."""
    hashes: list[bytes] = field(default_factory=list)
    """Of the full blocks of `tokens`, as far as they have been asked for."""
    num_computed: int = 0
    """Tokens whose keys and values are in the cache."""
    num_cached: int = 0
    """Prompt tokens that were there before this request came."""
    finish_reason: FinishReason | None = None
    lookup: Lookup = field(default_factory=Lookup)
    prompt_logprobs: list[TokenLogprob] = field(default_factory=list)
    """Of the prompt's second token and on, as far as they are computed, where they are asked for."""
    arrived_s: float = field(default_factory=time.monotonic)
    started_s: float = 0.0
    """When its first token was computed; 0 before."""

    @property
    def num_output(self) -> int:
        """Tokens produced so far."""
        return len(self.tokens) - self.num_prompt

    @property
    def num_left(self) -> int:
        """Tokens that must be computed before the next one can be chosen."""
        return len(self.tokens) - self.num_computed

    @property
    def most_blocks(self) -> int:
        """Blocks it can come to hold: the last token it may produce is never computed."""
        return -(-(self.num_prompt + self.params.max_tokens - 1) // BLOCK)

    def extend_hashes(self) -> list[bytes]:
        """Return the hashes of all full blocks of the tokens there are now."""
        self.hashes = block_hashes(self.tokens, self.hashes)
        return self.hashes
