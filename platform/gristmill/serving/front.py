"""The handlers of the front's routes.

Each reads its protocol's body into a `Generation`, and says the `Piece`s that come back in that
protocol's words. A stream's first piece is waited for before the status is sent, so a refusal keeps its
status. When a client leaves, its iterator is closed, and that aborts the work.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, replace
from typing import Any

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect

from gristmill.errors import RequestError
from gristmill.serving import llamacpp
from gristmill.serving.access import FrontSettings, Key
from gristmill.serving.answers import (
    Answer,
    ChatAnswer,
    CompletionAnswer,
    compact,
    frame,
    model_body,
    models_body,
)
from gristmill.serving.calls import Call
from gristmill.serving.door import call_of
from gristmill.serving.editors import (
    CodestralAnswer,
    CodestralBody,
    TabbyAnswer,
    TabbyBody,
    TabbyEvent,
    tabby_health,
)
from gristmill.serving.exchange import Backend, Generation, Kind, ModelCard, Piece, Refusal, Source
from gristmill.serving.metrics import CONTENT_TYPE, Metrics
from gristmill.serving.protocols import (
    Asked,
    Body,
    ChatBody,
    CompletionBody,
    declined_fields,
    read,
)
from gristmill.serving.refusals import body_of, told
from gristmill.serving.tokenizing import DetokenizeBody, TokenizeBody

log = logging.getLogger(__name__)

DEADLINE = "x-request-timeout-seconds"
MAX_SHOWN_SOURCES = 8
CHAT_LENGTHS = ("max_tokens", "max_completion_tokens")


class Front:
    """The routes' handlers."""

    def __init__(self, backend: Backend, settings: FrontSettings, metrics: Metrics) -> None:
        self.backend = backend
        self.settings = settings
        self.metrics = metrics

    async def health(self) -> Response:
        """Say that every model answers."""
        cards = await self.backend.cards()
        return json_response({"status": "ok", "models": {card.name: card.label for card in cards}})

    async def metrics_text(self) -> Response:
        """Answer a scrape."""
        text = self.metrics.render(await self.backend.loads())
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def models(self) -> Response:
        """List the models."""
        return json_response(models_body(await self.backend.cards()))

    async def model(self, name: str) -> Response:
        """Show one model."""
        return json_response(model_body(await self._card(name, None)))

    async def lineage(self, model: str | None = None) -> Response:
        """Show what a model was made from."""
        card = await self._card(model, "completion")
        return json_response(await self.backend.lineage(card.name))

    async def complete(self, request: Request) -> Response:
        """Answer a completion request, OpenAI's or, with `segments`, Tabby's."""
        values = await self._values(request)
        if isinstance(values, dict) and "segments" in values:
            asked = self._read(request, TabbyBody, values)
            card = await self._card(None, "completion")
            answer: Answer = TabbyAnswer(card.name, 1, card.label)
            return await self._answer(request, card, asked, answer)
        body = self._read(request, CompletionBody, values)
        card = await self._card(body.model, "completion")
        answer = CompletionAnswer(card.name, body.n or 1, card.label)
        return await self._answer(request, card, body, answer)

    async def chat(self, request: Request) -> Response:
        """Answer a chat request."""
        body = self._read(request, ChatBody, await self._values(request))
        card = await self._card(body.model, "chat")
        answer = ChatAnswer(card.name, body.n or 1, card.label)
        return await self._answer(request, card, body, answer)

    async def codestral(self, request: Request) -> Response:
        """Answer an infilling request as Codestral does."""
        body = self._read(request, CodestralBody, await self._values(request))
        card = await self._card(body.model, "completion")
        return await self._answer(request, card, body, CodestralAnswer(card.name, 1, card.label))

    async def infill(self, request: Request) -> Response:
        """Answer llama.cpp's infilling request."""
        body = self._read(request, llamacpp.InfillBody, await self._values(request))
        card = await self._card(body.model, "completion")
        llamacpp.check_infills(card)
        return await self._answer(request, card, body, llamacpp.NativeAnswer(body, card.name))

    async def native(self, request: Request) -> Response:
        """Answer llama.cpp's completion request."""
        body = self._read(request, llamacpp.NativeBody, await self._values(request))
        card = await self._card(body.model, "completion")
        return await self._answer(request, card, body, llamacpp.NativeAnswer(body, card.name))

    async def props(self) -> Response:
        """Say what llama.cpp's clients ask of a server."""
        return json_response(llamacpp.props_body(await self._card(None, "completion")))

    async def tokenize(self, request: Request) -> Response:
        """Return a text's token ids: `content` in llama.cpp's form, `prompt` in vLLM's."""
        body = self._read(request, TokenizeBody, await self._values(request))
        card = await self._card(body.model, "completion")
        ids = await self.backend.encode(
            card.name, body.text, add_bos=body.adds_bos, special=body.parse_special
        )
        return json_response(body.answer(ids, card))

    async def detokenize(self, request: Request) -> Response:
        """Return the text of token ids, in both forms at once."""
        body = self._read(request, DetokenizeBody, await self._values(request))
        card = await self._card(body.model, "completion")
        text = await self.backend.decode(card.name, body.tokens)
        if isinstance(text, Refusal):
            raise text.error()
        return json_response({"content": text, "prompt": text})

    async def repositories(self, model: str | None = None) -> Response:
        """List the repositories whose index can give context."""
        card = await self._card(model, "completion")
        return json_response({"repositories": list(await self.backend.repositories(card.name))})

    async def context(self, request: Request) -> Response:
        """Show the other files that a completion request would be given."""
        body = self._read(request, CompletionBody, await self._values(request))
        card = await self._card(body.model, "completion")
        asked = body.generation()
        if asked.repository is None:
            raise RequestError("'repository' is missing: say whose files", param="repository")
        found = await self.backend.context(card.name, asked)
        if isinstance(found, Refusal):
            raise found.error()
        return json_response({"files": [{"path": path, "text": text} for path, text in found]})

    async def tabby_health(self) -> Response:
        """Say to Tabby's clients that there is a completion model."""
        return json_response(tabby_health(await self._card(None, "completion")))

    async def tabby_event(self, request: Request) -> Response:
        """Take note of what became of a suggestion; it holds no code."""
        event = self._read(request, TabbyEvent, await self._values(request))
        self.metrics.event((await self._card(None, "completion")).name, event.type)
        return Response(status_code=200)

    async def tabby_setting(self) -> Response:
        """Ask Tabby's clients to send nothing elsewhere."""
        return json_response({"disable_client_side_telemetry": True})

    async def _answer(
        self,
        request: Request,
        card: ModelCard,
        body: Asked,
        answer: Answer | llamacpp.NativeAnswer,
    ) -> Response:
        call = call_of(request)
        call.model, call.label = card.name, card.label
        call.generation = _of_key(body.generation(), call.key, _deadline(request))
        pieces = self.backend.generate(card.name, call.generation)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(aclosing(pieces))
            if not body.streams:
                sources: list[Source] = []
                async for item in pieces:
                    piece = _piece(item)
                    call.add(piece)
                    answer.add(piece)
                    sources += piece.sources
                return json_response(answer.body(), headers=_source_headers(sources))
            first = _piece(await anext(pieces))
            stack.pop_all()  # from here on the stream closes the pieces
        events = _events(call, first, pieces, answer, body.counts_usage)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    async def _card(self, name: str | None, kind: Kind | None) -> ModelCard:
        """Return the model asked for: by its id, by `artifact@version`, or the default of a kind."""
        cards = await self.backend.cards()
        asked = name = name or None  # llama.vim sends an empty one where none is set
        if name is not None and name in self.settings.aliases:
            name = self.settings.aliases[name]
            if name in ("completion", "chat"):
                name, kind = None, name
        if name is None:
            fitting = [card for card in cards if card.kind == kind] or list(cards)
            if fitting:
                return fitting[0]
        for card in cards:
            if name in (card.name, card.label):
                return card
        known = ", ".join(card.name for card in cards) or "none"
        raise RequestError(
            f"model '{asked}' is not served here; models are {known}",
            status=404, param="model", code="model_not_found",
        )  # fmt: skip

    def _read(self, request: Request, kind: type[Body], values: object) -> Body:
        if self.settings.lenient and isinstance(values, dict):
            declined = declined_fields(kind, values)
            if kind is ChatBody:  # a chat of no tokens says nothing: the length is left open
                declined += [name for name in CHAT_LENGTHS if values.get(name) == 0]
            call_of(request).ignored = tuple(declined)
            values = {name: value for name, value in values.items() if name not in declined}
        return read(kind, values)

    async def _values(self, request: Request) -> object:
        limit = self.settings.max_body_bytes
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > limit:
            raise _too_large(limit)
        body = bytearray()
        try:
            async for part in request.stream():
                body += part  # counted as it comes: a body is never held beyond the limit
                if len(body) > limit:
                    raise _too_large(limit)
        except ClientDisconnect as error:
            raise RequestError("the client left before its body had come", status=499) from error
        try:
            return json.loads(body, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"the body is not JSON: {error}") from error


async def _events(
    call: Call,
    first: Piece,
    pieces: AsyncGenerator[Piece | Refusal, None],
    answer: Answer | llamacpp.NativeAnswer,
    counts_usage: bool,
) -> AsyncIterator[str]:
    """Yield a stream's events; an error after the first byte is an event too."""
    async with aclosing(pieces):
        for event in answer.start():
            yield event
        call.add(first)
        yield answer.event(first)
        try:
            async for item in pieces:
                piece = _piece(item)
                call.add(piece)
                yield answer.event(piece)
        except Exception as error:  # the status is sent: the stream itself must say it
            yield frame(body_of(call.path, told(error)))
            return
        for event in answer.end(counts_usage):
            yield event


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return compact JSON."""
    return Response(compact(value), status, headers, media_type="application/json")


def _piece(item: Piece | Refusal) -> Piece:
    if isinstance(item, Refusal):
        raise item.error()
    return item


def _of_key(asked: Generation, key: Key | None, timeout_s: float | None) -> Generation:
    """Return the request with what its key says of it: who asks, and how important that can be."""
    if key is None:
        return replace(asked, timeout_s=timeout_s)
    user, priority = asked.user or key.name, max(asked.priority, key.priority)
    return replace(asked, timeout_s=timeout_s, user=user, priority=priority)


def _deadline(request: Request) -> float | None:
    """Return the seconds after which the client has no use for an answer. Raises RequestError."""
    given = request.headers.get(DEADLINE)
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not (0 < seconds < math.inf):
        raise RequestError(f"{DEADLINE} is '{given[:40]}'; give seconds above 0", param=DEADLINE)
    return seconds


def _source_headers(sources: Iterable[Source]) -> dict[str, str] | None:
    """Return the header that says where an answer's text stands in the training corpus."""
    rows = [{k: v for k, v in asdict(source).items() if v is not None} for source in sources]
    if not rows:
        return None
    return {"X-Gristmill-Sources": json.dumps(rows[:MAX_SHOWN_SOURCES], separators=(",", ":"))}


def _too_large(limit: int) -> RequestError:
    return RequestError(
        f"the body is longer than {limit} bytes, the most that is taken; send less of the file",
        status=413,
        code="body_too_large",
    )


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
