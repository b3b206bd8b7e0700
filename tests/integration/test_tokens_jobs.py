import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gristmill import recipe as recipes
from gristmill.artifacts import Artifact, Store
from gristmill.errors import RecipeError
from gristmill.pipeline import steps_of
from gristmill.tokens.sampler import samples_of
from gristmill.tokens.shards import Shards
from gristmill.tokens.tokenizer import Tokenizer
from jobs import tokenizer, tokens
from jobs.stage import carry_out
from tests.made_corpus import commit_corpus, document, package_documents

pytestmark = pytest.mark.ray

LIMIT = 400
"""Files, 4 MB: several units of work."""

RECIPE = """
name: t
corpus: {sources: [{kind: folder, path: /nowhere}]}
tokenizer: {vocab_size: 700, sample_bytes: 400000}
tokens: {sequence_length: 512, epochs: 2, rows_per_shard: 700, fim: {rate: 0.5, spm_share: 0.25}}
pretrain: {}
"""


def make(folder: Path, workers: int, documents: Any, *overrides: str) -> dict[str, Artifact]:
    recipe = recipes.parse(RECIPE, [f"tokens.workers={workers}", *overrides])
    store = Store.open(str(folder))
    steps = steps_of(recipe, ())
    commit_corpus(store, steps["corpus"], documents)
    work = {"tokenizer": tokenizer.work, "tokens": tokens.work}
    return {key: carry_out(steps[key], steps, store, (), work[key]) for key in work}


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any
) -> tuple[dict[str, Artifact], dict[str, Artifact]]:
    documents = package_documents("networkx", limit=LIMIT)
    root = tmp_path_factory.mktemp("stores")
    return make(root / "one", 1, documents), make(root / "three", 3, documents)


def test_one_worker_and_three_leave_the_same_bytes(made: Any) -> None:
    one, three = made
    for key in ("tokenizer", "tokens"):
        assert one[key].record.fingerprint == three[key].record.fingerprint
        files = one[key].record.files
        assert files == three[key].record.files and len(files) >= 3
        for path in files:
            assert one[key].storage.read_bytes(path) == three[key].storage.read_bytes(path), path


def test_the_rows_hold_the_train_split_once_an_epoch(made: Any) -> None:
    artifact = made[0]["tokens"]
    special = Tokenizer.load(made[0]["tokenizer"].storage).special
    shards = Shards.open(artifact.storage)
    counts, metrics = artifact.record.counts, artifact.record.metrics
    (group,) = shards.order
    assert len(group.epoch_rows) == 2 and min(rows for _, rows in group.epoch_rows) > 700
    assert counts["rows"] == shards.num_rows and counts["tokens"] == shards.num_tokens
    documents = package_documents("networkx", limit=LIMIT)
    train = [item for item in documents if item.split == "train"]
    assert counts["documents"] == 2 * len(train)
    assert counts["bytes"] == 2 * sum(item.num_bytes for item in train)
    assert metrics["fill"] > 0.95 and abs(metrics["fim_rate"] - 0.5) < 0.03
    details = shards.manifest.details
    assert details["encoder"] == "words" and details["encoder_proved_bytes"] > 400_000
    seen = dict.fromkeys(("bos", "fim_begin", "fim_hole", "fim_end", "pad"), 0)
    for number in range(shards.num_rows):
        row = shards.row(number)
        for name in seen:
            seen[name] += int((row.tokens == getattr(special, name)).sum())
        starts = row.bounds[row.bounds < row.num_tokens]
        assert (row.tokens[starts] == special.bos).all()
        assert (row.tokens[row.num_tokens :] == special.pad).all()
    assert seen["bos"] == counts["pieces"]
    assert seen["fim_begin"] == seen["fim_hole"] == seen["fim_end"]
    assert seen["pad"] == 512 * shards.num_rows - shards.num_tokens


def test_the_tokenizer_reports_bytes_per_token(made: Any) -> None:
    artifact = made[0]["tokenizer"]
    report = json.loads(artifact.storage.read_bytes("report.json"))
    assert report["measured_on"] == "held_out"
    assert report["languages"]["Python"]["bytes_per_token"] == report["bytes_per_token"] > 1.5
    assert 400_000 <= artifact.record.counts["sample_bytes"] < 600_000
    assert artifact.record.counts["tokens"] == 711
    python = report["languages"]["Python"]
    assert 2.5 < python["cl100k_bytes_per_token"] < 6 and report["split_rules"] == "deepseek-coder"
    assert python["bytes_per_token"] < python["deepseek_coder_bytes_per_word"] < 6


def test_domains_of_a_mixture_lie_apart_and_are_drawn_by_weight(
    tmp_path: Path, ray_cluster: Any
) -> None:
    documents = [
        replace(item, domain="code_text" if number % 4 == 0 else "code")
        for number, item in enumerate(package_documents("networkx", limit=120))
    ]
    weights = "tokens.mixture={code: 0.9, code_text: 0.1}"
    made = make(tmp_path, 2, documents, weights, "tokens.epochs=2", "tokens.fim={rate: 0.0}")
    shards = Shards.open(made["tokens"].storage)
    tokenizer = Tokenizer.load(made["tokenizer"].storage)
    known = {
        domain: "".join(f.text for d in documents if d.domain == domain for f in d.files)
        for domain in ("code", "code_text")
    }
    code, text = shards.order
    assert (code.weight, text.weight) == (0.9, 0.1)
    assert samples_of(shards.order, 1000) == [900, 100]
    for domain, group in (("code", code), ("code_text", text)):
        assert len(group.epoch_rows) == 2
        first, rows = group.epoch_rows[1]
        row = shards.row(first + rows // 2)
        piece = row.tokens[row.bounds[0] : row.bounds[1]].tolist()
        lines = tokenizer.decode(piece).splitlines()[1:-1]
        assert len(lines) > 3 and all(line in known[domain] for line in lines)
    groups = shards.manifest.details["groups"]
    assert sum(groups.values()) == shards.num_rows
    with pytest.raises(RecipeError, match="weighs 'math'"):
        make(tmp_path / "other", 1, documents, "tokens.mixture={code: 0.9, math: 0.1}")


def test_an_empty_train_split_is_an_error(tmp_path: Path, ray_cluster: Any) -> None:
    with pytest.raises(RecipeError, match="train split"):
        make(tmp_path, 1, [document({"a.py": "x\n"}, split="held_out")])
