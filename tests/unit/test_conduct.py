"""A conductor carries a run out: cache hits, retries, jobs it shares, stopping."""

from collections.abc import Generator
from pathlib import Path

import pytest

from gristmill.artifacts import Store
from gristmill.recipe import Recipe, parse
from jobs import events
from jobs.conduct import Conductor, Stopped
from jobs.events import StageEvent
from jobs.launch import stop_run
from jobs.runs import Runs, RunState, new_state
from tests.job_table import JobTable

TEXT = """
name: small
corpus: {sources: [{kind: installed, names: [typer, rich]}]}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 1e-3, steps: 10}
serve: {}
"""


def _run(
    folder: Path, jobs: JobTable, stages: tuple[str, ...] = (), recipe: Recipe | None = None
) -> tuple[int, RunState, Runs]:
    url = str(folder / "store")
    runs, recipe = Runs.open(url), recipe or parse(TEXT)
    state = new_state(recipe, url, stages, jobs.address)
    runs.create(state, recipe)
    code = Conductor(runs, Store.open(url), jobs, state).carry_out()  # type: ignore[arg-type]
    return code, runs.read(state.run), runs


def _events(text: str) -> list[StageEvent]:
    return [event for line in text.splitlines() if (event := events.parse(line)) is not None]


def test_every_stage_is_a_job_and_the_state_tells_how_it_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = JobTable()
    code, state, runs = _run(tmp_path, jobs)
    assert (code, state.status) == (0, "succeeded")
    assert [(step.key, step.status) for step in state.steps] == [
        ("corpus", "done"), ("tokenizer", "done"), ("tokens", "done"), ("pretrain", "done"),
        ("serve", "done"),
    ]  # fmt: skip
    assert [job.split("-")[0] for job in jobs.jobs] == [step.stage for step in state.steps]
    assert jobs.jobs[state.steps[0].job].metadata["owner"] == state.owner
    said = _events(capsys.readouterr().out)
    assert [event.change for event in said[:5]] == ["planned"] * 5
    assert [event.change for event in said[5:]] == ["submitted", "done"] * 5
    corpus = Store.open(state.store).find(state.steps[0].fingerprint)
    assert corpus is not None and b"small-corpus@" in corpus.storage.read_bytes("job.log")
    kept = runs.read_log(state.run, state.steps[0].job)
    assert kept is not None and "@progress" in kept


def test_progress_passes_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(tmp_path, JobTable(), ("corpus",))
    assert '@progress {"stage": "corpus", "done": 1' in capsys.readouterr().out


def test_what_is_in_the_store_is_not_submitted_but_the_endpoint_is(tmp_path: Path) -> None:
    _run(tmp_path, JobTable())
    again = JobTable()
    code, state, _ = _run(tmp_path, again)
    assert code == 0
    assert [step.status for step in state.steps] == ["cached"] * 4 + ["done"]
    assert [name.split("-")[0] for name in again.jobs] == ["serve"]


def test_only_what_was_asked_for_is_made(tmp_path: Path) -> None:
    _, state, _ = _run(tmp_path, JobTable(), ("tokenizer",))
    assert [step.key for step in state.steps] == ["corpus", "tokenizer"]


@pytest.mark.parametrize(
    ("codes", "ending", "submitted"),
    [([137, 70], 0, 3), ([137, 137, 137], 1, 3), ([1], 1, 1), ([2], 1, 1)],
)
def test_a_death_is_retried_twice_and_a_reason_never(
    tmp_path: Path, codes: list[int], ending: int, submitted: int
) -> None:
    jobs = JobTable(exits={"corpus": codes})
    code, state, _ = _run(tmp_path, jobs, ("corpus",))
    assert (code, len(jobs.jobs)) == (ending, submitted)
    assert state.status == ("succeeded" if ending == 0 else "failed")
    if ending:
        assert "stage corpus failed" in state.message and "the disk is full" in state.message
        assert state.steps[0].status == "failed"


def test_a_live_job_of_another_run_is_followed_and_used_up_ids_are_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, state, _ = _run(tmp_path, JobTable(), ("corpus",))
    prefix = state.steps[0].job.removesuffix("1")
    other = tmp_path / "other"

    class Shared(JobTable):
        """The job ends, its artifact in the store, while it is followed."""

        def follow(self, submission_id: str) -> Generator[str, None, None]:
            (tmp_path / "store/small-corpus").rename(other / "store/small-corpus")
            self.add(submission_id, "SUCCEEDED", {"owner": "bob"}, 0)
            yield from ()

    theirs = Shared()
    theirs.add(f"{prefix}1", "FAILED", {}, 1)
    theirs.add(f"{prefix}2", "RUNNING", {"owner": "bob", "store": f"{other}/store"}, None)
    theirs.add(f"{prefix}3", "RUNNING", {"owner": "eve", "store": "/another/store"}, None)
    code, state, _ = _run(other, theirs, ("corpus",))
    assert code == 0
    assert state.steps[0].job == f"{prefix}2"
    assert "submitted by bob" in capsys.readouterr().out


def test_stopping_ends_the_stage_and_keeps_what_was_made(tmp_path: Path) -> None:
    jobs = JobTable()

    def stop_at_tokens(name: str) -> None:
        if name.startswith("tokens-"):
            raise Stopped

    jobs.before = stop_at_tokens
    code, state, runs = _run(tmp_path, jobs)
    assert (code, state.status) == (130, "stopped")
    assert [step.status for step in state.steps[:2]] == ["done", "done"]
    again = JobTable()
    assert _run(tmp_path, again)[0] == 0
    assert not any(name.startswith("corpus") for name in again.jobs)
    assert runs.live() == []


def test_a_stage_that_another_run_follows_is_not_stopped(tmp_path: Path) -> None:
    jobs = JobTable()
    _, state, runs = _run(tmp_path, jobs, ("corpus",))
    running = state.steps[0].model_copy(update={"status": "running"})
    both = [
        state.model_copy(update={"run": name, "status": "running", "steps": (running,)})
        for name in ("one", "two")
    ]
    for each in both:
        runs.write(each)
        jobs.add(f"run-{each.run}", "RUNNING", {}, None)
    jobs.add(running.job, "RUNNING", {}, None)
    assert stop_run(both[0], runs, jobs) == ["run-one"]  # type: ignore[arg-type]
    assert stop_run(both[1], runs, jobs) == ["run-two", running.job]  # type: ignore[arg-type]
    assert {runs.read(name).status for name in ("one", "two")} == {"stopped"}


def test_a_recipe_that_cannot_be_read_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    missing = parse(TEXT, ["corpus.sources=[{kind: folder, path: /no/such/place}]"])
    code, state, _ = _run(tmp_path, JobTable(), recipe=missing)
    assert code == 1
    assert state.status == "failed" and "/no/such/place" in state.message


def test_a_live_job_that_writes_into_another_store_is_not_followed(tmp_path: Path) -> None:
    _, state, _ = _run(tmp_path, JobTable(), ("corpus",))
    prefix = state.steps[0].job.removesuffix("1")
    jobs = JobTable()
    jobs.add(f"{prefix}1", "RUNNING", {"owner": "bob", "store": str(tmp_path / "store")}, None)
    code, state, _ = _run(tmp_path / "it's mine", jobs, ("corpus",))
    assert (code, state.steps[0].job) == (0, f"{prefix}2")


def test_an_error_nobody_foresaw_leaves_no_live_state(tmp_path: Path) -> None:
    def fall_over(name: str) -> None:
        raise ValueError("the sky is falling")

    code, state, runs = _run(tmp_path, JobTable(before=fall_over), ("corpus",))
    assert (code, state.status, runs.live()) == (1, "failed", [])
    assert "the sky is falling" in state.message and state.steps[0].status == "failed"


def test_a_stage_submitted_while_the_run_was_being_stopped_is_stopped_too(tmp_path: Path) -> None:
    jobs = JobTable()
    _, state, runs = _run(tmp_path, jobs, ("corpus",))
    running = state.steps[0].model_copy(update={"status": "running"})
    state = state.model_copy(update={"status": "running", "steps": (running,)})
    runs.write(state)
    conductor = f"run-{state.run}"
    jobs.add(conductor, "RUNNING", {}, None)

    class Late(JobTable):
        """The conductor's last submission reaches the cluster while the conductor ends."""

        def stop(self, submission_id: str) -> bool:
            if submission_id == conductor:
                self.add(running.job, "RUNNING", {}, None)
            return super().stop(submission_id)

    late = Late(jobs=jobs.jobs)
    assert stop_run(state, runs, late) == [conductor, running.job]  # type: ignore[arg-type]
