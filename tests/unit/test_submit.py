"""What a submission carries, and what a failure says."""

import asyncio
import contextlib
import gc
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from aiohttp import web

from gristmill.errors import ClusterError
from jobs.identity import ROOT
from jobs.submit import FAILURES, JobInfo, Submitter, read_token, runtime_env


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
        error_type="JOB_ENTRYPOINT_COMMAND_ERROR", exit_code=2, message="Traceback:\nlast lines\n"
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


class FakeDashboard:
    """The few routes of the job API that following needs: one job whose log never ends, one that did."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.address = ""
        self.ready = threading.Event()
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.ready.wait(10)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def _run(self) -> None:
        app = web.Application()
        app.router.add_get("/api/version", self._version)
        app.router.add_get("/api/jobs/{name}/logs/tail", self._tail)
        app.router.add_get("/api/jobs/{name}", self._info)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self.loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self.loop.run_until_complete(site.start())
        host, port = runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
        self.ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        self.loop.close()

    async def _version(self, request: web.Request) -> web.Response:
        version = {
            "version": "4",
            "ray_version": ray.__version__,
            "ray_commit": "",
            "session_name": "",
        }
        return web.json_response(version)

    async def _info(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        status = "RUNNING" if name == "endless" else "SUCCEEDED"
        job = {"type": "SUBMISSION", "submission_id": name, "status": status, "entrypoint": "true"}
        return web.json_response(job)

    async def _tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("one\ntw")
        await socket.send_str("o\n")
        if request.match_info["name"] == "endless":
            await socket.receive()  # until the client goes
            self.closed.set()
        else:
            await socket.close()
        return socket


@pytest.fixture
def dashboard() -> Iterator[FakeDashboard]:
    served = FakeDashboard()
    yield served
    served.close()


def test_following_ends_with_the_job_and_leaves_no_noise(
    dashboard: FakeDashboard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = Submitter(dashboard.address, {})
    assert list(jobs.follow("ended")) == ["one", "two"]
    gc.collect()
    assert capfd.readouterr().err == "" and caplog.text == ""


@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
def test_leaving_early_closes_the_connection_without_noise(
    dashboard: FakeDashboard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = Submitter(dashboard.address, {})
    with contextlib.closing(jobs.follow("endless")) as lines:
        assert [next(lines), next(lines)] == ["one", "two"]
    assert dashboard.closed.wait(5)
    gc.collect()
    assert capfd.readouterr().err == "" and caplog.text == ""


@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
def test_ctrl_c_while_nothing_comes_closes_the_connection_without_noise(
    dashboard: FakeDashboard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = Submitter(dashboard.address, {})
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(1.0, signal.pthread_kill, [main, signal.SIGINT]).start()
    with contextlib.closing(jobs.follow("endless")) as lines, pytest.raises(KeyboardInterrupt):
        list(lines)
    assert dashboard.closed.wait(5)
    gc.collect()
    assert capfd.readouterr().err == "" and caplog.text == ""
