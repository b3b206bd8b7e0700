"""IDE replay: editors that type, ask at every keystroke, and drop what is stale.

Each user has a file and a place in it. A keystroke types the file's next one to five characters and asks
for a completion between what is above the cursor and what follows the line. With odds of `PAUSE` the
user waits for the answer; otherwise the next keystroke comes after a time drawn from an exponential of
mean `TYPING_S` and leaves the request that is still open. After `LINES` lines the cursor jumps elsewhere.
What is sent is what llama.vim sends, 256 lines above and 64 below; the server cuts it to its context.
So prefixes grow, most requests are left early, and much of every prompt was seen before. Closed by the
number of users, never by rate: a slow server is asked less.
"""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

TYPING_S = 0.12
PAUSE = 0.3
LINES = 4
ABOVE_LINES, BELOW_LINES = 256, 64
MAX_TOKENS = 24


@dataclass
class Replay:
    """What users saw."""

    first_s: list[float] = field(default_factory=list)
    """From keystroke to the first text, of requests that got one."""
    num_asked: int = 0
    num_left: int = 0
    """Requests that were left before their end."""
    num_prompt: int = 0
    num_cached: int = 0
    num_output: int = 0
    """Tokens of answers that came to their end, as are the two before."""
    num_failed: int = 0

    @property
    def p50_ms(self) -> float:
        return 1000 * statistics.median(self.first_s)

    @property
    def p95_ms(self) -> float:
        return 1000 * statistics.quantiles(self.first_s, n=20)[-1]

    def row(self, name: str) -> str:
        """Return a line of the table."""
        return (
            f"{name:34} p50 {self.p50_ms:7.0f} ms  p95 {self.p95_ms:7.0f} ms  "
            f"asked {self.num_asked:5}  left early {100 * self.num_left / self.num_asked:3.0f} %  "
            f"prompt from the cache {100 * self.num_cached / max(self.num_prompt, 1):3.0f} %  "
            f"failed {self.num_failed}"
        )

    def wasted(self, prompt: int, cached: int, output: int) -> tuple[float, float]:
        """Return the shares of prompt and of answer tokens that were computed for answers left early.

        The arguments are the engine's own counts.
        """
        computed = prompt - cached
        used = self.num_prompt - self.num_cached
        return 1 - used / max(computed, 1), 1 - self.num_output / max(output, 1)


def replay(url: str, files: Sequence[str], *, users: int, seconds: float, **options: Any) -> Replay:
    """Let users type for a while; `options` go into every request."""
    return asyncio.run(_replay(url, files, users, seconds, options))


async def _replay(
    url: str, files: Sequence[str], users: int, seconds: float, options: dict[str, Any]
) -> Replay:
    seen = Replay()
    until = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=4 * users)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await asyncio.gather(
            *(_user(client, files, number, until, options, seen) for number in range(users))
        )
    return seen


async def _user(
    client: httpx.AsyncClient,
    files: Sequence[str],
    number: int,
    until: float,
    options: dict[str, Any],
    seen: Replay,
) -> None:
    chance = random.Random(number)
    while time.monotonic() < until:
        text = chance.choice(files)
        lines = text.split("\n")
        start = chance.randrange(max(1, len(lines) - 2 * LINES))
        at = len("\n".join(lines[:start])) + 1
        end = at + len("\n".join(lines[start : start + LINES]))
        pending: asyncio.Task[None] | None = None
        while at < end and time.monotonic() < until:
            at += chance.randrange(1, 6)
            if pending is not None and not pending.done():
                pending.cancel()
            prefix, suffix = _window(text, at)
            pending = asyncio.create_task(_ask(client, prefix, suffix, options, seen))
            if chance.random() < PAUSE:
                await asyncio.wait([pending])
            await asyncio.sleep(chance.expovariate(1 / TYPING_S))
        if pending is not None and not pending.done():
            pending.cancel()
            await asyncio.wait([pending])


def _window(text: str, at: int) -> tuple[str, str]:
    """Return what an editor sends of a file: lines above the cursor, lines below its own."""
    above = text[:at].split("\n")
    below = text[at:].partition("\n")[2].split("\n")
    return "\n".join(above[-ABOVE_LINES:]), "\n" + "\n".join(below[:BELOW_LINES])


async def _ask(
    client: httpx.AsyncClient, prefix: str, suffix: str, options: dict[str, Any], seen: Replay
) -> None:
    body = {
        "prompt": prefix, "suffix": suffix, "max_tokens": MAX_TOKENS, "temperature": 0,
        "truncate_prompt_tokens": -1, "stream": True, "stream_options": {"include_usage": True},
        **options,
    }  # fmt: skip
    seen.num_asked += 1
    asked_s = time.monotonic()
    first = True
    try:
        async with client.stream("POST", "/v1/completions", json=body) as stream:
            seen.num_failed += stream.status_code != 200
            async for line in stream.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line[6:])
                seen.num_failed += "error" in event
                if first:
                    first = False
                    seen.first_s.append(time.monotonic() - asked_s)
                usage = event.get("usage")
                if usage:
                    seen.num_prompt += usage["prompt_tokens"]
                    seen.num_cached += usage["prompt_tokens_details"]["cached_tokens"]
                    seen.num_output += usage["completion_tokens"]
    except asyncio.CancelledError:
        seen.num_left += 1
        raise
    except httpx.HTTPError:
        seen.num_failed += 1
