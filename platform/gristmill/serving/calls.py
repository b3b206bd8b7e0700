"""One call of the endpoint, from its first byte to its last: what metrics, limits and the audit log are told.

A `Call` is made at the door, filled in by the handler as pieces come, and closed when the last byte is
out or the client has left. The audit log is JSON lines of the logger `gristmill.audit`; it holds no code
unless `audit: texts` is set.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from gristmill.serving.access import Audit, Key
from gristmill.serving.exchange import Generation, Piece

audit_log = logging.getLogger("gristmill.audit")


@dataclass
class Call:
    """What is known of a call so far."""

    method: str
    path: str
    key: Key | None = None
    number: str = field(default_factory=lambda: f"call-{secrets.token_hex(8)}")
    """Sent back as `X-Request-Id`, unless the client named one."""
    began_s: float = field(default_factory=time.monotonic)
    model: str = ""
    label: str = ""
    status: int = 0
    generation: Generation | None = None
    first_s: float | None = None
    """When the first text came; of `time.monotonic`."""
    last_s: float | None = None
    gaps_s: list[float] = field(default_factory=list)
    """Between pieces of a choice, each spread over the piece's tokens."""
    queued_s: float = 0.0
    num_prompt: int = 0
    num_cached: int = 0
    num_output: int = 0
    finish_reasons: list[str] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    ignored: tuple[str, ...] = ()
    """Fields that a lenient front left out."""
    traceparent: str | None = None
    """The span of the client's that the call belongs to, as W3C writes it."""
    _seen: dict[int, tuple[float, int]] = field(default_factory=dict)

    @property
    def is_infilling(self) -> bool:
        """Say whether the text between two texts was asked for."""
        return self.generation is not None and self.generation.suffix is not None

    @property
    def num_tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.num_prompt + self.num_output

    def add(self, piece: Piece) -> None:
        """Take note of a piece."""
        now = time.monotonic()
        self.first_s = self.first_s or now
        self.last_s = now
        before, _ = self._seen.get(piece.index, (None, 0))
        if before is None:
            lead = self.generation is None or piece.index % self.generation.num_choices == 0
            self.num_prompt += piece.num_prompt if lead else 0
            self.num_cached += piece.num_cached if lead else 0
            self.queued_s = max(self.queued_s, piece.queued_s)
        elif piece.num_tokens:
            self.gaps_s += [(now - before) / piece.num_tokens] * piece.num_tokens
        if before is None and not piece.num_prompt:
            return  # an echo: the prompt is not known yet
        self._seen[piece.index] = (now, piece.num_tokens)
        self.num_output += piece.num_tokens
        self.sources += [source.repository for source in piece.sources]
        self.texts[piece.index] = self.texts.get(piece.index, "") + piece.text
        if piece.finish_reason is not None:
            self.finish_reasons.append(piece.finish_reason)

    def report(self, audit: Audit) -> None:
        """Write the audit line."""
        if audit != "none":
            audit_log.info("%s", json.dumps(self.as_json(audit), ensure_ascii=False))

    def as_json(self, audit: Audit) -> dict[str, Any]:
        """Return the audit line's values."""
        values: dict[str, Any] = {
            "time": time.time(),
            "call": self.number,
            "key": self.key.name if self.key else None,
            "method": self.method,
            "path": self.path,
            "model": self.model,
            "artifact": self.label,
            "status": self.status,
            "prompt_tokens": self.num_prompt,
            "cached_tokens": self.num_cached,
            "completion_tokens": self.num_output,
            "finish": self.finish_reasons,
            "seconds": round(time.monotonic() - self.began_s, 4),
            "sources": sorted(set(self.sources)),
        }
        if audit == "texts" and self.generation is not None:
            asked = self.generation
            values["prompts"] = [list(p) if isinstance(p, tuple) else p for p in asked.prompts]
            values["suffix"] = asked.suffix
            values["messages"] = [dict(message) for message in asked.messages]
            values["answers"] = [self.texts[index] for index in sorted(self.texts)]
        return values
