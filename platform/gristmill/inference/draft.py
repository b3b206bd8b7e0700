"""Guesses of what comes next, looked up in what is there already: code copies itself.

The last `LENGTH` tokens of a sequence are looked for earlier in it (prompt, suffix and answer); what
followed them there is the guess. The engine computes guesses together with the token that is due and
keeps as many as it would have chosen itself, so they change no answer, greedy or seeded, only its time.
A guess that fails altogether makes the next ones rarer, up to one in `MOST_WAIT` tokens.
"""

from collections.abc import Sequence

LENGTH = 3
MOST_WAIT = 32


class Lookup:
    """Where each run of tokens of one sequence stood last."""

    def __init__(self) -> None:
        self._follows: dict[tuple[int, ...], int] = {}
        self._num_read = 0
        self._wait = 0
        self._misses = 0

    def draft(self, tokens: Sequence[int], most: int) -> tuple[int, ...]:
        """Return up to `most` tokens that may follow; none where nothing is known or luck is out."""
        if self._wait > 0:
            self._wait -= 1
            return ()
        if most < 1 or len(tokens) <= LENGTH:
            return ()
        for end in range(max(self._num_read, LENGTH), len(tokens)):
            self._follows[tuple(tokens[end - LENGTH : end])] = end
        self._num_read = len(tokens)
        at = self._follows.get(tuple(tokens[-LENGTH:]))
        return () if at is None else tuple(tokens[at : at + most])

    def told(self, num_accepted: int) -> None:
        """Learn how many tokens of the last guess held."""
        if num_accepted:
            self._misses = 0
            return
        self._misses += 1
        self._wait = min(MOST_WAIT, 2**self._misses - 1)
