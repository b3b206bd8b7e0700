"""JSON as JavaScript's tools write it: with comments and trailing commas."""

import json
import re
from typing import Any

_STRING = r'"(?:\\.|[^"\\])*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*(?:.*?\*/|.*)", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)
"""Two passes, each linear: one pattern for both takes exponential time on a list of comments."""


def read_object(text: str) -> dict[str, Any]:
    """Return the object in a text; anything else, or broken text, is an empty one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            bare = _COMMENT.sub(lambda match: match[1] or " ", text.lstrip("\ufeff"))
            value = json.loads(_TRAILING_COMMA.sub(lambda match: match[1] or "", bare))
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def inner(value: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key, empty where there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}
