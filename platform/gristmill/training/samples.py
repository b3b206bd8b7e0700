"""Which samples a rank trains on at a step: a pure function of the step, so resuming needs no state.

Step s of a run takes samples s*B .. s*B + B - 1; each rank takes a contiguous share and cuts it into
micro-batches. All ranks run the same number of them; where B does not divide, the last are smaller or
empty. The rows behind the samples come from a keyed permutation, epoch by epoch (`tokens.sampler`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gristmill.tokens.sampler import Order, row_at
from gristmill.tokens.special import SpecialTokens
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.batch import Batch, Rows, make_batch


@dataclass(frozen=True)
class Samples:
    """One rank's view of the run's samples."""

    rows: Rows
    order: Order
    """What the samples are drawn from, as in `Shards.order`."""
    seed: int
    batch_sequences: int
    """The global batch, B."""
    micro_batch: int
    mask_documents: bool
    special: SpecialTokens | None = None
    rank: int = 0
    world: int = 1

    @property
    def share(self) -> int:
        """Samples of a rank at a step; the last ranks may have fewer."""
        return -(-self.batch_sequences // self.world)

    @property
    def accumulate(self) -> int:
        """Micro-batches of a step, the same on every rank."""
        return -(-self.share // self.micro_batch)

    def numbers(self, step: int) -> list[int]:
        """Return this rank's samples at a step, counted over the whole run."""
        first = step * self.batch_sequences
        start = min(self.rank * self.share, self.batch_sequences)
        end = min(start + self.share, self.batch_sequences)
        return list(range(first + start, first + end))

    def documents(self, step: int, tokenizer: Tokenizer, limit: int) -> list[str]:
        """Name up to `limit` documents of a step, on all ranks, by their first line: a path comment."""
        first = step * self.batch_sequences
        names: list[str] = []
        for k in range(first, first + self.batch_sequences):
            row = self.rows.row(row_at(k, self.order, self.seed))
            for start in [int(bound) for bound in row.bounds if bound < row.num_tokens]:
                if len(names) == limit:
                    return [*names, "..."]
                lines = tokenizer.decode(row.tokens[start : start + 48].tolist()).splitlines()
                name = "".join(char for char in lines[0] if char.isprintable()) if lines else ""
                names.append(name.strip()[:120] or "(empty)")
        return names

    def batches(self, step: int) -> list[Batch]:
        """Return this rank's micro-batches at a step."""
        found = [row_at(k, self.order, self.seed) for k in self.numbers(step)]
        rows = [self.rows.row(number) for number in found]
        return [
            make_batch(
                rows[i * self.micro_batch : (i + 1) * self.micro_batch],
                mask_documents=self.mask_documents,
                special=self.special,
            )
            for i in range(self.accumulate)
        ]
