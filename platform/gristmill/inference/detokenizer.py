"""Tokens into text, as they come: never half a character, never a piece of a stop string.

Byte-level tokens may end inside a UTF-8 character, so bytes wait until the character is whole. A stop
string may begin in one token and end in another, so text that could be the beginning of one waits until
that is decided. `push` returns what can be shown for sure; the pieces, joined, are the answer.
"""

import codecs
from collections.abc import Callable, Sequence


class Detokenizer:
    """The text of one request, given token by token."""

    def __init__(self, token_bytes: Callable[[int], bytes], stop: Sequence[str] = ()) -> None:
        self._token_bytes = token_bytes
        self._stop = tuple(text for text in stop if text)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._waiting = ""
        self.stopping_word = ""
        """The stop string that was found; nothing follows it."""

    @property
    def stopped(self) -> bool:
        """Say whether a stop string was found."""
        return bool(self.stopping_word)

    def push(self, token: int, *, stops: bool = True) -> str:
        """Add a token and return the text that is now certain; `stops`: stop strings count already."""
        text = self._decoder.decode(self._token_bytes(token))
        return self._show(text, last=False) if stops else text

    def finish(self) -> str:
        """Return what still waits; a character left incomplete becomes U+FFFD."""
        return self._show(self._decoder.decode(b"", final=True), last=True)

    def _show(self, text: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        text = self._waiting + text
        found = [(at, stop) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            at, self.stopping_word = min(found)
            self._waiting = ""
            return text[:at]
        keep = 0 if last else max((_overlap(text, stop) for stop in self._stop), default=0)
        self._waiting = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that a stop string begins with."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
