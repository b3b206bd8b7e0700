"""MinHash against exact Jaccard on real files, and against the usual loop in speed.

.venv/bin/python -m pytest tests/bench/test_dedup_truth.py -m truth -s
"""

import random
import re
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
import xxhash

from gristmill.corpus.dedup import cluster
from gristmill.corpus.shingles import ngrams
from gristmill.corpus.signatures import file_signatures

pytestmark = pytest.mark.truth

NUM_HASHES, BANDS, WORDS, THRESHOLD = 112, 14, 5, 0.7
MARGIN = 0.1
"""Pairs nearer to the threshold than this may fall on either side: the estimate's own spread."""


def real_files(limit: int) -> list[str]:
    paths = sorted(Path(networkx.__file__).parent.rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [text for text in texts if len(text) > 1500][:limit]


def edited(text: str, share: float, rng: random.Random) -> str:
    """Return the text with this share of its lines replaced."""
    lines = text.split("\n")
    for at in rng.sample(range(len(lines)), int(share * len(lines))):
        lines[at] = f"changed_{rng.randrange(10**6)} = {rng.randrange(10**6)}"
    return "\n".join(lines)


def test_precision_and_recall_against_exact_jaccard() -> None:
    rng = random.Random(11)
    base = real_files(150)
    texts = base + [edited(text, rng.choice([0.01, 0.03, 0.06, 0.12, 0.3]), rng) for text in base]
    hashes, offsets = ngrams([text.encode() for text in texts], WORDS)
    sets = [set(hashes[offsets[i] : offsets[i + 1]].tolist()) for i in range(len(texts))]
    contents = np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], np.uint64)
    found = cluster(
        contents,
        file_signatures(texts, NUM_HASHES, WORDS),
        range(len(texts)),
        bands=BANDS,
        threshold=THRESHOLD,
    )
    wanted = right = claimed = true_claims = 0
    for i, j in combinations(range(len(texts)), 2):
        jaccard = len(sets[i] & sets[j]) / len(sets[i] | sets[j])
        together = found.label[i] == found.label[j]
        if jaccard >= THRESHOLD + MARGIN:
            wanted += 1
            right += together
        if together:
            claimed += 1
            true_claims += jaccard >= THRESHOLD - MARGIN
    print(f"recall {right}/{wanted}, precision {true_claims}/{claimed}")
    assert wanted > 50
    assert right / wanted >= 0.95
    assert true_claims / claimed >= 0.95


def loop_signature(text: str, coefficients: Any) -> Any:
    """The usual way: join every n-gram, hash it, multiply by every permutation."""
    words = re.findall(r"[A-Za-z0-9_]+", text)
    grams = {" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)}
    values = np.fromiter(
        (xxhash.xxh32_intdigest(gram.encode()) for gram in grams), np.uint64, len(grams)
    )
    a, b = coefficients
    return ((values[:, None] * a + b) % np.uint64((1 << 61) - 1)).min(axis=0) if len(values) else a


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_signatures_are_several_times_faster_than_the_usual_loop() -> None:
    texts = real_files(300)
    rng = np.random.default_rng(1)
    coefficients = rng.integers(1, 2**31, (2, NUM_HASHES), dtype=np.uint64)
    file_signatures(texts[:5], NUM_HASHES, WORDS)
    ours = min(seconds(lambda: file_signatures(texts, NUM_HASHES, WORDS)) for _ in range(3))
    loop = min(
        seconds(lambda: [loop_signature(text, coefficients) for text in texts]) for _ in range(2)
    )
    megabytes = sum(map(len, texts)) / 1e6
    print(f"ours {megabytes / ours:.0f} MB/s, loop {megabytes / loop:.1f} MB/s: {loop / ours:.1f}x")
    assert loop / ours >= 3
