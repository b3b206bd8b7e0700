"""OpenAI's answers: whole objects, stream chunks, errors. JSON is compact: some editors need it so.

An `Answer` is told the pieces as they come and says the same thing in either form. The chunk of usage has
no choices and is sent only when asked for, because some clients read `choices[0]` of every chunk.
"""

from __future__ import annotations

import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gristmill.errors import RequestError
from gristmill.serving.exchange import ModelCard, Piece, ShownLogprob

DONE = "data: [DONE]\n\n"
ERROR_TYPES = {
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "unavailable_error",
}
"""OpenAI's error type by status; other 4xx are `invalid_request_error`, 5xx `server_error`."""


def compact(value: object) -> str:
    """Return JSON on one line without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def frame(value: object) -> str:
    """Return one server-sent event."""
    return f"data: {compact(value)}\n\n"


def error_body(error: RequestError) -> dict[str, Any]:
    """Return OpenAI's error object."""
    plain = "server_error" if error.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": str(error),
            "type": ERROR_TYPES.get(error.status, plain),
            "param": error.param,
            "code": error.code,
        }
    }


def sources_of(piece: Piece) -> list[dict[str, Any]]:
    """Return where text of an answer stands in the training corpus; `index` is the choice."""
    return [{"index": piece.index, **asdict(source)} for source in piece.sources]


def models_body(cards: Sequence[ModelCard]) -> dict[str, Any]:
    """Return the answer of `/v1/models`."""
    return {"object": "list", "data": [model_body(card) for card in cards]}


def model_body(card: ModelCard) -> dict[str, Any]:
    """Return one model as OpenAI shows it, with what editors and auditors ask beside."""
    return {
        "id": card.name,
        "object": "model",
        "created": card.created_s,
        "owned_by": "gristmill",
        "kind": card.kind,
        "fim": card.fim,
        "max_model_len": card.context,
        "artifact": card.label,
        "lineage": dict(card.lineage),
    }


@dataclass
class _Choice:
    text: str = ""
    finish_reason: str | None = None
    num_tokens: int = 0
    num_prompt: int = 0
    num_cached: int = 0
    offset: int = 0
    logprobs: list[ShownLogprob] = field(default_factory=list)


class Answer(ABC):
    """One answer to one request, in either form."""

    prefix: str
    whole: str
    chunk: str

    def __init__(self, model: str, num_choices: int, fingerprint: str) -> None:
        """`num_choices` are answers to one prompt: a prompt's tokens are counted once."""
        self.id = f"{self.prefix}-{secrets.token_hex(12)}"
        self.created_s = int(time.time())
        self.model = model
        self.fingerprint = fingerprint
        self._num_choices = num_choices
        self._choices: dict[int, _Choice] = {}
        self._sources: list[dict[str, Any]] = []

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        choice = self._choices.setdefault(piece.index, _Choice())
        choice.text += piece.text
        choice.finish_reason = piece.finish_reason or choice.finish_reason
        choice.num_tokens += piece.num_tokens
        choice.num_prompt = piece.num_prompt
        choice.num_cached = piece.num_cached
        choice.logprobs += piece.logprobs
        self._sources += sources_of(piece)

    def usage(self) -> dict[str, Any]:
        """Return the token counts of everything so far."""
        leads = [c for i, c in self._choices.items() if i % self._num_choices == 0]
        prompt = sum(choice.num_prompt for choice in leads)
        output = sum(choice.num_tokens for choice in self._choices.values())
        cached = sum(choice.num_cached for choice in leads)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def body(self) -> dict[str, Any]:
        """Return the whole answer."""
        choices = [self._whole(i, choice) for i, choice in sorted(self._choices.items())]
        told = {"sources": self._sources} if self._sources else {}
        return {**self._head(self.whole), "choices": choices, "usage": self.usage(), **told}

    def start(self) -> list[str]:
        """Return the events before the first piece."""
        return []

    def event(self, piece: Piece) -> str:
        """Take in a piece and return it as an event."""
        self.add(piece)
        return frame(self._chunk(piece))

    def usage_event(self) -> str:
        """Return the event that closes a stream whose usage was asked for."""
        return frame({**self._head(self.chunk), "choices": [], "usage": self.usage()})

    def end(self, counts_usage: bool) -> Sequence[str]:
        """Return the events after the last piece."""
        return [self.usage_event(), DONE] if counts_usage else [DONE]

    def _chunk(self, piece: Piece) -> dict[str, Any]:
        part = self._part(piece, self._choices[piece.index])
        sources = sources_of(piece)
        told = {"sources": sources} if sources else {}
        return {**self._head(self.chunk), "choices": [part], **told}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created_s,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }

    @abstractmethod
    def _whole(self, index: int, choice: _Choice) -> dict[str, Any]: ...

    @abstractmethod
    def _part(self, piece: Piece, choice: _Choice) -> dict[str, Any]: ...


class CompletionAnswer(Answer):
    """`text_completion`, whole and in chunks."""

    prefix, whole, chunk = "cmpl", "text_completion", "text_completion"

    def _whole(self, index: int, choice: _Choice) -> dict[str, Any]:
        return {
            "index": index,
            "text": choice.text,
            "logprobs": _completion_logprobs(choice.logprobs, 0),
            "finish_reason": choice.finish_reason,
        }

    def _part(self, piece: Piece, choice: _Choice) -> dict[str, Any]:
        shown = _completion_logprobs(piece.logprobs, choice.offset)
        choice.offset += sum(len(found.token) for found in piece.logprobs)
        return {
            "index": piece.index,
            "text": piece.text,
            "logprobs": shown,
            "finish_reason": piece.finish_reason,
        }


class ChatAnswer(Answer):
    """`chat.completion` and `chat.completion.chunk`."""

    prefix, whole, chunk = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def _whole(self, index: int, choice: _Choice) -> dict[str, Any]:
        return {
            "index": index,
            "message": {"role": "assistant", "content": choice.text.rstrip("\n"), "refusal": None},
            "logprobs": _chat_logprobs(choice.logprobs),
            "finish_reason": choice.finish_reason,
        }

    def start(self) -> list[str]:
        """Return one event a choice that says who speaks."""
        head = self._head(self.chunk)
        delta = {"role": "assistant", "content": ""}
        return [
            frame({**head, "choices": [{"index": i, "delta": delta, "finish_reason": None}]})
            for i in range(self._num_choices)
        ]

    def _part(self, piece: Piece, choice: _Choice) -> dict[str, Any]:
        return {
            "index": piece.index,
            "delta": {"content": piece.text} if piece.text else {},
            "logprobs": _chat_logprobs(piece.logprobs),
            "finish_reason": piece.finish_reason,
        }


def _completion_logprobs(found: Sequence[ShownLogprob], offset: int) -> dict[str, Any] | None:
    if not found:
        return None
    offsets: list[int] = []
    for shown in found:
        offsets.append(offset)
        offset += len(shown.token)
    return {
        "tokens": [shown.token for shown in found],
        "token_logprobs": [shown.logprob for shown in found],
        "top_logprobs": [dict(shown.top) for shown in found],
        "text_offset": offsets,
    }


def _chat_logprobs(found: Sequence[ShownLogprob]) -> Mapping[str, Any] | None:
    if not found:
        return None
    content = [
        {
            **_token(shown.token, shown.logprob),
            "top_logprobs": [_token(text, value) for text, value in shown.top],
        }
        for shown in found
    ]
    return {"content": content, "refusal": None}


def _token(text: str, value: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": value, "bytes": list(text.encode())}
