"""Does a value look drawn by chance, or put together of words? And is it a key that everyone has?

Keys that documentation and emulators give to everyone are known by their hashes.
"""

import hashlib
import math
import re
from collections import Counter

_EXAMPLE = re.compile(
    r"(?i)example|sample|dummy|change_?me|replace_?me|your[_-]|xxxx|placeholder|redacted|fake|"
    r"insert|0{8}|1234567|abcdefg|qwerty|deadbeef|\.\.\.|\*\*\*|<[^>]*>|\$\{|\{\{|%[sd(]"
)
_KNOWN = frozenset(
    # sha256, first 16 hex digits: keys that vendors' manuals and emulators give to everyone
    [
        "2cafc0970149a84f",  # Stripe's manual
        "f2d6ca16515033e5",  # Stripe's manual, before
        "0011cc25eb432071",  # Azurite, the storage emulator
        "aa6547439583c3a2",  # the Cosmos DB emulator
        "7f75367e78812551",  # jwt.io
        "da816f9f2c16e6c5",  # jwt.io, before
    ]
)
_HEX = re.compile(r"[0-9a-fA-F]+")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
_VOWELS = re.compile(r"[aeiouyAEIOUY]")


def entropy(value: str) -> float:
    """Return the Shannon entropy of the characters, in bits a character."""
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())


def is_known_example(value: str) -> bool:
    """Say whether the value is a public example, or says of itself that it is none."""
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return digest in _KNOWN or _EXAMPLE.search(value) is not None


def looks_random(value: str) -> bool:
    """Say whether a value of at least 16 characters looks drawn by chance, not put together of words."""
    if _UUID.fullmatch(value):
        return False  # names a thing; where one is a secret, its issuer has a rule
    if _HEX.fullmatch(value):
        return len(value) >= 24 and entropy(value) >= 3.0
    digits = sum(map(str.isdigit, value))
    if not digits or entropy(value) < 3.5:
        return False
    words = sum(len(word) for word in _WORD.findall(value) if 0.2 <= _vowel_share(word) <= 0.7)
    return words <= len(value) / 2


def _vowel_share(word: str) -> float:
    return len(_VOWELS.findall(word)) / len(word)
