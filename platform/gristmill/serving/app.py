"""The front: HTTP in, HTTP out, over any `Backend`. The same code in a test's process and on Ray Serve.

    GET  /                      the page; /page/<file> its assets
    GET  /health                200 when every model answers
    GET  /metrics               for Prometheus, under vLLM's names; /openapi.json the schema of it all
    GET  /v1/models[/<id>]      the models, with fim, context length and artifact
    POST /v1/completions        completion; with `suffix`, infilling
    POST /v1/chat/completions   chat
    POST /beta/completions, /v1/fim/completions     DeepSeek's and Codestral's infilling
    POST /infill, /completion; GET /props, /models  llama.cpp's, for its editor plug-ins
    POST /tokenize, /detokenize                     in llama.cpp's and in vLLM's form
    /v1/health, /v1/events, /v1beta/server_setting  Tabby's; its completions are `segments` on OpenAI's path
    GET  /v1/repositories; POST /v1/context         what the index gives a completion request
    GET  /lineage[?model=<id>]  what a model was made from, down to repositories

`door.py` stands before all of them (keys, limits, origins), `front.py` holds the handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from gristmill.errors import GristmillError, RequestError
from gristmill.serving import page
from gristmill.serving.access import FrontSettings
from gristmill.serving.calls import Call
from gristmill.serving.door import Door, call_of
from gristmill.serving.exchange import Backend
from gristmill.serving.front import Front, json_response
from gristmill.serving.metrics import Metrics
from gristmill.serving.refusals import body_of, headers_of, told
from gristmill.serving.schema import openapi
from gristmill.serving.traces import Traces

GET, POST = ["GET"], ["POST"]
UNTRACED = frozenset({"/health", "/metrics"})
"""What machines ask every few seconds."""


def build_app(backend: Backend, settings: FrontSettings | None = None) -> FastAPI:
    """Return the application over a backend."""
    settings = settings or FrontSettings()
    app = FastAPI(title="Gristmill", docs_url=None, redoc_url=None, openapi_url=None)
    metrics = Metrics()
    front = Front(backend, settings, metrics)
    routes: list[tuple[str, Callable[..., Awaitable[Response]], list[str]]] = [
        ("/health", front.health, GET),
        ("/metrics", front.metrics_text, GET),
        ("/v1/models", front.models, GET),
        ("/models", front.models, GET),
        ("/v1/models/{name:path}", front.model, GET),
        ("/v1/completions", front.complete, POST),
        ("/v1/chat/completions", front.chat, POST),
        ("/chat/completions", front.chat, POST),
        ("/beta/completions", front.complete, POST),
        ("/v1/fim/completions", front.codestral, POST),
        ("/infill", front.infill, POST),
        ("/completion", front.native, POST),
        ("/completions", front.native, POST),
        ("/props", front.props, GET),
        ("/tokenize", front.tokenize, POST),
        ("/detokenize", front.detokenize, POST),
        ("/v1/repositories", front.repositories, GET),
        ("/v1/context", front.context, POST),
        ("/v1/health", front.tabby_health, ["GET", "POST"]),
        ("/v1/events", front.tabby_event, POST),
        ("/v1beta/server_setting", front.tabby_setting, GET),
        ("/lineage", front.lineage, GET),
        ("/", page.index, GET),
        ("/page/{name}", page.asset, GET),
    ]
    for path, handler, methods in routes:
        app.add_api_route(path, handler, methods=methods, response_model=None)

    async def schema() -> Response:
        return json_response(openapi())

    app.add_api_route("/openapi.json", schema, methods=GET, response_model=None)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(GristmillError, _refused)
    app.add_exception_handler(HTTPException, _unknown_path)
    app.add_exception_handler(Exception, _refused)
    traces = Traces.to(settings.traces) if settings.traces else None
    app.add_middleware(Door, settings=settings, closed=_closing(metrics, traces))
    return app


def _closing(metrics: Metrics, traces: Traces | None) -> Callable[[Call], None]:
    def closed(call: Call) -> None:
        metrics.record(call)
        if traces is not None and call.path not in UNTRACED:
            traces.record(call)
        if call.status in (401, 413, 429, 503):
            metrics.refused(
                call.model, {401: "key", 413: "size", 429: "load"}.get(call.status, "down")
            )

    return closed


async def _refused(request: Request, error: Exception) -> Response:
    said = told(error)
    call = call_of(request)
    headers = headers_of(said, is_infilling=call.is_infilling)
    return json_response(body_of(request.url.path, said), said.status, dict(headers))


async def _unknown_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    said = RequestError(message, status=error.status_code)
    headers = dict(error.headers or {})  # 405 names the methods there are
    return json_response(body_of(request.url.path, said), said.status, headers)
