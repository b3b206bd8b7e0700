"""What a submission carries, and what a failure says."""

import json
from pathlib import Path

import pytest

from gristmill.errors import ClusterError
from jobs.identity import ROOT
from jobs.submit import FAILURES, JobInfo, read_token, runtime_env


def info(**values: object) -> JobInfo:
    plain: dict[str, object] = {
        "id": "corpus-1",
        "status": "FAILED",
        "entrypoint": "true",
        "metadata": {},
        "message": "",
        "error_type": None,
        "exit_code": None,
        "start_time_s": None,
        "end_time_s": None,
    }
    return JobInfo(**(plain | values))  # type: ignore[arg-type]


def test_platform_never_travels_as_a_folder_of_the_path() -> None:
    source = runtime_env("source", {"A": "1"})
    assert source["working_dir"] == str(ROOT)
    assert source["py_modules"] == [str(ROOT / "platform" / "gristmill")]
    assert "/platform/" in source["excludes"] and source["env_vars"] == {"A": "1"}
    local = runtime_env("local", {})
    assert local["working_dir"] == f"local://{ROOT}"
    assert local["py_modules"] == [f"local://{ROOT}/platform"]
    assert runtime_env("image", {})["working_dir"] == "local:///opt/gristmill"


def test_a_job_gives_the_jobs_it_submits_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"working_dir": "gcs://a.zip", "py_modules": ["gcs://b.zip"], "env_vars": {"OLD": "1"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps({"runtime_env": own}))
    assert runtime_env("same", {"NEW": "1"}) == {
        "working_dir": "gcs://a.zip",
        "py_modules": ["gcs://b.zip"],
        "env_vars": {"NEW": "1"},
    }


def test_every_kind_of_failure_that_ray_knows_has_a_sentence() -> None:
    from ray.dashboard.modules.job.common import JobErrorType

    assert set(FAILURES) == {kind.value for kind in JobErrorType}


def test_a_failure_names_job_cause_and_code() -> None:
    text = info(
        error_type="JOB_ENTRYPOINT_COMMAND_ERROR", exit_code=2, message="last lines"
    ).failure()
    assert text == "job corpus-1: the job's command failed with exit code 2. last lines"
    assert "could not be set up" in info(error_type="RUNTIME_ENV_SETUP_FAILURE").failure()
    assert "was stopped; run again" in info(status="STOPPED").failure()
    assert info(status="RUNNING").done is False and info().done
    long = info(message="x" * 5000 + "the reason").failure()
    assert len(long) < 1700 and long.endswith("the reason")


def test_the_token_is_found_in_rays_own_order(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert read_token({}) is None
    assert read_token({"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "t"}) is None
    both = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(file)}
    assert read_token(both) == "from-file"
    assert read_token({**both, "RAY_AUTH_TOKEN": "direct"}) == "direct"
    with pytest.raises(ClusterError, match="set RAY_AUTH_TOKEN_PATH to the cluster's token"):
        read_token({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")})
