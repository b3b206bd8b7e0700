"""The frame of every job: inputs found, work done once, exit codes that mean something."""

from pathlib import Path

import pytest
from ray.exceptions import RayTaskError

from gristmill.artifacts import Store
from gristmill.errors import StoreError, TrainingError
from gristmill.recipe import dump, parse
from gristmill.storage import Storage
from jobs.stage import DIED, JobContext, Outcome, StageContext, _begin_as, run_service, run_stage
from tests.job_table import leave_a_file

TEXT = """
name: small
corpus: {sources: [{kind: installed, names: [typer]}]}
model: {size: tiny}
pretrain: {steps: 10}
"""


def _argv(folder: Path, *more: str) -> list[str]:
    (folder / "r.yaml").write_text(dump(parse(TEXT)))
    return ["--recipe", str(folder / "r.yaml"), "--store", str(folder / "store"), *more]


def test_a_step_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stage("corpus", leave_a_file, _argv(tmp_path)) == 0
    assert "corpus: small-corpus@" in capsys.readouterr().out

    def never(context: StageContext) -> Outcome:
        raise AssertionError("the artifact is in the store")

    assert run_stage("corpus", never, _argv(tmp_path)) == 0
    (made,) = Store.open(str(tmp_path / "store")).list()
    assert [source.repository for source in made.record.sources] == ["typer"]
    assert made.record.counts == {"files": 1}


def test_a_missing_input_names_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("tokens", leave_a_file, _argv(tmp_path)) == 2
    assert "run it first: gristmill run small corpus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(TrainingError("no data"), 1), (KeyError("lost"), DIED), (StoreError("x"), 1)],
)
def test_exit_codes_tell_reasons_from_deaths(tmp_path: Path, error: Exception, code: int) -> None:
    def fail(context: StageContext) -> Outcome:
        context.draft.storage.write_bytes("half", b"1")
        raise error

    assert run_stage("corpus", fail, _argv(tmp_path)) == code

    def go_on(context: StageContext) -> Outcome:
        return Outcome({"found": int(context.draft.storage.exists("half"))})

    assert run_stage("corpus", go_on, _argv(tmp_path)) == 0, "the draft is continued"
    (made,) = Store.open(str(tmp_path / "store")).list()
    assert made.record.counts == {"found": 1}


def test_an_error_that_a_task_raised_is_told_in_its_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(context: StageContext) -> Outcome:
        cause = StoreError("store s3://b cannot be read: no such bucket")
        raise RayTaskError("_do", "Traceback: many lines", cause).as_instanceof_cause()

    assert run_stage("corpus", work, _argv(tmp_path)) == 1
    assert capsys.readouterr().err == "error: store s3://b cannot be read: no such bucket\n"


def test_a_step_of_another_stage_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("corpus", leave_a_file, _argv(tmp_path, "--step", "tokens")) == 2
    assert "step 'tokens' is of stage tokens, not corpus" in capsys.readouterr().err
    assert run_stage("corpus", leave_a_file, _argv(tmp_path, "--step", "nothing")) == 2
    assert "the recipe has no step 'nothing'" in capsys.readouterr().err


def test_an_interrupted_copy_of_checkpoints_is_made_again(tmp_path: Path) -> None:
    extended, draft = (Storage.open(str(tmp_path / name)) for name in ("extended", "draft"))
    for name in ("manifest.json", "master-00000.safetensors"):
        extended.write_bytes(f"checkpoints/step-00000004/{name}", name.encode())
    extended.write_bytes("metrics.jsonl", b"{}\n")
    draft.write_bytes("checkpoints/step-00000004/manifest.json", b"manifest.json")
    _begin_as(extended, draft)
    assert draft.exists("checkpoints/step-00000004/master-00000.safetensors")
    assert draft.read_bytes("metrics.jsonl") == b"{}\n"

    draft.write_bytes("checkpoints/step-00000008/manifest.json", b"")
    draft.write_bytes("metrics.jsonl", b"more")
    _begin_as(extended, draft)
    assert draft.read_bytes("metrics.jsonl") == b"more", "the draft has gone on by itself"


def test_a_resumed_training_needs_the_one_it_extends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--set", "pretrain.resume_from=" + "a" * 64]
    for stage in ("corpus", "tokenizer", "tokens"):
        assert run_stage(stage, leave_a_file, _argv(tmp_path, *more)) == 0
    assert run_stage("pretrain", leave_a_file, _argv(tmp_path, *more)) == 1
    assert "run without --resume" in capsys.readouterr().err


def test_a_service_works_with_what_is_there_and_asks_for_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TEXT + "extend: {steps: 2}\nserve: {}\n"
    (tmp_path / "s.yaml").write_text(text)
    argv = ["--recipe", str(tmp_path / "s.yaml"), "--store", str(tmp_path / "store")]
    seen: list[str] = []

    def work(context: JobContext) -> None:
        seen.extend(context.inputs)

    assert run_service("serve", work, argv) == 2
    assert "run it first: gristmill run small pretrain" in capsys.readouterr().err
    for stage in ("corpus", "tokenizer", "tokens", "pretrain"):
        more = ["--step", stage]
        assert run_stage(stage, leave_a_file, [*argv, *more]) == 0
    assert run_service("serve", work, argv) == 0
    assert seen == ["pretrain"]
