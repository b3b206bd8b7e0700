"""Runs one tool's whole MinHash dedup over a JSON-lines file of texts; prints its CPU seconds.

    PYTHON tests/bench/dedup_yardsticks.py datatrove|text-dedup|gristmill texts.jsonl SCRATCH

Each runs in a Python that has it, one process, with its own word 5-grams, threshold 0.7 where it has
one, and the number of hashes and bands it would take for that threshold. Imports and the tools' models
are loaded before the clock starts; the texts are read inside. The last line is JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def _texts(path: str) -> list[str]:
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def datatrove(path: str, scratch: Path) -> Callable[[], int]:
    from datatrove.data import Document
    from datatrove.pipeline.dedup import minhash
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.word_tokenizers import load_word_tokenizer

    load_word_tokenizer("eng").word_tokenize("a first text")
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    at = {name: str(scratch / name) for name in ("signatures", "buckets", "removed")}

    def documents() -> Iterator[Any]:
        for number, text in enumerate(_texts(path)):
            yield Document(text=text, id=str(number))

    def run() -> int:
        minhash.MinhashDedupSignature(at["signatures"], config=config).run(documents(), 0, 1)
        buckets = minhash.MinhashDedupBuckets(at["signatures"], at["buckets"], config=config)
        for bucket in range(config.num_buckets):
            buckets.run(None, bucket, config.num_buckets)
        minhash.MinhashDedupCluster(at["buckets"], at["removed"], config=config).run(None, 0, 1)
        return sum(1 for _ in minhash.MinhashDedupFilter(at["removed"]).run(documents(), 0, 1))

    return run


def text_dedup(path: str, scratch: Path) -> Callable[[], int]:
    import datasets
    from text_dedup import minhash

    arguments = ["--path", "json", "--data_files", path, "--split", "train", "--column", "text"]
    arguments += ["--ngram", "5", "--threshold", "0.7", "--num_perm", "250", "--num_proc", "1"]
    arguments += ["--min_length", "5", "--hash_func", "xxh3", "--hash_bits", "32"]
    output = str(scratch / "kept")
    arguments += ["--output", output, "--cache_dir", str(scratch / "cache")]

    def run() -> int:
        minhash.main(arguments, standalone_mode=False)
        return len(datasets.load_from_disk(output))

    return run


def gristmill(path: str, scratch: Path) -> Callable[[], int]:
    import pyarrow as pa

    from gristmill.corpus.config import CorpusSection
    from gristmill.corpus.selection import select
    from tests.made_rows import rows_of

    section = CorpusSection.model_validate({"sources": (), "held_out": {"share": 0}})

    def run() -> int:
        files = [("r", f"{number:07d}", text) for number, text in enumerate(_texts(path))]
        rows = rows_of(files, section.dedup)
        rows = rows.append_column("piece", pa.array([0] * len(files), pa.int32()))
        plan = select(rows, {}, section, 1, {})
        return plan["split"].to_pylist().count("train")

    return run


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    TOOLS = {"datatrove": datatrove, "text-dedup": text_dedup, "gristmill": gristmill}
    work = TOOLS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    started, wall = _cpu(), time.perf_counter()
    kept = work()
    print(
        json.dumps({"cpu_s": _cpu() - started, "wall_s": time.perf_counter() - wall, "kept": kept})
    )
