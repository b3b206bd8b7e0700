"""The reserved tokens: DeepSeek-Coder's strings, and two separators for repository context.

Their ids follow the learned vocabulary, in the order of `SPECIAL`. Text never turns into one of them:
they are inserted as ids (see `tokenizer.Tokenizer.encode`). Unlike DeepSeek's, all are marked special,
so that `skip_special` hides every one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

SPECIAL = {
    "bos": "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "eos": "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "fim_hole": "<\uff5cfim\u2581hole\uff5c>",
    "fim_begin": "<\uff5cfim\u2581begin\uff5c>",
    "fim_end": "<\uff5cfim\u2581end\uff5c>",
    "pad": "<pad>",
    "user": "<|User|>",
    "assistant": "<|Assistant|>",
    "eot": "<|EOT|>",
    "repo_name": "<\uff5crepo\u2581name\uff5c>",
    "file_sep": "<\uff5cfile\u2581sep\uff5c>",
}
"""Name to string; the bars are U+FF5C, the separators U+2581, as in the released tokenizer."""


@dataclass(frozen=True)
class SpecialTokens:
    """The ids of the reserved tokens in one tokenizer."""

    bos: int
    eos: int
    fim_hole: int
    fim_begin: int
    fim_end: int
    pad: int
    user: int
    assistant: int
    eot: int
    repo_name: int
    file_sep: int

    @staticmethod
    def find(id_of: Callable[[str], int | None]) -> "SpecialTokens | None":
        """Return the ids, looked up by string; None when a token is missing."""
        found = {name: id_of(text) for name, text in SPECIAL.items()}
        ids = {name: number for name, number in found.items() if number is not None}
        return SpecialTokens(**ids) if len(ids) == len(SPECIAL) else None

    def ids(self) -> frozenset[int]:
        """Return all ids."""
        return frozenset(getattr(self, name) for name in SPECIAL)
