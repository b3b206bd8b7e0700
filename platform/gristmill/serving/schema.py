"""The endpoint's OpenAPI document, made from the very models that read the requests.

Bodies are read by hand (a body's protocol is told by its fields, errors have each protocol's form), so
FastAPI cannot see them; this page can. Answers are described by their status and their outermost fields.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gristmill import __version__
from gristmill.serving.editors import CodestralBody, TabbyBody, TabbyEvent
from gristmill.serving.llamacpp import InfillBody, NativeBody
from gristmill.serving.protocols import ChatBody, CompletionBody
from gristmill.serving.tokenizing import DetokenizeBody, TokenizeBody

_POSTS: tuple[tuple[str, str, tuple[type[BaseModel], ...]], ...] = (
    ("/v1/completions", "Complete; with suffix, infill", (CompletionBody, TabbyBody)),
    ("/v1/chat/completions", "Answer a chat", (ChatBody,)),
    ("/beta/completions", "Infill, as DeepSeek", (CompletionBody,)),
    ("/v1/fim/completions", "Infill, as Codestral", (CodestralBody,)),
    ("/infill", "Infill, as llama.cpp", (InfillBody,)),
    ("/completion", "Complete, as llama.cpp", (NativeBody,)),
    ("/tokenize", "Text to token ids", (TokenizeBody,)),
    ("/detokenize", "Token ids to text", (DetokenizeBody,)),
    ("/v1/context", "Other files that a completion is given", (CompletionBody,)),
    ("/v1/events", "What became of a suggestion", (TabbyEvent,)),
)
_GETS = (
    ("/health", "Whether every model answers"),
    ("/metrics", "For Prometheus"),
    ("/v1/models", "The models"),
    ("/models", "The models"),
    ("/props", "What llama.cpp's clients ask of a server"),
    ("/v1/health", "What Tabby's clients ask of a server"),
    ("/v1beta/server_setting", "Settings of Tabby's clients"),
    ("/", "The page"),
)
_STREAMS = frozenset(
    {"/v1/completions", "/v1/chat/completions", "/beta/completions", "/v1/fim/completions"}
    | {"/infill", "/completion"}
)
_STATUSES = {
    "400": "The request is wrong; the answer names the field",
    "401": "No API key, or an unknown one",
    "404": "The model is not served here",
    "405": "Another method is wanted",
    "408": "No complete answer in time",
    "413": "The body is too large",
    "429": "Too much at once; Retry-After says when to come back",
    "501": "The model cannot do this",
    "503": "The model is loading",
}
_TEMPLATE = "#/components/schemas/{model}"


@cache
def openapi() -> dict[str, Any]:
    """Return the document."""
    kinds = dict.fromkeys(kind for _, _, bodies in _POSTS for kind in bodies)
    _, found = models_json_schema([(kind, "validation") for kind in kinds], ref_template=_TEMPLATE)
    paths: dict[str, Any] = {path: {"get": _operation(what, path)} for path, what in _GETS}
    for path, what, bodies in _POSTS:
        refs = [{"$ref": _TEMPLATE.format(model=kind.__name__)} for kind in bodies]
        schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
        operation = _operation(what, path)
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
        paths.setdefault(path, {})["post"] = operation
    for path, what, name, place in (
        ("/v1/models/{name}", "One model", "name", "path"),
        ("/lineage", "What a model was made from", "model", "query"),
        ("/v1/repositories", "What the index knows", "model", "query"),
    ):
        paths[path] = {"get": _operation(what, path)}
        paths[path]["get"]["parameters"] = [
            {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
        ]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gristmill", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": found.get("$defs", {}),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(what: str, path: str) -> dict[str, Any]:
    kind = {"/": "text/html", "/metrics": "text/plain"}.get(path, "application/json")
    content: dict[str, Any] = {kind: {}}
    if path in _STREAMS:
        content["text/event-stream"] = {}
    answers: dict[str, Any] = {"200": {"description": "The answer", "content": content}}
    if path == "/v1/events":
        answers["200"] = {"description": "Noted"}
    errors = {
        status: {"description": text, "content": {"application/json": {}}}
        for status, text in _STATUSES.items()
    }
    return {"summary": what, "responses": answers | errors}
