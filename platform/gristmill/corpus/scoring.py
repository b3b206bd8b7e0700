"""Loss per byte of each file under a model of our own: the corpus's optional last filter.

A batch-inference step over what has stayed so far, off by default (`corpus.score`). The model reads
the head of a file as training lays it out (its path comment first, at most `context_tokens` tokens)
and the figure is bits a byte of the file's own text: high for text that is like nothing in training
(garbage, encoded data), very low for what a table could have printed. Bits are divided by bytes, so that
models with different tokenizers can be compared.

    scorer = Scorer.load(Path(section.score.model), section.score.context_tokens)    # once a worker
    table = scored(table, scorer, section, domain)      # a piece's table: what is left is scored

It comes before dedup, so that a file that goes does not stand for its copies. The same piece gives the same
figures: batches are made from it alone, by length, and figures are rounded to what differences of kernels
do not reach. The stage's fingerprint and the key of a piece have the content of the model in them
(`pipeline.content_digest`), because the section itself has not: a path is no identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch

from gristmill.corpus.config import CorpusSection, Domain, Score
from gristmill.corpus.domains import is_code
from gristmill.corpus.languages import LANGUAGES, comment_line
from gristmill.evaluation.heldout import HeldOutFile, file_items, score
from gristmill.model.folder import load_model
from gristmill.model.llama import Llama
from gristmill.tokens.tokenizer import Tokenizer

SCORES = pa.schema(
    [("repository", pa.string()), ("path", pa.string()), ("loss_per_byte", pa.float64())]
)
REASON = "model_score"
_DECIMALS = 3
_CHANGED = ("reason", "detail", "signature", "loss_per_byte")
BATCH_TOKENS = 8192


class Scorer:
    """A model that reads files and says how much each byte of them surprised it."""

    def __init__(
        self, model: Llama, tokenizer: Tokenizer, context_tokens: int | None = None
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        longest = model.config.max_position
        self.context_tokens = min(context_tokens or longest, longest)

    @staticmethod
    def load(
        folder: Path, context_tokens: int | None = None, *, device: str | None = None
    ) -> Scorer:
        """Read a model folder, on the GPU where there is one (in bf16). Raises ModelError."""
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if where.startswith("cuda") else torch.float32
        model = load_model(folder, dtype).to(where).eval()
        return Scorer(model, Tokenizer.load(folder), context_tokens)

    def score(self, files: Sequence[HeldOutFile]) -> list[float | None]:
        """Return the bits a byte of each file's head, in order; None for one without a token."""
        numbered = [
            HeldOutFile(str(number), file.language, file.header, file.text)
            for number, file in enumerate(files)
        ]
        items = file_items(self.tokenizer, numbered, self.context_tokens)
        found: list[float | None] = [None] * len(files)
        for one in score(self.model, self.tokenizer, items, batch_tokens=BATCH_TOKENS):
            found[int(one.key)] = round(one.bits / max(one.num_bytes, 1), _DECIMALS)
        return found

    def score_table(self, table: pa.Table, path_comment: bool = True) -> pa.Table:
        """Return the scores (`SCORES`) of the files in a table's rows, in their order."""
        names = ("repository", "path", "language", "text")
        rows = list(zip(*(table[name].to_pylist() for name in names), strict=True))
        files = [
            HeldOutFile(path, language, _header(path, language) if path_comment else "", text)
            for _, path, language, text in rows
        ]
        columns = {
            "repository": [row[0] for row in rows],
            "path": [row[1] for row in rows],
            "loss_per_byte": self.score(files),
        }
        return pa.table(columns, schema=SCORES)


def scored(table: pa.Table, scorer: Scorer, section: CorpusSection, domain: Domain) -> pa.Table:
    """Return a piece's table with `loss_per_byte` of the files that stay, and those beyond a limit out."""
    assert section.score is not None
    columns = {name: table[name].to_pylist() for name in _CHANGED}
    staying = [row for row, reason in enumerate(columns["reason"]) if not reason]
    headed = section.path_comment and is_code(domain)
    scores = scorer.score_table(table.take(pa.array(staying, pa.int64())), headed)
    for row, value in zip(staying, scores["loss_per_byte"].to_pylist(), strict=True):
        columns["loss_per_byte"][row] = value
        reason, detail = verdict(value, section.score)
        if reason:
            columns["reason"][row], columns["detail"][row] = reason, detail
            columns["signature"][row] = None
    for name in _CHANGED:
        place = table.schema.get_field_index(name)
        values = pa.array(columns[name], table.schema.field(name).type)
        table = table.set_column(place, table.schema.field(name), values)
    return table


def verdict(loss_per_byte: float | None, section: Score) -> tuple[str, str]:
    """Return (`model_score`, detail) for a file beyond a limit, or ("", ""); a limit's own value stays."""
    if loss_per_byte is None:
        return "", ""
    most, least = section.max_loss_per_byte, section.min_loss_per_byte
    if most is not None and loss_per_byte > most:
        return REASON, f"{loss_per_byte:g} bits a byte, limit {most:g}"
    if least is not None and loss_per_byte < least:
        return REASON, f"{loss_per_byte:g} bits a byte, least {least:g}"
    return "", ""


def _header(path: str, language: str) -> str:
    return comment_line(language, path) if language in LANGUAGES else ""
