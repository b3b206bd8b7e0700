"""What happens to each choice of a request between the engine and the asker.

In this order: the rules for editors (`shaping`); the time budget, which ends a choice that has a whole
line; the watch for text of the training corpus (`provenance`); the prompt's echo and its log
probabilities. Any of them may end a choice early; when none is open the engine's work is ended too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from gristmill.inference.engine import Delta
from gristmill.inference.sampling import TokenLogprob
from gristmill.serving.exchange import Generation, Piece, ShownLogprob
from gristmill.serving.provenance import Watch, Watcher
from gristmill.serving.rendering import PAPER, Layout, echo_span, language_of_request
from gristmill.serving.shaping import Shaper
from gristmill.tokens.tokenizer import Tokenizer


class Choices:
    """The choices of one request that are still being written."""

    def __init__(
        self,
        generation: Generation,
        prompts: Sequence[Sequence[int]],
        tokenizer: Tokenizer,
        watcher: Watcher | None = None,
        layout: Layout = PAPER,
    ) -> None:
        """`prompts` are the rendered ones, in the request's order, in this layout."""
        self._asked = generation
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._layout = layout
        num = len(prompts) * generation.num_choices
        self._open = set(range(num))
        self._began: dict[int, float] = {}
        self._has_line: set[int] = set()
        self._shapers: dict[int, Shaper] = {}
        self._watches: dict[int, Watch] = {}
        for number in range(num):
            prefix = self._prompt_text(number)
            if generation.rules is not None and prefix is not None:
                language = language_of_request(generation, prefix)
                suffix = generation.suffix or ""
                self._shapers[number] = Shaper(generation.rules, prefix, suffix, language)
            if watcher is not None:
                self._watches[number] = watcher.watch()

    @property
    def has_open(self) -> bool:
        """Say whether a choice is still being written."""
        return bool(self._open)

    def take(self, number: int, delta: Delta) -> Piece | None:
        """Return what the asker is told of a delta; None for a choice that has ended."""
        if number not in self._open:
            return None
        first = number not in self._began
        piece = self._plain(number, delta)
        if self._asked.max_tokens == 0:  # the prompt alone: what was computed after it is dropped
            piece = replace(
                piece, text="", num_tokens=0, finish_reason="length", logprobs=(), tokens=()
            )
        piece = self._watched(self._within_time(self._shaped(piece)))
        if first and self._asked.echo:
            piece = self._echoed(piece, delta)
        if piece.finish_reason is not None:
            self._open.discard(number)
        return piece

    def _plain(self, number: int, delta: Delta) -> Piece:
        return Piece(
            index=number,
            text=delta.text,
            num_tokens=len(delta.tokens),
            finish_reason=delta.finish_reason,
            logprobs=tuple(self._shown(found) for found in delta.logprobs),
            num_prompt=delta.num_prompt,
            num_cached=delta.num_cached,
            stopping_word=delta.stopping_word,
            queued_s=delta.queued_s,
            tokens=delta.tokens,
        )

    def _echoed(self, piece: Piece, delta: Delta) -> Piece:
        """Return a choice's first piece with its prompt before it."""
        which = piece.index // self._asked.num_choices
        prompt = self._asked.prompts[which]
        text = prompt if isinstance(prompt, str) else self._tokenizer.decode(prompt, False)
        if self._asked.logprobs is None:
            return replace(piece, text=text + piece.text)
        ids = self._prompts[which]
        start, end = echo_span(self._tokenizer, ids, self._asked.suffix is not None, self._layout)
        known = (None, *delta.prompt_logprobs)[start:end]
        shown = [
            ShownLogprob(self._token(token), None, ()) if found is None else self._shown(found)
            for token, found in zip(ids[start:end], known, strict=True)
        ]
        return replace(piece, text=text + piece.text, logprobs=(*shown, *piece.logprobs))

    def _shaped(self, piece: Piece) -> Piece:
        shaper = self._shapers.get(piece.index)
        if shaper is None:
            return piece
        shown = shaper.push(piece.text, last=piece.finish_reason is not None)
        reason = piece.finish_reason or ("stop" if shaper.ended else None)
        return replace(piece, text=shown, finish_reason=reason)

    def _within_time(self, piece: Piece) -> Piece:
        limit_s = self._asked.predict_s
        now = time.monotonic()
        spent = now - self._began.setdefault(piece.index, now)
        if "\n" in piece.text:
            self._has_line.add(piece.index)
        late = limit_s is not None and spent > limit_s
        if piece.finish_reason is None and late and piece.index in self._has_line:
            return replace(piece, finish_reason="length")
        return piece

    def _watched(self, piece: Piece) -> Piece:
        watch = self._watches.get(piece.index)
        if watch is None:
            return piece
        ends = piece.finish_reason is not None
        shown = watch.push(piece.text, last=ends)
        if watch.blocked:
            return replace(
                piece, text=shown, finish_reason="content_filter", sources=watch.sources()
            )
        return replace(piece, text=shown, sources=watch.sources() if ends else ())

    def _prompt_text(self, number: int) -> str | None:
        if not self._asked.prompts:
            return None
        prompt = self._asked.prompts[number // self._asked.num_choices]
        return prompt if isinstance(prompt, str) else None

    def _shown(self, found: TokenLogprob) -> ShownLogprob:
        top = tuple((self._token(token), value) for token, value in found.top)
        return ShownLogprob(self._token(found.token), found.logprob, top)

    def _token(self, token: int) -> str:
        return self._tokenizer.token_bytes(token).decode("utf-8", errors="replace")
