"""Stage `tokenizer`: documents -> byte-level BPE with reserved special tokens (paper section 3.2).

    gristmill run laptop tokenizer
    ray job submit --working-dir . -- python -m jobs.tokenizer --recipe laptop --store S

Two passes over the train split by tasks in the data pool: every file's keyed number and size, then the
texts of the files whose numbers fill the sample. One task learns the merges. `report.json` says bytes
per token by language, measured on held-out files where there are any.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from gristmill.model.importing import Source
from gristmill.storage import Storage
from gristmill.tokens import bpe
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.units import Unit, read_unit, units_of
from gristmill.tokens.yardsticks import Tally, tally_of
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage

MEASURED_BYTES = 4_000_000
REPORTED = ("bytes_per_token", "cl100k_bytes_per_token", "deepseek_coder_bytes_per_word")


@ray.remote(num_cpus=1)
def keys_of(corpus: Storage, unit: Unit, seed: int) -> NDArray[np.uint64]:
    """Return keyed number and size of every file of a unit, [2, files]."""
    pairs = [
        (bpe.sample_key(seed, document.document, file.path), len(file.text.encode()))
        for document in read_unit(corpus, unit)
        for file in document.files
    ]
    return np.array(pairs, np.uint64).reshape(-1, 2).T


@ray.remote(num_cpus=1)
def texts_of(corpus: Storage, unit: Unit, seed: int, threshold: int) -> list[tuple[str, str]]:
    """Return (language, header and text) of a unit's files whose number is at most the threshold."""
    return [
        (file.language, file.header + file.text)
        for document in read_unit(corpus, unit)
        for file in document.files
        if bpe.sample_key(seed, document.document, file.path) <= threshold
    ]


@ray.remote(num_cpus=1)
def learn(refs: Sequence[Any], vocab_size: int) -> str:
    """Return the `tokenizer.json` learned from the texts behind `refs`, in their order."""
    texts = (text for ref in refs for _, text in ray.get(ref))
    return bpe.train(texts, vocab_size).text


@ray.remote(num_cpus=1)
def measure(refs: Sequence[Any], tokenizer_json: str) -> dict[str, Tally]:
    """Return by language the sizes of the texts behind `refs`."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer(tokenizer_json)
    tallies: dict[str, Tally] = {}
    for ref in refs:
        for language, tally in tally_of(ray.get(ref), tokenizer).items():
            tallies.setdefault(language, Tally()).add(tally)
    return dict(sorted(tallies.items()))


def work(context: StageContext) -> Outcome:
    """Learn or adopt the tokenizer, measure it, write the folder and its report."""
    section = context.recipe.tokenizer
    corpus = context.inputs["corpus"].storage
    if not ray.is_initialized():
        ray.init()
    sample = _Sample(context, corpus)
    context.progress.update(0, 3, "steps")
    counts: dict[str, int] = {}
    if section.from_model is not None:
        tokenizer = Source(Path(section.from_model).expanduser()).tokenizer()
    else:
        refs, counts = sample.take("train", section.sample_bytes)
        context.progress.update(1, 3, "steps")
        text = ray.get(sample.on_pool(learn).remote(refs, section.vocab_size))
        tokenizer = Tokenizer(text)
    context.progress.update(2, 3, "steps")
    split = "held_out" if units_of(corpus, "held_out") else "train"
    refs, _ = sample.take(split, MEASURED_BYTES)
    found = ray.get(sample.on_pool(measure).remote(refs, tokenizer.text))
    report = _report(found, split, tokenizer, counts)
    tokenizer.save(context.draft.storage)
    context.draft.storage.write_bytes("report.json", json.dumps(report, indent=1).encode())
    context.progress.update(3, 3, "steps")
    return Outcome(
        {"tokens": tokenizer.num_tokens, "vocab_rows": tokenizer.vocab_rows, **counts},
        {name: float(report["all"][name]) for name in REPORTED},
    )


class _Sample:
    """Draws keyed samples of files through tasks in the stage's pool."""

    def __init__(self, context: StageContext, corpus: Storage) -> None:
        self._pool = Pool.of(context.label_selector)
        self._corpus = corpus
        self._seed = context.recipe.seed

    def on_pool(self, task: Any) -> Any:
        """Return the task asking for the stage's pool."""
        return task.options(label_selector=dict(self._pool.selector) or None)

    def take(self, split: str, budget_bytes: int) -> tuple[list[Any], dict[str, int]]:
        """Return references to the sampled texts, unit by unit, and what was sampled."""
        units = units_of(self._corpus, split)
        keys_task = self.on_pool(keys_of)
        found = ray.get([keys_task.remote(self._corpus, u, self._seed) for u in units])
        keys = [int(key) for pair in found for key in pair[0]]
        sizes = [int(size) for pair in found for size in pair[1]]
        threshold = bpe.sample_threshold(keys, sizes, budget_bytes)
        chosen = [size for key, size in zip(keys, sizes, strict=True) if key <= threshold]
        texts_task = self.on_pool(texts_of)
        refs = [
            texts_task.remote(self._corpus, unit, self._seed, threshold)
            for unit, pair in zip(units, found, strict=True)
            if pair.size and int(pair[0].min()) <= threshold
        ]
        return refs, {"sample_files": len(chosen), "sample_bytes": sum(chosen)}


def _report(
    found: dict[str, Tally], split: str, tokenizer: Tokenizer, counts: dict[str, int]
) -> dict[str, Any]:
    total = Tally()
    for tally in found.values():
        total.add(tally)
    figures = total.figures()
    return {
        "tokens": tokenizer.num_tokens,
        "vocab_rows": tokenizer.vocab_rows,
        "sha256": tokenizer.digest,
        "sample": counts,
        "measured_on": split,
        "split_rules": "deepseek-coder" if tokenizer.is_fast else "of the adopted tokenizer",
        "bytes_per_token": figures["bytes_per_token"],
        "all": figures,
        "languages": {language: tally.figures() for language, tally in found.items()},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("tokenizer", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.tokenizer`, but nothing of `__main__`.
    from jobs.tokenizer import main as main_by_name

    raise SystemExit(main_by_name())
