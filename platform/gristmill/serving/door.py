"""The door of the front, around every route: keys, limits, origins, deadlines, request ids, the audit log.

Plain ASGI, so that streams pass untouched and a client that leaves is noticed by whoever writes. The
door makes a `Call`, lets it in or answers in the asked protocol's own form, and closes it when the last
byte is out. Handlers find it at `request.state.call`.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gristmill.errors import RequestError
from gristmill.serving.access import OPEN_PATHS, FrontSettings, Gate
from gristmill.serving.answers import compact
from gristmill.serving.calls import Call
from gristmill.serving.refusals import body_of, headers_of

METHODS = "GET, POST, OPTIONS"
SHOWN_HEADERS = "Retry-After, X-Request-Id, X-Gristmill-Sources, X-Gristmill-Ignored"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Door:
    """ASGI middleware."""

    def __init__(
        self, app: ASGIApp, settings: FrontSettings, closed: Callable[[Call], None]
    ) -> None:
        """`closed` is told of every call when it is over."""
        self._app = app
        self._settings = settings
        self._gate = Gate(settings.keys)
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's message."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        call = Call(scope["method"], scope["path"])
        call.number = (headers.get("x-request-id") or call.number)[:80]
        call.traceparent = headers.get("traceparent")
        scope.setdefault("state", {})["call"] = call
        origin = self._allowed(headers.get("origin"))
        answer = _Answer(send, call, origin)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await answer.preflight()
            return
        try:
            entered = self._enter(call, headers)
        except RequestError as error:
            await answer.refuse(error)
            self._closed(call)
            call.report(self._settings.audit)
            return
        try:
            await self._app(scope, receive, answer.send)
        finally:
            if entered and call.key is not None:
                self._gate.leave(call.key, call.num_tokens)
            call.status = call.status or 499  # the client left before anything was sent
            self._closed(call)
            call.report(self._settings.audit)

    def _enter(self, call: Call, headers: Headers) -> bool:
        if self._gate.is_open or call.path in OPEN_PATHS or call.path.startswith("/page/"):
            return False
        call.key = self._gate.identify(_key_of(headers))
        self._gate.enter(call.key)
        return True

    def _allowed(self, origin: str | None) -> str | None:
        """Return the origin when pages of it may read answers."""
        if origin is None:
            return None
        for wanted in self._settings.cors_origins:
            if wanted in ("*", origin):
                return origin
            if wanted == "localhost" and _host(origin) in LOCAL:
                return origin
        return None


class _Answer:
    """Sends, adding what every answer carries, and notes the status."""

    def __init__(self, send: Send, call: Call, origin: str | None) -> None:
        self._send = send
        self._call = call
        self._origin = origin

    async def send(self, message: Message) -> None:
        """Pass a message on; the head gets the door's headers."""
        if message["type"] == "http.response.start":
            self._call.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._call.number
            if self._call.ignored:
                headers["X-Gristmill-Ignored"] = ",".join(self._call.ignored)
            if self._origin is not None:
                headers["Access-Control-Allow-Origin"] = self._origin
                headers["Access-Control-Expose-Headers"] = SHOWN_HEADERS
                headers.add_vary_header("Origin")
        await self._send(message)

    async def refuse(self, error: RequestError) -> None:
        """Answer with an error."""
        headers = headers_of(error, is_infilling=self._call.path == "/infill")
        body = compact(body_of(self._call.path, error)).encode()
        await self._whole(error.status, body, {**headers, "content-type": "application/json"})

    async def preflight(self) -> None:
        """Answer a browser's question whether its page may ask."""
        headers = {"Vary": "Origin"}
        if self._origin is not None:
            headers["Access-Control-Allow-Methods"] = METHODS
            headers["Access-Control-Allow-Headers"] = "*, Authorization"
            headers["Access-Control-Max-Age"] = "600"
        await self._whole(200, b"", headers)

    async def _whole(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        head = MutableHeaders(headers)
        head["content-length"] = str(len(body))
        start = {"type": "http.response.start", "status": status, "headers": head.raw}
        await self.send(start)
        await self._send({"type": "http.response.body", "body": body})


def call_of(request: Request) -> Call:
    """Return the call that a request is."""
    call = request.state.call
    assert isinstance(call, Call)
    return call


def _key_of(headers: Headers) -> str | None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given.strip():
        return given.strip()
    return headers.get("x-api-key") or headers.get("api-key") or None


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
