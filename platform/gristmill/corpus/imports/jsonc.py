"""JSON as JavaScript's tools write it: with comments and trailing commas."""

import json
import re
from typing import Any

_TOKEN = re.compile(
    r'("(?:\\.|[^"\\])*")|/\*.*?\*/|//[^\n]*|,(?=\s*(?:/\*.*?\*/\s*|//[^\n]*\s*)*[}\]])', re.DOTALL
)


def read_object(text: str) -> dict[str, Any]:
    """Return the object in a text; anything else, or broken text, is an empty one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = json.loads(_TOKEN.sub(lambda match: match[1] or "", text.lstrip("\ufeff")))
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def inner(value: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key, empty where there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}
