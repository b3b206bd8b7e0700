"""Opt-out: repositories that their owners want out of the corpus.

A pattern is a repository's name, or one with `*` and `?`; case does not matter. A repository that is a
source of its own is not among those that are read; one inside a table is passed over before its bytes
are looked at. Neither leaves a row, a reject or a name in the artifact.
"""

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache


def wants_out(repository: str, patterns: Sequence[str]) -> bool:
    """Say whether a repository is named by one of the patterns."""
    return bool(patterns) and _pattern(tuple(patterns)).fullmatch(repository) is not None


@lru_cache(maxsize=8)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)), re.IGNORECASE)
