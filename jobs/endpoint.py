"""The endpoint seen from a client: is it up, does it complete code, what does it serve."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

import httpx

from gristmill.errors import ClusterError, GristmillError
from gristmill.recipe import Recipe

PREFIX = "def add(a, b):\n    "
SUFFIX = "\n\nprint(add(1, 2))\n"
COLD_START_S = 180.0
"""How long a model that has been scaled to zero may take to come back with its first answer."""


def endpoint_of(recipe: Recipe) -> str:
    """Return the address of the endpoint that a recipe's serve section describes."""
    if recipe.serve is None:
        return ""
    host = "127.0.0.1" if recipe.serve.host in ("0.0.0.0", "::") else recipe.serve.host
    return f"http://{host}:{recipe.serve.port}"


def check_free(host: str, port: int) -> None:
    """Raise ClusterError when an endpoint cannot listen at this address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ClusterError(
                    f"the endpoint cannot listen on {host}:{port}: {error.strerror}; "
                    "give an address of this machine with --host"
                ) from error
            raise ClusterError(
                f"port {port} on {host} is taken, and the endpoint needs it; stop what listens "
                f"there, or choose another: --set serve.port={port + 1}"
            ) from error


def healthy(endpoint: str) -> bool:
    """Say whether the endpoint answers."""
    try:
        return httpx.get(f"{endpoint}/health", timeout=10).is_success
    except httpx.HTTPError:
        return False


def models(endpoint: str, timeout_s: float = 30.0) -> list[dict[str, Any]]:
    """Return what `/v1/models` says. Raises GristmillError."""
    try:
        answer = httpx.get(f"{endpoint}/v1/models", timeout=timeout_s)
        answer.raise_for_status()
        return list(answer.json()["data"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise GristmillError(f"no endpoint answers at {endpoint}: {error}") from error


def check_completion(endpoint: str, tries: int = 3) -> str:
    """Ask for one infilling and return it, on one line. Raises GristmillError."""
    model = models(endpoint, COLD_START_S)[0]["id"]
    request = {
        "model": model,
        "prompt": PREFIX,
        "suffix": SUFFIX,
        "file_path": "example.py",  # as an editor sends it, and as training saw every file
        "max_tokens": 16,
        "temperature": 0,
    }
    for left in reversed(range(tries)):
        try:
            answer = httpx.post(f"{endpoint}/v1/completions", json=request, timeout=COLD_START_S)
            answer.raise_for_status()
            text: str = answer.json()["choices"][0]["text"]
            return f"{PREFIX!r} ... is completed with {text!r} by {model}"
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
            if not left:
                raise GristmillError(
                    f"the endpoint at {endpoint} is up but completes nothing: {error}"
                ) from error
            time.sleep(1)
    raise AssertionError("unreachable")
