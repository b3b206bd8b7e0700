"""Repositories in, answers out: `gristmill run smoke` on a cluster of its own, then what it left."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gristmill import recipe as recipes
from gristmill.artifacts import Artifact, Store
from gristmill.lineage import walk_back
from gristmill.model.attention import PackedAttention
from gristmill.model.folder import load_model
from gristmill.tokens.tokenizer import Tokenizer

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
REPOSITORIES = {"networkx", "rich", "typer", "click", "pydantic"}
STAGES = ("corpus", "tokenizer", "tokens", "pretrain", "extend", "finetune", "sweep", "evaluate")


def gristmill(folder: Path, *arguments: str) -> str:
    """Run the command line in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs", *arguments],
        cwd=ROOT,
        env={**os.environ, "GRISTMILL_STATE": str(folder / "state"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=1100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("smoke")
    port = f"serve.port={free_port()}"
    said = gristmill(
        folder, "run", "smoke", "--no-serve", "--store", str(folder / "store"), "--set", port
    )
    return folder, said


def artifact(run: tuple[Path, str], stage: str) -> Artifact:
    return Store.open(str(run[0] / "store")).get(f"smoke-{stage}")


def test_every_stage_left_its_artifact_and_the_summary_says_so(run: tuple[Path, str]) -> None:
    for stage in STAGES:
        assert artifact(run, stage).record.stage == stage
        assert f"{stage}: done" in run[1]
    for line in ("documents", "tokens", "loss, pretrain", "FIM exact match", "completion"):
        assert line in run[1]


def test_pretraining_learnt(run: tuple[Path, str]) -> None:
    metrics = artifact(run, "pretrain").record.metrics
    assert metrics["loss_last"] < metrics["loss_first"] - 0.5


def test_the_models_load_anywhere_and_agree_with_transformers(run: tuple[Path, str]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for stage in ("pretrain", "extend", "finetune"):
        folder = artifact(run, stage).storage.local()
        assert folder is not None
        ours = load_model(folder / "model")
        theirs = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
        text = "def mean(values):\n    return sum(values) / len(values)\n"
        ids = Tokenizer.load(folder / "model").encode(text)
        assert (
            AutoTokenizer.from_pretrained(folder / "model")(
                text, add_special_tokens=False
            ).input_ids
            == ids
        )
        tokens = torch.tensor(ids)
        with torch.no_grad():
            hidden = ours(tokens, torch.arange(len(ids)), PackedAttention([0, len(ids)]))
            expected = theirs(tokens[None]).logits[0]
        assert torch.allclose(ours.logits(hidden), expected, atol=1e-4)


def test_lineage_ends_at_the_repositories_and_their_licences(run: tuple[Path, str]) -> None:
    store = Store.open(str(run[0] / "store"))
    found = walk_back(store, store.get("smoke-finetune"))
    sources = {source.repository: source for source in found.sources}
    assert set(sources) == REPOSITORIES
    assert sources["networkx"].licence == "BSD-3-Clause" and sources["networkx"].revision
    said = gristmill(run[0], "lineage", "smoke-finetune", "--store", str(run[0] / "store"))
    assert all(name in said for name in REPOSITORIES)


def test_scores_have_intervals_and_name_the_sandbox(run: tuple[Path, str]) -> None:
    scores = json.loads(artifact(run, "evaluate").storage.read_bytes("scores.json"))
    assert {entry["benchmark"] for entry in scores} == {
        "infilling",
        "fim_bits",
        "loss",
        "humaneval",
    }
    for entry in scores:
        if entry["value"] is None:  # HumanEval where no sandbox holds, with the reason
            assert entry["benchmark"] == "humaneval" and entry["reason"]
        else:
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert entry["benchmark"] != "humaneval" or "bubblewrap" in entry["sandbox"]


def test_the_sweep_leaves_a_figure_and_a_recipe_that_runs(run: tuple[Path, str]) -> None:
    storage = artifact(run, "sweep").storage
    assert storage.read_bytes("figure.png").startswith(b"\x89PNG")
    best = recipes.parse(storage.read_bytes("best.yaml").decode())
    assert best.pretrain is not None and best.tokens.fim.rate in (0.0, 0.5)


def test_a_second_run_would_make_nothing(run: tuple[Path, str]) -> None:
    said = gristmill(run[0], "plan", "smoke", "--store", str(run[0] / "store"), "--json")
    rows = {row["step"]: row for row in json.loads(said)["rows"]}
    assert all(row["cached"] for step, row in rows.items() if step != "serve"), said
