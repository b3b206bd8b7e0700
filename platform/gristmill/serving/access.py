"""Who may ask, and how much: API keys with limits of their own, and the settings of the front.

A keys file is YAML, a list; a key is given in the clear or, better, as its SHA-256:

    - {name: alice, sha256: 9f86d0...}
    - {name: ci, key: gm-7c1f..., requests_per_minute: 60, tokens_per_minute: 20000, concurrent: 4, priority: 5}

Only digests leave this module, so a key is in no record, no log and no other process. Without keys
everybody may ask. Limits are buckets that fill evenly, one set in each front; tokens are taken when they
are known, so a key may run into debt by its last requests and then waits until it is paid.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from gristmill.errors import RecipeError, RequestError
from gristmill.section import Section

Audit = Literal["none", "requests", "texts"]
OPEN_PATHS = frozenset({"/", "/health", "/v1/health", "/metrics", "/openapi.json"})
"""Answered without a key: they say nothing of anybody's code."""
MINUTE_S = 60.0
MAX_PRIORITY = 1000


class KeyEntry(Section):
    """One line of a keys file."""

    name: str = Field(min_length=1, max_length=80)
    key: str | None = Field(None, min_length=8)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    """Of prompts and answers together."""
    concurrent: int | None = Field(None, ge=1)
    priority: int = Field(0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    """The most important that its requests can be; lower comes first."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.key is None) == (self.sha256 is None):
            raise ValueError("give either key or sha256")
        return self


@dataclass(frozen=True)
class Key:
    """Who a digest stands for, and what they may."""

    name: str
    digest: str
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrent: int | None = None
    priority: int = 0


@dataclass(frozen=True)
class FrontSettings:
    """What the front is told; nothing of it changes an answer that is given."""

    keys: tuple[Key, ...] = ()
    max_body_bytes: int = 4 * 2**20
    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may ask from: `*`, `localhost` (any port), or whole origins."""
    audit: Audit = "none"
    """`requests` logs who asked what of which model, without code; `texts` logs the texts too."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names that clients may use, each for a served model or a kind."""
    lenient: bool = False
    """Ignore fields that are not carried out, and name them in `X-Gristmill-Ignored`."""
    traces: str | None = None
    """Where spans go: an OTLP collector over HTTP; None makes none."""


def digest(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read a keys file. Raises RecipeError."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = TypeAdapter(list[KeyEntry]).validate_python(values)
    except OSError as error:
        raise RecipeError(f"keys file {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"keys file {path} is no YAML") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]  # what was found may be a key
        where = ".".join(map(str, first["loc"])) or "the file"
        raise RecipeError(f"keys file {path}: {where}: {first['msg']}") from error
    keys = tuple(_key(entry) for entry in entries)
    if not keys:
        raise RecipeError(f"keys file {path} has no keys: nobody could ask; leave serve.keys out")
    for what in ("name", "digest"):
        values = [getattr(key, what) for key in keys]
        twice = next((key.name for key in keys if values.count(getattr(key, what)) > 1), None)
        if twice is not None:
            raise RecipeError(f"keys file {path}: the {what} of '{twice}' is there twice")
    return keys


def _key(entry: KeyEntry) -> Key:
    return Key(
        entry.name,
        entry.sha256 or digest(entry.key or ""),
        entry.requests_per_minute,
        entry.tokens_per_minute,
        entry.concurrent,
        entry.priority,
    )


@dataclass
class _Bucket:
    """Holds up to a minute's worth and fills evenly."""

    per_minute: float
    filled: float
    at_s: float

    def fill(self, now_s: float) -> None:
        gained = (now_s - self.at_s) * self.per_minute / MINUTE_S
        self.filled = min(self.per_minute, self.filled + gained)
        self.at_s = now_s

    def wait_s(self, wanted: float) -> float:
        return max(0.0, (wanted - self.filled) * MINUTE_S / self.per_minute)


class Gate:
    """Lets requests in: finds the key's owner and keeps their limits."""

    def __init__(self, keys: tuple[Key, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = {key.digest: key for key in keys}
        self._clock = clock
        now = clock()
        self._requests = {
            key.name: _Bucket(key.requests_per_minute, key.requests_per_minute, now)
            for key in keys
            if key.requests_per_minute is not None
        }
        self._tokens = {
            key.name: _Bucket(key.tokens_per_minute, key.tokens_per_minute, now)
            for key in keys
            if key.tokens_per_minute is not None
        }
        self._open: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Say whether everybody may ask."""
        return not self._keys

    def identify(self, given: str | None) -> Key:
        """Return whose key this is. Raises RequestError 401."""
        if given is None:
            raise RequestError(
                "this endpoint wants an API key; send 'Authorization: Bearer <key>' or 'X-Api-Key'",
                status=401, code="missing_api_key",
            )  # fmt: skip
        key = self._keys.get(digest(given))  # by digest: no comparison that takes longer the nearer
        if key is None:
            raise RequestError(
                "this API key is not known here; ask whoever runs the endpoint for one",
                status=401, code="invalid_api_key",
            )  # fmt: skip
        return key

    def enter(self, key: Key) -> None:
        """Count a request in; `leave` it later. Raises RequestError 429 with the time to wait."""
        now = self._clock()
        if key.concurrent is not None and self._open.get(key.name, 0) >= key.concurrent:
            raise _limited(key, f"{key.concurrent} requests at once", 1.0)
        requests, tokens = self._requests.get(key.name), self._tokens.get(key.name)
        if tokens is not None:
            tokens.fill(now)
            if tokens.filled <= 0:
                raise _limited(key, f"{tokens.per_minute:g} tokens a minute", tokens.wait_s(1.0))
        if requests is not None:
            requests.fill(now)
            if requests.filled < 1:
                raise _limited(
                    key, f"{requests.per_minute:g} requests a minute", requests.wait_s(1.0)
                )
            requests.filled -= 1
        self._open[key.name] = self._open.get(key.name, 0) + 1

    def leave(self, key: Key, num_tokens: int) -> None:
        """Count a request out, and the tokens of its prompts and answers."""
        self._open[key.name] -= 1
        bucket = self._tokens.get(key.name)
        if bucket is not None:
            bucket.fill(self._clock())
            bucket.filled -= num_tokens


def _limited(key: Key, what: str, wait_s: float) -> RequestError:
    return RequestError(
        f"the key of '{key.name}' may ask for {what}; try again in {max(wait_s, 0.1):.1f} s",
        status=429,
        code="rate_limit_exceeded",
        retry_after_s=wait_s,
    )
