"""Errors in the form of the protocol that was asked: OpenAI's, llama.cpp's or Mistral's.

    path                       body
    /infill, /completion ...   {"error": {"code": 400, "message", "type"}}             llama.cpp
    /v1/fim/completions        {"object": "error", "message", "type", "param", "code"}   Mistral
    all others                 {"error": {"message", "type", "param", "code"}}         OpenAI

429 and 503 say when to come back (`Retry-After`, whole seconds, and `retry-after-ms`). A refused infilling
says `x-should-retry: false` besides: a keystroke later its answer is of no use any more.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from gristmill.errors import GristmillError, RequestError
from gristmill.serving import llamacpp
from gristmill.serving.answers import ERROR_TYPES, error_body

log = logging.getLogger(__name__)

MISTRAL_PATHS = frozenset({"/v1/fim/completions"})
RETRY_AFTER_S = 1.0


def body_of(path: str, error: RequestError) -> dict[str, Any]:
    """Return the error as the protocol of this path has it."""
    if path in llamacpp.PATHS:
        return llamacpp.error_body(error)
    if path in MISTRAL_PATHS:
        plain = "server_error" if error.status >= 500 else "invalid_request_error"
        return {
            "object": "error",
            "message": str(error),
            "type": ERROR_TYPES.get(error.status, plain),
            "param": error.param,
            "code": error.code,
        }
    return error_body(error)


def headers_of(error: RequestError, *, is_infilling: bool) -> Mapping[str, str]:
    """Return the headers that go with an error."""
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status in (429, 503):
        wait_s = RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
        headers["retry-after-ms"] = str(max(1, math.ceil(1000 * wait_s)))
        if is_infilling:
            headers["x-should-retry"] = "false"
    return headers


def told(error: Exception) -> RequestError:
    """Return an error as the client is told it; one that nobody raised on purpose is logged."""
    if isinstance(error, RequestError):
        return error
    log.error("a request failed", exc_info=error)
    message = str(error) if isinstance(error, GristmillError) else f"internal error: {error!r}"
    return RequestError(message, status=500)
