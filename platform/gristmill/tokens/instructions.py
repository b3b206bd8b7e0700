"""Conversations into packed rows whose loss counts answers only (section 3.7).

Each span is encoded alone and joined as ids, so the mask's edge is exact, and every answer ends in
`<|EOT|>`, which is learned too (where it is cut off, a model never learns to stop). Whole conversations
are packed into rows by best fit, each its own document, bos first. A conversation longer than a row
keeps its beginning: the answer's tail is cut without `<|EOT|>`, which would teach a false stop, and
counted; where not one answer token would be left, it is dropped and counted. No FIM here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gristmill.errors import RecipeError
from gristmill.storage import Storage
from gristmill.tokens.chat import chat_prompt, chat_spans
from gristmill.tokens.conversations import BUNDLED, Conversation, read_set
from gristmill.tokens.packing import pack
from gristmill.tokens.shards import Manifest, Shard, ShardWriter, dtype_of
from gristmill.tokens.tokenizer import Tokenizer

__all__ = ["BUNDLED", "Encoded", "chat_prompt", "encode_conversation", "write_instruction_shards"]

ROWS_PER_SHARD = 8192


@dataclass(frozen=True)
class Encoded:
    """A conversation's ids and, for each, whether the loss counts it as a target."""

    ids: NDArray[np.uint32]
    learned: NDArray[np.bool_]


@dataclass
class Counts:
    """What became of the conversations."""

    conversations: int = 0
    cut: int = 0
    """Longer than a row: the tail left out."""
    dropped: int = 0
    """No answer token would have been left."""
    tokens: int = 0
    learned_tokens: int = 0


def encode_conversation(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> Encoded:
    """Return a conversation's ids from bos to the last `<|EOT|>`, with its loss mask."""
    ids: list[int] = []
    learned: list[bool] = []
    for span in chat_spans(tokenizer, messages):
        ids += span.ids
        learned += [span.learned] * len(span.ids)
    return Encoded(np.array(ids, np.uint32), np.array(learned, np.bool_))


def write_instruction_shards(
    storage: Storage,
    tokenizer: Tokenizer,
    sets: Sequence[str],
    sequence_length: int,
    *,
    epochs: int = 1,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Manifest:
    """Pack the named sets into shards with loss masks below `storage`; `Shards.open` reads them.

    Each of the epochs is the same rows (and the same files), in another order when sampled.
    Sets are names of `BUNDLED` or paths of files. Raises RecipeError, StoreError.
    """
    conversations = (item for name in sets for item in read_set(name))
    encoded, counts = _fitted(conversations, tokenizer, sequence_length)
    if not encoded:
        raise RecipeError(
            f"instruction sets {', '.join(sets)} leave nothing to learn in rows of "
            f"{sequence_length} tokens ({counts.dropped} conversations dropped); "
            "raise finetune.sequence_length or name other sets"
        )
    plan = pack([len(item.ids) for item in encoded], sequence_length)
    writer = ShardWriter(storage, sequence_length, tokenizer.vocab_rows, tokenizer.special.pad)
    shards: list[Shard] = []
    for number, start in enumerate(range(0, plan.num_rows, rows_per_shard)):
        stop = min(start + rows_per_shard, plan.num_rows)
        rows = [[encoded[i] for i in plan.row(row)] for row in range(start, stop)]
        ids = [[item.ids for item in row] for row in rows]
        masks = [[item.learned for item in row] for row in rows]
        shards.append(writer.write(f"epoch-0/shard-{number:05d}", ids, masks))
    details = {"sets": list(sets), "epochs": epochs, "fill": round(plan.fill, 6), **asdict(counts)}
    manifest = Manifest(
        sequence_length=sequence_length,
        dtype=dtype_of(tokenizer.vocab_rows),
        vocab_rows=tokenizer.vocab_rows,
        pad=tokenizer.special.pad,
        tokenizer=tokenizer.digest,
        rows=plan.num_rows * epochs,
        tokens=counts.tokens * epochs,
        shards=tuple(replace(shard, epoch=epoch) for epoch in range(epochs) for shard in shards),
        details=details,
    )
    manifest.write(storage)
    return manifest


def _fitted(
    conversations: Iterable[Conversation], tokenizer: Tokenizer, sequence_length: int
) -> tuple[list[Encoded], Counts]:
    counts = Counts()
    kept: list[Encoded] = []
    for messages in conversations:
        counts.conversations += 1
        item = encode_conversation(tokenizer, messages)
        if len(item.ids) > sequence_length:
            item = Encoded(item.ids[:sequence_length], item.learned[:sequence_length])
            if not item.learned.any():
                counts.dropped += 1
                continue
            counts.cut += 1
        kept.append(item)
        counts.tokens += len(item.ids)
        counts.learned_tokens += int(item.learned.sum())
    return kept, counts
