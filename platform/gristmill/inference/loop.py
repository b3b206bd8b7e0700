"""An engine's thread, and the asynchronous side of it.

One thread steps every engine that has work; whoever asks from an event loop gets an asynchronous stream.
Requests and aborts are handed over between two steps, so an abort frees its blocks before the next one.
A request stays with the engine it was given to: to exchange a model, give new requests to the new engine;
the old one finishes what it has and is then forgotten. Deltas that pile up before they are read
are merged, because in a stream the cost is in the number of pieces.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

import torch

from gristmill.errors import ModelError
from gristmill.inference.engine import Delta
from gristmill.inference.protocol import Engine
from gristmill.inference.sampling import SamplingParams

Item = tuple[int, Delta] | Exception
Prompt = tuple[Sequence[int], SamplingParams]


class EngineLoop:
    """Runs engines in one thread; `close` it when done."""

    def __init__(self, threads: int | None = None) -> None:
        self.failure: Exception | None = None
        """What a step died of; the requests of that engine got it too."""
        self._orders: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._engines: list[Engine] = []
        self._routes: dict[str, _Route] = {}
        self._numbers = itertools.count()
        self._threads = threads
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the current step."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(timeout=30)

    async def stream(
        self, engine: Engine, prompts: Sequence[Prompt]
    ) -> AsyncGenerator[tuple[int, Delta], None]:
        """Answer prompts together; yield (number of the prompt, delta). Leaving early aborts the rest.

        Raises RequestError when a prompt can never be answered.
        """
        for tokens, params in prompts:
            engine.check(len(tokens), params)
        route = _Route(asyncio.get_running_loop(), engine, asyncio.Queue())
        names = [f"request-{next(self._numbers)}" for _ in prompts]
        self._order(lambda: self._add(route, names, prompts))
        unfinished = set(range(len(prompts)))
        try:
            while unfinished:
                for item in _merged(await route.take()):
                    if isinstance(item, Exception):
                        raise item
                    if item[1].finish_reason is not None:
                        unfinished.discard(item[0])
                    yield item
        finally:
            left = [names[number] for number in unfinished]
            if left:
                self._order(lambda: self._abort(engine, left))

    def _order(self, order: Callable[[], None]) -> None:
        with self._wake:
            self._orders.append(order)
            self._wake.notify()

    def _add(self, route: _Route, names: Sequence[str], prompts: Sequence[Prompt]) -> None:
        for number, (name, (tokens, params)) in enumerate(zip(names, prompts, strict=True)):
            route.engine.add(name, tokens, params)
            route.number_of[name] = number
            self._routes[name] = route
        if route.engine not in self._engines:
            self._engines.append(route.engine)

    def _abort(self, engine: Engine, names: Sequence[str]) -> None:
        for name in names:
            engine.abort(name)
            self._routes.pop(name, None)

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # the thread ends: nobody may wait for it
            self._fail(error, set(self._routes.values()))

    def _fail(self, error: Exception, routes: set[_Route]) -> None:
        self.failure = ModelError(f"the engine failed in a step: {error!r}")
        self.failure.__cause__ = error
        for route in routes:
            route.put([self.failure])

    def _work(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        while True:
            with self._wake:
                while not (self._orders or self._closed or self._engines):
                    self._wake.wait()
                if self._closed:
                    return
                orders = list(self._orders)
                self._orders.clear()
            for order in orders:
                order()
            for engine in list(self._engines):
                if engine.has_work:
                    self._step(engine)
                else:
                    self._engines.remove(engine)

    def _step(self, engine: Engine) -> None:
        try:
            deltas = engine.step()
        except Exception as error:  # whatever it is, those who wait must hear of it
            self._engines.remove(engine)
            self._fail(error, {r for r in self._routes.values() if r.engine is engine})
            return
        items: dict[_Route, list[Item]] = defaultdict(list)
        for delta in deltas:
            route = self._routes[delta.request_id]
            items[route].append((route.number_of[delta.request_id], delta))
            if delta.finish_reason is not None:
                del self._routes[delta.request_id]
        for route, found in items.items():
            route.put(found)


class _Route:
    """The way back from the engine's thread to one asker's event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        engine: Engine,
        queue: asyncio.Queue[list[Item]],
    ) -> None:
        self.engine = engine
        self.number_of: dict[str, int] = {}
        self._loop = loop
        self._queue = queue

    def put(self, items: list[Item]) -> None:
        """Hand items over from the engine's thread; nobody listens any more when the loop is closed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, items)

    async def take(self) -> list[Item]:
        """Return everything that has come since the last call, at least one item."""
        items = await self._queue.get()
        while not self._queue.empty():
            items = items + self._queue.get_nowait()
        return items


def _merged(items: Sequence[Item]) -> list[Item]:
    """Join the deltas of each prompt; a failure comes last."""
    merged: dict[int, Delta] = {}
    failures: list[Item] = []
    for item in items:
        if isinstance(item, Exception):
            failures.append(item)
            continue
        number, delta = item
        before = merged.get(number)
        merged[number] = delta if before is None else _join(before, delta)
    return [*merged.items(), *failures]


def _join(first: Delta, second: Delta) -> Delta:
    return replace(
        second,
        text=first.text + second.text,
        tokens=first.tokens + second.tokens,
        logprobs=first.logprobs + second.logprobs,
        prompt_logprobs=first.prompt_logprobs + second.prompt_logprobs,
    )
