"""The front: HTTP in, HTTP out, over any `Backend`. The same code in a test's process and on Ray Serve.

    GET  /                      the page; /page/<file> its assets
    GET  /health                200 when every model answers
    GET  /v1/models[/<id>]      the models, with fim, context length and artifact
    POST /v1/completions        completion; with `suffix`, infilling
    POST /v1/chat/completions   chat
    POST /beta/completions, /v1/fim/completions     DeepSeek's and Codestral's infilling
    POST /infill, /completion; GET /props, /models  llama.cpp's, for its editor plug-ins
    POST /tokenize, /detokenize                     in llama.cpp's and in vLLM's form
    /v1/health, /v1/events, /v1beta/server_setting  Tabby's; its completions are `segments` on OpenAI's path
    GET  /lineage[?model=<id>]  what a model was made from, down to repositories

A stream's first piece is waited for before the status is sent, so a refusal keeps its status. When a
client leaves, its iterator is closed, and that aborts the work.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from gristmill.errors import GristmillError, RequestError
from gristmill.serving import llamacpp, page
from gristmill.serving.answers import (
    Answer,
    ChatAnswer,
    CompletionAnswer,
    compact,
    error_body,
    frame,
    model_body,
    models_body,
)
from gristmill.serving.editors import (
    CodestralAnswer,
    CodestralBody,
    TabbyAnswer,
    TabbyBody,
    TabbyEvent,
    tabby_health,
)
from gristmill.serving.exchange import Backend, Kind, ModelCard, Piece, Refusal
from gristmill.serving.protocols import Asked, ChatBody, CompletionBody, read
from gristmill.serving.tokenizing import DetokenizeBody, TokenizeBody

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 2**20


def build_app(backend: Backend) -> FastAPI:
    """Return the application over a backend."""
    app = FastAPI(title="Gristmill", docs_url=None, redoc_url=None, openapi_url=None)
    front = Front(backend)
    app.add_api_route("/health", front.health)
    app.add_api_route("/v1/models", front.models)
    app.add_api_route("/models", front.models)
    app.add_api_route("/v1/models/{name:path}", front.model)
    app.add_api_route("/v1/completions", front.complete, methods=["POST"])
    app.add_api_route("/v1/chat/completions", front.chat, methods=["POST"])
    app.add_api_route("/beta/completions", front.complete, methods=["POST"])
    app.add_api_route("/v1/fim/completions", front.codestral, methods=["POST"])
    app.add_api_route("/infill", front.infill, methods=["POST"])
    app.add_api_route("/completion", front.native, methods=["POST"])
    app.add_api_route("/props", front.props)
    app.add_api_route("/tokenize", front.tokenize, methods=["POST"])
    app.add_api_route("/detokenize", front.detokenize, methods=["POST"])
    app.add_api_route("/v1/health", front.tabby_health, methods=["GET", "POST"])
    app.add_api_route("/v1/events", front.tabby_event, methods=["POST"])
    app.add_api_route("/v1beta/server_setting", front.tabby_setting)
    app.add_api_route("/lineage", front.lineage)
    app.add_api_route("/", page.index, response_model=None)
    app.add_api_route("/page/{name}", page.asset, response_model=None)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(GristmillError, _failed)
    app.add_exception_handler(HTTPException, _unknown_path)
    app.add_exception_handler(Exception, _failed)
    return app


class Front:
    """The routes' handlers."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    async def health(self) -> Response:
        """Say that every model answers."""
        cards = await self.backend.cards()
        return _json({"status": "ok", "models": {card.name: card.label for card in cards}})

    async def models(self) -> Response:
        """List the models."""
        return _json(models_body(await self.backend.cards()))

    async def model(self, name: str) -> Response:
        """Show one model."""
        return _json(model_body(await self._card(name, None)))

    async def lineage(self, model: str | None = None) -> Response:
        """Show what a model was made from."""
        card = await self._card(model, "completion")
        return _json(await self.backend.lineage(card.name))

    async def complete(self, request: Request) -> Response:
        """Answer a completion request, OpenAI's or, with `segments`, Tabby's."""
        values = await _values(request)
        if isinstance(values, dict) and "segments" in values:
            asked = read(TabbyBody, values)
            card = await self._card(None, "completion")
            return await self._answer(card, asked, TabbyAnswer(card.name, 1, card.label))
        body = read(CompletionBody, values)
        card = await self._card(body.model, "completion")
        answer = CompletionAnswer(card.name, body.n or 1, card.label)
        return await self._answer(card, body, answer)

    async def chat(self, request: Request) -> Response:
        """Answer a chat request."""
        body = read(ChatBody, await _values(request))
        card = await self._card(body.model, "chat")
        return await self._answer(card, body, ChatAnswer(card.name, body.n or 1, card.label))

    async def codestral(self, request: Request) -> Response:
        """Answer an infilling request as Codestral does."""
        body = read(CodestralBody, await _values(request))
        card = await self._card(body.model, "completion")
        return await self._answer(card, body, CodestralAnswer(card.name, 1, card.label))

    async def infill(self, request: Request) -> Response:
        """Answer llama.cpp's infilling request."""
        body = read(llamacpp.InfillBody, await _values(request))
        card = await self._card(body.model, "completion")
        llamacpp.check_infills(card)
        return await self._answer(card, body, llamacpp.NativeAnswer(body, card.name))

    async def native(self, request: Request) -> Response:
        """Answer llama.cpp's completion request."""
        body = read(llamacpp.NativeBody, await _values(request))
        card = await self._card(body.model, "completion")
        return await self._answer(card, body, llamacpp.NativeAnswer(body, card.name))

    async def props(self) -> Response:
        """Say what llama.cpp's clients ask of a server."""
        return _json(llamacpp.props_body(await self._card(None, "completion")))

    async def tokenize(self, request: Request) -> Response:
        """Return a text's token ids: `content` in llama.cpp's form, `prompt` in vLLM's."""
        body = read(TokenizeBody, await _values(request))
        card = await self._card(body.model, "completion")
        ids = await self.backend.encode(
            card.name, body.text, add_bos=body.adds_bos, special=body.parse_special
        )
        return _json(body.answer(ids, card))

    async def detokenize(self, request: Request) -> Response:
        """Return the text of token ids, in both forms at once."""
        body = read(DetokenizeBody, await _values(request))
        card = await self._card(body.model, "completion")
        text = await self.backend.decode(card.name, body.tokens)
        if isinstance(text, Refusal):
            raise text.error()
        return _json({"content": text, "prompt": text})

    async def tabby_health(self) -> Response:
        """Say to Tabby's clients that there is a completion model."""
        return _json(tabby_health(await self._card(None, "completion")))

    async def tabby_event(self, request: Request) -> Response:
        """Take note of what became of a suggestion; it holds no code."""
        event = read(TabbyEvent, await _values(request))
        log.info("completion %s: %s", event.completion_id, event.type)
        return Response(status_code=200)

    async def tabby_setting(self) -> Response:
        """Ask Tabby's clients to send nothing elsewhere."""
        return _json({"disable_client_side_telemetry": True})

    async def _answer(
        self, card: ModelCard, body: Asked, answer: Answer | llamacpp.NativeAnswer
    ) -> Response:
        pieces = self.backend.generate(card.name, body.generation())
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(aclosing(pieces))
            if not body.streams:
                async for item in pieces:
                    answer.add(_piece(item))
                return _json(answer.body())
            first = _piece(await anext(pieces))
            stack.pop_all()  # from here on the stream closes the pieces
        events = _events(first, pieces, answer, body.counts_usage)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    async def _card(self, name: str | None, kind: Kind | None) -> ModelCard:
        """Return the model asked for: by its id, by `artifact@version`, or the default of a kind."""
        cards = await self.backend.cards()
        if name is None:
            fitting = [card for card in cards if card.kind == kind] or list(cards)
            if fitting:
                return fitting[0]
        for card in cards:
            if name in (card.name, card.label):
                return card
        known = ", ".join(card.name for card in cards) or "none"
        raise RequestError(
            f"model '{name}' is not served here; models are {known}",
            status=404, param="model", code="model_not_found",
        )  # fmt: skip


async def _events(
    first: Piece,
    pieces: AsyncGenerator[Piece | Refusal, None],
    answer: Answer | llamacpp.NativeAnswer,
    counts_usage: bool,
) -> AsyncIterator[str]:
    """Yield a stream's events; an error after the first byte is an event too."""
    async with aclosing(pieces):
        for event in answer.start():
            yield event
        yield answer.event(first)
        try:
            async for item in pieces:
                yield answer.event(_piece(item))
        except Exception as error:  # the status is sent: the stream itself must say it
            told = _told(error)
            native = isinstance(answer, llamacpp.NativeAnswer)
            yield frame(llamacpp.error_body(told) if native else error_body(told))
            return
        for event in answer.end(counts_usage):
            yield event


async def _values(request: Request) -> object:
    body = bytearray()
    async for (
        part
    ) in request.stream():  # counted as it comes: a body is never held beyond the limit
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(
                f"the body is longer than {MAX_BODY_BYTES} bytes, the most that is taken",
                status=413,
            )
    try:
        return json.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is not JSON: {error}") from error


def _piece(item: Piece | Refusal) -> Piece:
    if isinstance(item, Refusal):
        raise item.error()
    return item


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(compact(value), status, headers, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {"Retry-After": "1"} if error.status in (429, 503) else {}
    return _json(_error_body(request, error), error.status, headers)


async def _failed(request: Request, error: Exception) -> Response:
    return _json(_error_body(request, _told(error)), 500)


def _error_body(request: Request, error: RequestError) -> dict[str, Any]:
    """Return the error in the form of the protocol whose path was asked."""
    native = request.url.path in llamacpp.PATHS
    return llamacpp.error_body(error) if native else error_body(error)


def _told(error: Exception) -> RequestError:
    """Return an error as the client is told it; one that nobody raised on purpose is logged."""
    if isinstance(error, RequestError):
        return error
    log.error("a request failed", exc_info=error)
    message = str(error) if isinstance(error, GristmillError) else f"internal error: {error!r}"
    return RequestError(message, status=500)


async def _unknown_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return _json(error_body(RequestError(message, status=error.status_code)), error.status_code)
