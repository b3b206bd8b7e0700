"""What a training asks its model on held-out files, between two steps, on rank 0."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from gristmill.evaluation import cross_file, heldout
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.request import HeldOutRequest
from gristmill.training.sharding import ShardedModel


@dataclass(frozen=True)
class Exam:
    """The held-out samples, and the tokenizer to ask in."""

    tokenizer: Tokenizer
    held_out: heldout.HeldOut
    mode: heldout.Prompt = "psm"
    pairs: tuple[cross_file.Pair, ...] | None = None
    """Files behind a file that they import; None does not ask."""

    @staticmethod
    def of(asked: HeldOutRequest, tokenizer: Tokenizer) -> Exam:
        """Choose the samples: the same for every run that asks the same."""
        corpus = Storage.open(asked.corpus)
        samples = heldout.samples(corpus, asked.files, asked.seed)
        pairs = cross_file.pairs(corpus, asked.files, asked.seed) if asked.cross_file else None
        return Exam(tokenizer, samples, asked.mode, pairs)

    def take(self, model: ShardedModel) -> dict[str, float]:
        """Measure the model as it stands; bits per byte also by language."""
        holes = replace(self.held_out, files=())
        found = heldout.measure(model.llama, self.tokenizer, holes, mode=self.mode)
        window = model.llama.config.max_position
        if self.pairs is not None:
            found |= cross_file.measure(model.llama, self.tokenizer, self.pairs, window)
        items = heldout.file_items(self.tokenizer, self.held_out.files, window)
        bits: dict[str, float] = defaultdict(float)
        sizes: dict[str, int] = defaultdict(int)
        for score in heldout.score(model.llama, self.tokenizer, items):
            bits[score.language] += score.bits
            sizes[score.language] += score.num_bytes
        by_language = {
            f"l2r_bits_per_byte/{language}": bits[language] / max(sizes[language], 1)
            for language in sorted(bits)
        }
        total = sum(bits.values()) / max(sum(sizes.values()), 1)
        return {"l2r_bits_per_byte": total, **found, **by_language} if bits else found
