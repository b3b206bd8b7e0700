"""A sweep whose driver is killed goes on: finished trials stay, a running one keeps its steps.

pytest tests/bench/test_sweep_resume_truth.py -m truth
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gristmill.artifacts import Store
from gristmill.training.metrics import read_metrics
from jobs import tokens
from jobs.stage import carry_out
from tests.made_store import made_store

pytestmark = [pytest.mark.ray, pytest.mark.truth, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
STEPS = 60
RECIPE = f"""
name: cut
corpus: {{sources: [{{kind: folder, path: {{folder}}}}]}}
tokenizer: {{vocab_size: 320}}
tokens: {{sequence_length: 128}}
model: {{size: tiny}}
pretrain: {{batch_sequences: 2, learning_rate: 3e-3, steps: 4, schedule: {{warmup_steps: 1}}}}
sweep:
  space: {{pretrain.learning_rate: [1e-3, 3e-3]}}
  steps: {STEPS}
  evals: 3
  eval_files: 2
  scheduler: none
  concurrent: 1
"""


def _lines(draft: Path, number: int) -> list[int]:
    file = draft / f"trials/{number:03d}/metrics.jsonl"
    if not file.exists():
        return []
    found = file.read_text().splitlines()
    return [json.loads(line)["step"] for line in found if line.endswith("}")]


def test_a_killed_sweep_goes_on_where_it_was(ray_cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "sources/one").mkdir(parents=True)
    (tmp_path / "sources/one/a.py").write_text("a = 1\n")
    text = RECIPE.replace("{folder}", str(tmp_path / "sources"))
    store, _, steps = made_store(tmp_path / "store", text, resolve=True)
    carry_out(steps["tokens"], steps, store, (), tokens.work)
    recipe = tmp_path / "cut.yaml"
    recipe.write_text(text)
    draft = tmp_path / "store" / "cut-sweep" / steps["sweep"].fingerprint[:12]
    command = [sys.executable, "-m", "jobs.sweep", "--recipe", str(recipe)]
    command += ["--store", str(tmp_path / "store")]
    with (tmp_path / "first.log").open("wb") as log:
        driver = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            until = time.monotonic() + 400
            while len(_lines(draft, 1)) < STEPS // 2 + 5:  # past the second trial's checkpoint
                assert driver.poll() is None, (tmp_path / "first.log").read_text()[-3000:]
                assert time.monotonic() < until
                time.sleep(0.05)
        finally:
            driver.kill()
            driver.wait()
    first = (draft / "trials/000/metrics.jsonl").read_bytes()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    artifact = Store.open(str(tmp_path / "store")).get("cut-sweep")
    trials = json.loads(artifact.storage.read_bytes("trials.json"))["trials"]
    assert [(row["status"], row["steps"]) for row in trials] == [("finished", STEPS)] * 2
    assert artifact.storage.read_bytes("trials/000/metrics.jsonl") == first
    resumed = read_metrics(artifact.storage.child("trials/001"))
    assert [line["step"] for line in resumed] == list(range(1, STEPS + 1))
