"""Stage `tokens`: documents and tokenizer -> packed sequences after FIM (paper section 3.1).

    gristmill run laptop tokens
    ray job submit --working-dir . -- python -m jobs.tokens --recipe laptop --store S [--step tokens:extend]

Tasks in the data pool turn units of documents into pieces; the job plans the rows of a window of units
(half a gigabyte of text) from the pieces' lengths alone; tasks write the shards. Units, windows and plan
depend on the corpus only, so the bytes are the same with 1 worker and with 3. The train split only.
With `tokens.mixture` each domain has rows of its own. The fast encoder is used when it gives Hugging
Face's ids on a sample of the corpus; the manifest says which encoder it was.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from gristmill.errors import RecipeError
from gristmill.storage import Storage
from gristmill.tokens.file_blocks import Layout
from gristmill.tokens.packing import Plan, pack
from gristmill.tokens.pieces import Counts, make_pieces
from gristmill.tokens.shards import Manifest, Shard, ShardWriter, dtype_of
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.units import Unit, UnitEdges, read_unit, units_of, windows_of
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage

PROOF_UNITS = 4
PROOF_BYTES = 1 << 19
"""Of each of these units, so much is encoded both ways before the faster one is trusted."""


@lru_cache(maxsize=2)
def _tokenizer(tokenizer_json: str, fast: bool) -> Tokenizer:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a task has one CPU
    return Tokenizer(tokenizer_json, fast=fast)


@ray.remote(num_cpus=1)
def prove(corpus: Storage, unit: Unit, tokenizer_json: str) -> tuple[bool, int]:
    """Return whether the fast encoder is right about a unit's first texts, and their bytes."""
    texts: list[str] = []
    held = 0
    for document in read_unit(corpus, unit):
        for file in document.files:
            if held < PROOF_BYTES:
                texts.append(file.text)
                held += len(file.text.encode())
    return _tokenizer(tokenizer_json, True).agrees_on(texts), held


@ray.remote(num_cpus=1, num_returns=2)
def encode_unit(
    corpus: Storage, unit: Unit, tokenizer_json: str, fast: bool, layout: Layout
) -> tuple[NDArray[Any], tuple[NDArray[np.int64], Counts]]:
    """Return a unit's token ids, piece after piece, and beside them the lengths and counts."""
    tokenizer = _tokenizer(tokenizer_json, fast)
    documents = read_unit(corpus, unit)
    pieces = make_pieces(documents, tokenizer, layout, UnitEdges(corpus, unit))
    return pieces.ids.astype(dtype_of(tokenizer.vocab_rows)), (pieces.lengths, pieces.counts)


@ray.remote(num_cpus=1)
def write_shard(
    writer: ShardWriter,
    name: str,
    epoch: int,
    group: str,
    rows: Sequence[NDArray[np.int64]],
    lengths: Sequence[NDArray[np.int64]],
    *ids: NDArray[Any],
) -> Shard:
    """Write one shard: `rows` hold piece numbers counted through all units' `lengths` and `ids`."""
    ends = [np.concatenate([np.zeros(1, np.int64), np.cumsum(each)]) for each in lengths]
    first = np.cumsum([0, *(len(each) for each in lengths)])

    def piece(number: int) -> NDArray[Any]:
        unit = int(np.searchsorted(first, number, side="right")) - 1
        place = number - int(first[unit])
        return ids[unit][ends[unit][place] : ends[unit][place + 1]]

    made = [[piece(int(i)) for i in row] for row in rows]
    return writer.write(name, made, epoch=epoch, group=group)


@dataclass(frozen=True)
class _Encoder:
    """Whether the fast encoder is used, and on how much text it was proved."""

    fast: bool
    proved_bytes: int

    @staticmethod
    def proved(pool: Pool, corpus: Storage, units: Sequence[Unit], tokenizer_json: Any) -> _Encoder:
        """Try the fast encoder on units spread over the corpus; one wrong id, and it is not used."""
        chosen = units[:: max(1, len(units) // PROOF_UNITS)][:PROOF_UNITS]
        task = prove.options(label_selector=dict(pool.selector) or None)
        found = ray.get([task.remote(corpus, unit, tokenizer_json) for unit in chosen])
        return _Encoder(all(right for right, _ in found), sum(size for _, size in found))


@dataclass
class _Run:
    """The stage at work: what was made so far."""

    context: StageContext
    pool: Pool
    corpus: Storage
    tokenizer_json: Any
    encoder: _Encoder
    writer: ShardWriter
    total_bytes: int
    counts: Counts = field(default_factory=Counts)
    shards: list[tuple[str, Any]] = field(default_factory=list)
    """Folders of, and references to, the shards in order."""
    running: list[Any] = field(default_factory=list)
    """References to tasks that may still run; kept only where workers are limited."""
    rows: int = 0

    def window(self, units: Sequence[Unit], epoch: int, group: str) -> None:
        """Encode, plan and begin to write one window of a group (a domain, where there is a mixture)."""
        lengths, ids = self._encode(units, epoch)
        plan = pack(np.concatenate(lengths), self.writer.sequence_length)
        writer, held = ray.put(self.writer), ray.put(lengths)
        folder = f"epoch-{epoch}/{group}".rstrip("/")
        first_of_folder = sum(1 for name, _ in self.shards if name == folder)
        step = self.context.recipe.tokens.rows_per_shard
        for number, start in enumerate(range(0, plan.num_rows, step), start=first_of_folder):
            rows = _rows(plan, start, min(start + step, plan.num_rows))
            name = f"{folder}/shard-{number:05d}"
            shard = self._on_pool(write_shard).remote(writer, name, epoch, group, rows, held, *ids)
            self.shards.append((folder, shard))
            self._started(shard)
        self.rows += plan.num_rows

    def _encode(
        self, units: Sequence[Unit], epoch: int
    ) -> tuple[list[NDArray[np.int64]], list[Any]]:
        recipe = self.context.recipe
        layout = Layout(recipe.tokens.sequence_length, recipe.tokens.fim, recipe.seed, epoch)
        task = self._on_pool(encode_unit)
        pairs = []
        for unit in units:
            pairs.append(
                task.remote(self.corpus, unit, self.tokenizer_json, self.encoder.fast, layout)
            )
            self._started(pairs[-1][1])
        lengths: list[NDArray[np.int64]] = []
        for _, summary in pairs:
            found, counts = ray.get(summary)
            lengths.append(found)
            self.counts.add(counts)
            self.context.progress.update(
                self.counts.num_bytes, max(self.total_bytes, self.counts.num_bytes + 1), "bytes"
            )
        return lengths, [ids for ids, _ in pairs]

    def _started(self, reference: Any) -> None:
        """Wait until fewer tasks run than there may be workers."""
        workers = self.context.recipe.tokens.workers
        if workers is None:
            return
        self.running.append(reference)
        if len(self.running) >= workers:
            _, self.running = ray.wait(self.running, num_returns=len(self.running) - workers + 1)

    def _encoder_name(self, tokenizer: Tokenizer) -> str:
        return "words" if tokenizer.is_fast and self.encoder.fast else "tokenizers"

    def _on_pool(self, task: Any) -> Any:
        return task.options(label_selector=dict(self.pool.selector) or None)

    def finish(self, tokenizer: Tokenizer) -> Manifest:
        """Wait for the shards and write the manifest."""
        shards: tuple[Shard, ...] = tuple(ray.get([reference for _, reference in self.shards]))
        section = self.context.recipe.tokens
        manifest = Manifest(
            sequence_length=section.sequence_length,
            dtype=dtype_of(tokenizer.vocab_rows),
            vocab_rows=tokenizer.vocab_rows,
            pad=tokenizer.special.pad,
            tokenizer=tokenizer.digest,
            rows=self.rows,
            tokens=self.counts.tokens,
            shards=shards,
            mixture={str(group): weight for group, weight in (section.mixture or {}).items()},
            details={
                "fim": section.fim.identity(),
                "fim_rate": _share(self.counts.transformed, self.counts.spans),
                "fill": _share(self.counts.tokens, self.rows * section.sequence_length),
                "epochs": section.epochs,
                "encoder": self._encoder_name(tokenizer),
                "encoder_proved_bytes": self.encoder.proved_bytes,
                **({"groups": _by_group(shards)} if section.mixture else {}),
                **asdict(self.counts),
            },
        )
        manifest.write(self.writer.storage)
        return manifest


def work(context: StageContext) -> Outcome:
    """Encode, pack and write every epoch; the manifest comes last."""
    corpus = context.input("corpus").storage
    tokenizer = Tokenizer.load(context.inputs["tokenizer"].storage)
    section = context.recipe.tokens
    groups = sorted(str(group) for group in section.mixture or ()) or [""]
    units = {group: units_of(corpus, domain=group or None) for group in groups}
    _check(corpus, units)
    for folder in context.draft.storage.folders():
        context.draft.storage.delete(folder)
    if not ray.is_initialized():
        ray.init()
    writer = ShardWriter(
        context.draft.storage, section.sequence_length, tokenizer.vocab_rows, tokenizer.special.pad
    )
    total_bytes = section.epochs * sum(unit.num_bytes for each in units.values() for unit in each)
    pool = Pool.of(context.label_selector)
    tokenizer_json = ray.put(tokenizer.text)
    encoder = _Encoder(False, 0)
    if tokenizer.is_fast:
        every = [unit for each in units.values() for unit in each]
        encoder = _Encoder.proved(pool, corpus, every, tokenizer_json)
    run = _Run(context, pool, corpus, tokenizer_json, encoder, writer, total_bytes)
    for epoch in range(section.epochs):
        for group, each in units.items():
            for window in windows_of(each):
                run.window(window, epoch, group)
    manifest = run.finish(tokenizer)
    context.progress.update(run.counts.num_bytes, run.counts.num_bytes, "bytes")
    details = manifest.details
    return Outcome(
        {
            "rows": manifest.rows,
            "tokens": manifest.tokens,
            "documents": run.counts.documents,
            "files": run.counts.files,
            "bytes": run.counts.num_bytes,
            "pieces": run.counts.pieces,
            "cut_documents": run.counts.cut_documents,
            "fim_spans": run.counts.spans,
            "fim_transformed": run.counts.transformed,
            "fim_untransformed": run.counts.untransformed,
        },
        {"fill": details["fill"], "fim_rate": details["fim_rate"]},
    )


def _check(corpus: Storage, units: Mapping[str, Sequence[Unit]]) -> None:
    """Raise RecipeError for a group without a document."""
    for group, found in units.items():
        if not found and group:
            raise RecipeError(
                f"tokens.mixture weighs '{group}', but the corpus {corpus.url} has no document of "
                f"that domain in its train split; add a source with `domain: {group}` or leave "
                "the domain out of the mixture"
            )
        if not found:
            raise RecipeError(
                f"the corpus {corpus.url} has no document in its train split; "
                "give it more sources or hold out less"
            )


def _by_group(shards: Sequence[Shard]) -> dict[str, int]:
    """Return the rows of each group of a mixture."""
    rows: Counter[str] = Counter()
    for shard in shards:
        rows[shard.group] += shard.rows
    return dict(sorted(rows.items()))


def _rows(plan: Plan, start: int, stop: int) -> list[NDArray[np.int64]]:
    return [plan.row(number) for number in range(start, stop)]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("tokens", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.tokens`, but nothing of `__main__`.
    from jobs.tokens import main as main_by_name

    raise SystemExit(main_by_name())
