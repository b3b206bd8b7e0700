"""Jobs on a cluster: the only user of Ray's job API.

A job is a command, a submission id and metadata. The id is an idempotency key: submitting one that is
known, and has not failed, returns it. Ray runs a job once; whether there is another attempt is the
caller's business (README, "What is tried again"). A driver runs on the head, asks for no CPUs, and stays there when
the submitter goes.

The code travels in one of several ways (`CodeMode`): `local` when the cluster is on this machine (nothing
is copied), `source` uploads the checkout (content addressed, a few hundred KB), `image` uses what the
image holds. A job that submits others gives them its own code (`same`). In each, `platform/` is on the path only as `gristmill`'s parent, never as a package.

Ray lets RAY_ADDRESS override an address that is given; here the argument wins. The token is read from
the given environment and sent as a header, so that one process can talk to two clusters.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from gristmill.errors import ClusterError, JobError
from jobs.identity import ROOT, code_identity

CodeMode = Literal["auto", "local", "source", "image", "same"]
IMAGE_ROOT = "/opt/gristmill"
EXCLUDES = (
    "/platform/",  # travels as the module gristmill; here it could shadow the standard library's
    "/tests/",
    "/docs/",
    "/dist/",
    "/store/",
    "/.gristmill/",
    "/.git/",
    "/.venv/",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
)
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Where Ray tells a driver its job's runtime environment, uploads replaced by what they became."""
FAILURES = {
    "RUNTIME_ENV_SETUP_FAILURE": "the job's code or environment could not be set up on its node",
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": (
        "the job did not start in time; the head is overloaded or still coming up"
    ),
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": "the job's supervisor could not be started on the head",
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": "no node can take the job's driver",
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE": "Ray lost the job for a reason it does not name",
    "JOB_SUPERVISOR_ACTOR_DIED": (
        "the job's supervisor died, with its node or for want of memory; the next attempt goes on"
    ),
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": "the job's command could not be started",
    "JOB_ENTRYPOINT_COMMAND_ERROR": "the job's command failed",
}
"""Ray's kinds of failure in plain words."""


@dataclass(frozen=True)
class JobInfo:
    """What is known of a job."""

    id: str
    status: str
    """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
    entrypoint: str
    metadata: dict[str, str]
    message: str
    error_type: str | None
    exit_code: int | None
    start_time_s: float | None
    end_time_s: float | None

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return self.status in {"STOPPED", "SUCCEEDED", "FAILED"}

    def failure(self) -> str:
        """Say in a sentence why the job is not a success; for a job that failed or was stopped."""
        if self.status == "STOPPED":
            return f"job {self.id} was stopped; run again to go on from what it left"
        kind = FAILURES.get(self.error_type or "", "the job failed")
        code = f" with exit code {self.exit_code}" if self.exit_code not in (None, 0) else ""
        said = self.message.strip()
        if (
            self.error_type == "JOB_ENTRYPOINT_COMMAND_ERROR"
        ):  # the end of its log: the last line says it
            said = said.rpartition("\n")[2]
        return f"job {self.id}: {kind}{code}. {_gist(said)}".rstrip()


class Submitter:
    """One cluster's job API."""

    def __init__(self, address: str, env: Mapping[str, str] | None = None) -> None:
        """Connect. `env` holds RAY_AUTH_MODE and the token's place; default: this process's own.

        Raises ClusterError when nobody answers or the token is refused.
        """
        self.address = address.rstrip("/")
        self.env = dict(os.environ if env is None else env)
        self._inside = False
        headers = _token_headers(self.env)
        from ray.exceptions import AuthenticationError
        from ray.job_submission import JobSubmissionClient

        _quiet()
        try:
            with _overrides_hidden():
                self._client = JobSubmissionClient(self.address, headers=headers)
        except (RuntimeError, ConnectionError, AuthenticationError) as error:
            raise _connection_error(self.address, error, bool(headers)) from error

    @classmethod
    def here(cls) -> Submitter:
        """Connect, from inside a job, to the cluster that the job runs on. Raises ClusterError."""
        from ray.dashboard.utils import ray_address_to_api_server_url

        here = cls(ray_address_to_api_server_url(os.environ.get("RAY_ADDRESS", "auto")))
        here._inside = _JOB_CONFIG in os.environ
        return here

    def submit(
        self,
        entrypoint: str,
        submission_id: str,
        metadata: Mapping[str, str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        *,
        code: CodeMode = "auto",
    ) -> str:
        """Submit a command and return its id; a known id that did not fail is returned as it is.

        Raises JobError when the id belongs to a job that failed or was stopped (choose the next
        attempt's id), ClusterError when the cluster cannot be reached.
        """
        known = self.find(submission_id)
        if known is not None:
            if known.status in {"FAILED", "STOPPED"}:
                raise JobError(
                    f"{known.failure()}; its id is used up, submit the next attempt under another"
                )
            return submission_id
        identity = code_identity()
        mode = self._mode() if code == "auto" else code
        variables = {
            "GRISTMILL_COMMIT": identity.commit,
            "GRISTMILL_DIRTY": "1" if identity.dirty else "0",
            "PYTHONUNBUFFERED": "1",
            **(env_vars or {}),
        }
        labels = {"commit": identity.commit, "dirty": variables["GRISTMILL_DIRTY"], "code": mode}
        with self._errors():
            return self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=submission_id,
                metadata={**labels, **(metadata or {})},
                runtime_env=inherited_env(variables) or runtime_env(mode, variables),
                entrypoint_num_cpus=0,
            )

    def follow(self, submission_id: str) -> Generator[str, None, None]:
        """Yield the job's output line by line as it comes, from its start, until the job is done.

        Whoever leaves early closes it (`contextlib.closing`), and with it the connection.
        """
        seen = 0
        while True:
            done = self.info(submission_id).done
            try:
                with contextlib.closing(self._tail(submission_id)) as lines:
                    for number, line in enumerate(lines):
                        if number >= seen:
                            seen += 1
                            yield line
            except (RuntimeError, OSError):  # the connection broke: tail again, skip what was seen
                if self.info(submission_id).done:
                    yield from self.logs(submission_id).splitlines()[seen:]
                    return
                continue
            if done or self.info(submission_id).done:
                return

    def find(self, submission_id: str) -> JobInfo | None:
        """Return what is known of a job, or None when the cluster has none of this id."""
        try:
            return self.info(submission_id)
        except JobError:
            return None

    def info(self, submission_id: str) -> JobInfo:
        """Return what is known of a job. Raises JobError when there is none of this id."""
        with self._errors():
            return _info(self._client.get_job_info(submission_id))

    def status(self, submission_id: str) -> str:
        """Return PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED. Raises JobError."""
        return self.info(submission_id).status

    def check(self, submission_id: str) -> JobInfo:
        """Return a successful job's info. Raises JobError saying in plain words why it is none."""
        info = self.info(submission_id)
        if info.status in {"FAILED", "STOPPED"}:
            raise JobError(info.failure())
        return info

    def logs(self, submission_id: str) -> str:
        """Return all output of the job so far."""
        with self._errors():
            return str(self._client.get_job_logs(submission_id))

    def stop(self, submission_id: str) -> bool:
        """Ask the job to end and say whether it was running; its driver gets SIGTERM, then SIGKILL."""
        with self._errors():
            return bool(self._client.stop_job(submission_id))

    def list(self) -> list[JobInfo]:
        """Return every submitted job, oldest first."""
        with self._errors():
            jobs = [_info(job) for job in self._client.list_jobs() if job.submission_id]
        return sorted(jobs, key=lambda job: (job.start_time_s or 0.0, job.id))

    def _mode(self) -> CodeMode:
        if self._inside:
            return "same"
        host = urlsplit(self.address).hostname or ""
        return "local" if host in {"127.0.0.1", "localhost", "::1"} else "source"

    def _tail(self, submission_id: str) -> Generator[str, None, None]:
        """Yield lines from the job API's websocket; the loop is this generator's own."""
        loop = asyncio.new_event_loop()
        # Ray drops its socket without closing it when it is left early, and aiohttp complains of that
        loop.set_exception_handler(lambda loop, context: None)
        chunks = self._client.tail_job_logs(submission_id)
        assert isinstance(chunks, AsyncGenerator)
        waiting: asyncio.Future[str | None] | None = None
        rest = ""
        try:
            while True:
                waiting = asyncio.ensure_future(anext(chunks, None), loop=loop)
                chunk = loop.run_until_complete(waiting)
                if chunk is None:
                    break
                *lines, rest = (rest + chunk).split("\n")
                yield from lines
            if rest:
                yield rest
        finally:
            if (
                waiting is not None and not waiting.done()
            ):  # Ctrl-C came; a generator that runs cannot be closed
                waiting.cancel()
                loop.run_until_complete(asyncio.wait([waiting]))
            loop.run_until_complete(chunks.aclose())
            loop.run_until_complete(asyncio.sleep(0.05))  # aiohttp closes its sockets a turn later
            loop.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the job API's errors into ours."""
        from ray.exceptions import AuthenticationError

        try:
            yield
        except (ConnectionError, AuthenticationError) as error:
            raise _connection_error(self.address, error, True) from error
        except RuntimeError as error:
            text = str(error)
            if "does not exist" in text:
                raise JobError(f"the cluster at {self.address} has no such job") from error
            raise JobError(f"the job API at {self.address} refused: {_gist(text)}") from error


def runtime_env(mode: CodeMode, env_vars: Mapping[str, str]) -> dict[str, Any]:
    """Return the Ray runtime environment in which a job finds its code."""
    if mode == "same":
        own = json.loads(os.environ[_JOB_CONFIG])["runtime_env"]
        code = {key: own[key] for key in ("working_dir", "py_modules") if key in own}
        return {**code, "env_vars": dict(env_vars)}
    if mode == "source":
        return {
            "working_dir": str(ROOT),
            "excludes": list(EXCLUDES),
            "py_modules": [str(ROOT / "platform" / "gristmill")],
            "env_vars": dict(env_vars),
        }
    root = str(ROOT) if mode == "local" else IMAGE_ROOT
    return {
        "working_dir": f"local://{root}",
        "py_modules": [f"local://{root}/platform"],
        "env_vars": dict(env_vars),
    }


def inherited_env(env_vars: Mapping[str, str]) -> dict[str, Any] | None:
    """Return this job's own runtime environment for a job that it submits, or None outside a job.

    So a run's stages run the very code its conductor was submitted with, uploaded once.
    """
    own = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}").get("runtime_env") or {}
    if "working_dir" not in own:
        return None
    code = {key: own[key] for key in ("working_dir", "py_modules") if key in own}
    return {**code, "env_vars": dict(env_vars)}


def read_token(env: Mapping[str, str]) -> str | None:
    """Return the token that an environment names, by Ray's own order, or None without token mode.

    Raises ClusterError when token mode is on and there is none.
    """
    if env.get("RAY_AUTH_MODE") != "token":
        return None
    if token := env.get("RAY_AUTH_TOKEN", "").strip():
        return token
    path = Path(env.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ClusterError(
            f"RAY_AUTH_MODE is token, but {path} cannot be read: {error.strerror}; "
            "set RAY_AUTH_TOKEN_PATH to the cluster's token"
        ) from error


def _token_headers(env: Mapping[str, str]) -> dict[str, str]:
    token = read_token(env)
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _info(job: Any) -> JobInfo:
    return JobInfo(
        id=job.submission_id,
        status=str(job.status),
        entrypoint=job.entrypoint,
        metadata=dict(job.metadata or {}),
        message=job.message or "",
        error_type=None
        if job.error_type is None
        else str(getattr(job.error_type, "value", job.error_type)),
        exit_code=job.driver_exit_code,
        start_time_s=None if job.start_time is None else job.start_time / 1000,
        end_time_s=None if job.end_time is None else job.end_time / 1000,
    )


def _gist(text: str, limit: int = 1500) -> str:
    """Return the end of a message, where the reason stands."""
    text = text.strip()
    return text if len(text) <= limit else "..." + text[-limit:]


def _connection_error(address: str, error: Exception, had_token: bool) -> ClusterError:
    text = str(error)
    if "401" in text or "403" in text or "authoriz" in text.lower() or "authentic" in text.lower():
        found = "the token was refused" if had_token else "it wants a token and none was given"
        return ClusterError(
            f"cluster {address}: {found}; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH "
            "to the cluster's token file"
        )
    return ClusterError(
        f"no cluster answers at {address}: {_gist(text, 300)}; start one with `gristmill cluster up`, "
        "or give the job API's address, e.g. http://127.0.0.1:8265"
    )


def _quiet() -> None:
    """Keep Ray's client from writing about its uploads and closed sockets over the progress."""
    for name in ("job.sdk", "dashboard_sdk"):
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.WARNING)
    for name in ("packaging", "working_dir"):
        logging.getLogger(f"ray._private.runtime_env.{name}").setLevel(logging.ERROR)


_environment = threading.Lock()


@contextlib.contextmanager
def _overrides_hidden() -> Iterator[None]:
    """Hide the variables by which Ray would override an address that is given."""
    names = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    with _environment:
        hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(hidden)
