"""Licence expressions: one spelling for each, and whether one is permissive or among those wanted.

What cannot be told is `LicenseRef-unknown`. An expression is allowed when every AND part is and any OR
part is; an exception (WITH) only ever gives more. Permissive means: may be used, changed and passed on
without sharing one's own source.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any, Literal

from license_expression import ExpressionError, get_spdx_licensing

UNKNOWN = "LicenseRef-unknown"

PERMISSIVE = frozenset(
    [
        "0BSD",
        "AFL-3.0",
        "Apache-1.1",
        "Apache-2.0",
        "Artistic-2.0",
        "BlueOak-1.0.0",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-2-Clause-Patent",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "BSD-4-Clause",
        "BSL-1.0",
        "CC-BY-4.0",
        "CC0-1.0",
        "CNRI-Python",
        "ECL-2.0",
        "FTL",
        "HPND",
        "ICU",
        "ISC",
        "JSON",
        "LicenseRef-public-domain",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MS-PL",
        "MulanPSL-2.0",
        "NCSA",
        "OFL-1.1",
        "OpenSSL",
        "PHP-3.01",
        "PostgreSQL",
        "PSF-2.0",
        "Python-2.0",
        "Python-2.0.1",
        "libpng-1.6.35",
        "libtiff",
        "MIT-Modern-Variant",
        "MIT-open-group",
        "NTP",
        "BSD-4-Clause-UC",
        "BSD-Source-Code",
        "Beerware",
        "Apache-1.0",
        "AFL-2.1",
        "ZPL-2.0",
        "TCL",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "Unlicense",
        "UPL-1.0",
        "Vim",
        "W3C",
        "WTFPL",
        "X11",
        "Zlib",
        "ZPL-2.1",
        "bzip2-1.0.6",
        "curl",
        "libpng-2.0",
    ]
)

_OWN = re.compile(r"(?i)LicenseRef-[A-Za-z0-9.\-]+")


@lru_cache(maxsize=4096)
def normalised(expression: str) -> str | None:
    """Return an SPDX expression in its one spelling, or None for what is none.

    Deprecated names become today's (GPL-3.0 is GPL-3.0-only), Cargo's and old npm's slash is a choice,
    names of one's own (`LicenseRef-...`) stay.
    """
    text = expression.strip().strip("()").strip() if expression.count("(") == 0 else expression
    if "/" in text and "://" not in text:
        text = " OR ".join(part.strip() for part in text.split("/"))
    own = {f"own{number}": name for number, name in enumerate(dict.fromkeys(_OWN.findall(text)))}
    for key, name in own.items():
        text = text.replace(name, key)
    if not text or len(text) > 2000:
        return None
    licensing = _licensing()
    try:
        parsed = licensing.parse(text)
    except (ExpressionError, ValueError, RecursionError):
        return None
    unknown = [key for key in licensing.unknown_license_keys(parsed) if key not in own]
    if parsed is None or unknown:
        return None
    rendered = str(parsed)
    for key, name in own.items():
        rendered = re.sub(rf"\b{key}\b", name, rendered)
    return rendered


@cache
def _licensing() -> Any:
    return get_spdx_licensing()


def joined(licences: Iterable[str], word: Literal["AND", "OR"]) -> str:
    """Return one expression of several, each once, in their order; unknown without any."""
    parts = list(dict.fromkeys(licence for licence in licences if licence != UNKNOWN))
    if len(parts) > 1:
        parts = [f"({part})" if " " in part else part for part in parts]
    return f" {word} ".join(parts) if parts else UNKNOWN


def is_permissive(expression: str) -> bool:
    """Say whether an SPDX expression allows use without sharing one's own source."""
    return _allowed(expression, PERMISSIVE.__contains__)


def is_allowed(expression: str, wanted: Literal["any", "permissive"] | Sequence[str]) -> bool:
    """Say whether the recipe's `licences` let an expression in; a list may name whole expressions."""
    if isinstance(wanted, str):
        return wanted == "any" or is_permissive(expression)
    return expression in wanted or _allowed(expression, frozenset(wanted).__contains__)


def _allowed(expression: str, good: Callable[[str], bool]) -> bool:
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)
    value, rest = _either(tokens, good)
    return value and not rest


def _either(tokens: list[str], good: Callable[[str], bool]) -> tuple[bool, list[str]]:
    value, rest = _both(tokens, good)
    while rest and rest[0].upper() == "OR":
        other, rest = _both(rest[1:], good)
        value = value or other
    return value, rest


def _both(tokens: list[str], good: Callable[[str], bool]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens, good)
    while rest and rest[0].upper() == "AND":
        other, rest = _one(rest[1:], good)
        value = value and other
    return value, rest


def _one(tokens: list[str], good: Callable[[str], bool]) -> tuple[bool, list[str]]:
    if not tokens:
        return False, []
    if tokens[0] == "(":
        value, rest = _either(tokens[1:], good)
        return value, rest[1:]
    value = good(tokens[0])
    rest = tokens[1:]
    if len(rest) >= 2 and rest[0].upper() == "WITH":
        rest = rest[2:]
    return value, rest
