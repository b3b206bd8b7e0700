"""The page at the end of a run."""

import io
import json
from pathlib import Path

from rich.console import Console

from gristmill.artifacts import Artifact, Store
from gristmill.recipe import parse
from jobs import summary
from jobs.runs import RunState, StepState, new_state
from tests.small_store import put

RECIPE = parse(
    "name: demo\ncorpus: {sources: [{kind: installed, names: [rich]}]}\npretrain: {}\nserve: {}"
)
SCORES = [
    {"model": "initial", "benchmark": "infilling", "metric": "exact_match", "value": 0.0},
    {"model": "initial", "benchmark": "loss", "metric": "bits_per_byte", "value": 8.0},
    {"model": "pretrain", "benchmark": "infilling", "metric": "exact_match", "value": 0.125},
]


def _state(folder: Path, made: dict[str, Artifact]) -> RunState:
    steps = tuple(
        StepState(
            key=key, stage=artifact.record.stage, fingerprint=artifact.record.fingerprint,
            status="done", label=artifact.label, started_s=10.0, ended_s=70.0,
        )
        for key, artifact in made.items()
    )  # fmt: skip
    serve = StepState(key="serve", stage="serve", fingerprint="f", status="done")
    state = new_state(RECIPE, str(folder), (), "")
    ended = {"steps": (*steps, serve), "status": "succeeded", "updated_s": state.created_s + 600}
    return state.model_copy(update=ended)


def test_every_figure_comes_from_a_record(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    corpus = put(store, "corpus", files={"report.html": b"<html>"})
    metrics = {"loss_first": 7.5, "loss_last": 2.25, "tokens_per_s": 5120.0}
    pretrain = put(store, "pretrain", {"corpus": corpus}, metrics=metrics)
    evaluate = put(
        store, "evaluate", {"pretrain": pretrain},
        files={"scores.json": json.dumps(SCORES).encode(), "report.html": b"<html>"},
    )  # fmt: skip
    made = {"corpus": corpus, "pretrain": pretrain, "evaluate": evaluate}
    found = summary.gather(RECIPE, _state(tmp_path, made), "'x' is completed with 'y'")
    assert found.repositories == 3
    assert found.losses == {"pretrain": (7.5, 2.25)}
    assert found.exact_match == {"initial": 0.0, "pretrain": 0.125}
    assert found.report == f"{evaluate.storage.url}/report.html"
    assert found.endpoint == "http://127.0.0.1:8000"
    out = io.StringIO()
    summary.show(found, Console(file=out, width=200))
    page = out.getvalue()
    for text in (
        "succeeded in 10 min 00 s", "7.500 -> 2.250, 5,120 tokens/s", "initial 0.0% -> pretrain 12.5%",
        "completed with", "http://127.0.0.1:8000", pretrain.label, "in 1 min 00 s",
    ):  # fmt: skip
        assert text in page, text
    assert len(page.splitlines()) < 25, "one page"
    assert summary.as_json(found)["exact_match"]["pretrain"] == 0.125


def test_a_run_that_made_little_says_little(tmp_path: Path) -> None:
    state = new_state(RECIPE, str(tmp_path), (), "").model_copy(
        update={"status": "failed", "message": "stage corpus failed: the disk is full"}
    )
    found = summary.gather(RECIPE, state)
    assert (found.documents, found.tokens, found.endpoint, found.report) == (None, None, None, None)
    out = io.StringIO()
    summary.show(found, Console(file=out, width=200))
    assert "the disk is full" in out.getvalue()
