"""Secrets without a shape of their own: known by the name that they are assigned to, or where they stand.

`password = "..."`, a key in PEM armour, a password inside a URL. A value is a secret where a name says
so, it stands in quotes (or bare in a file of settings), and it looks drawn by chance: not words, not a
path, not a placeholder, not a reference to where the secret is kept.
"""

import re

from gristmill.corpus.randomness import entropy, is_known_example, looks_random
from gristmill.corpus.scanning import Candidate, Rule


def _assigned_key(candidate: Candidate) -> bool:
    value = candidate.value
    return not is_known_example(value) and not _refers(candidate) and looks_random(value)


def _assigned_password(candidate: Candidate) -> bool:
    """A password: letters and digits or signs, not words alone, not what code refers to."""
    value = candidate.value
    if is_known_example(value) or _refers(candidate) or len(set(value)) < 6:
        return False
    letters = any(map(str.isalpha, value))
    digits = sum(map(str.isdigit, value))
    signs = sum(not character.isalnum() and character not in "_-. /" for character in value)
    if not letters or not (digits or signs >= 2) or entropy(value) < 2.7:
        return False
    mixed = any(map(str.islower, value)) and any(map(str.isupper, value))
    return bool(signs and digits) or (mixed and digits >= 1) or digits >= 3


_REFERENCE = re.compile(
    r"^(?:[\w.$]+\([^)]*\)|\$\w+|%\w+%|[a-z_]+(?:[._/:-][a-z_0-9]+)+|[A-Z]+(?:_[A-Z0-9]+)*|\w+://\S+|"
    r"[./~]\S*/\S*|\w+\[.*\]|arn:\S+|[\w-]+\.(?:json|ya?ml|pem|key|txt|py|js|html?|crt)"
    r"|(?i:sha(?:1|256|512)|md5)[:-].*)$"
)


def _refers(candidate: Candidate) -> bool:
    """Say whether a value names something else: a variable, a path, a call, a digest."""
    return _REFERENCE.search(candidate.value) is not None


_NAME = (
    r"(?:api[_-]?key|apikey|secret|access[_-]?key|auth[_-]?key|private[_-]?key|encryption[_-]?key"
    r"|signing[_-]?key|client[_-]?secret|token|credential|bearer|auth)"
)
_PASSWORD = r"(?:passw(?:or)?d|passphrase|pwd|passwd)"
_ASSIGN = r"[\w\-]{0,24}[\"'\]]{0,2}\s{0,8}(?:=>|:=|=|:|,)\s{0,8}"
_BARE_ASSIGN = r"[\w\-]{0,24}\s{0,3}[=:]\s{0,3}"
_SETTINGS = frozenset(
    ["INI", "YAML", "Shell", "Dockerfile", "TOML", "Java Properties", "Dotenv", "Text", "Markdown"]
)


def _in_settings(candidate: Candidate) -> bool:
    return candidate.language in _SETTINGS or not candidate.language


def _bare_key(candidate: Candidate) -> bool:
    return _in_settings(candidate) and _assigned_key(candidate)


def _bare_password(candidate: Candidate) -> bool:
    return _in_settings(candidate) and _assigned_password(candidate)


_PEM_BODY = re.compile(r"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/]{16,}={0,2})(?![A-Za-z0-9+/=])")
_URL = re.compile(
    r"(?<![A-Za-z0-9])[a-z][a-z0-9+.\-]{1,20}://[^\s:/@\"'<>{}$]{0,64}:"
    r"(?P<hit>[^\s/@\"'<>{}$:%]{3,128}(?:%[0-9A-Fa-f]{2}[^\s/@\"'<>{}$:]{0,128})?)@(?P<host>[\w.\-\[]+)"
)
_NO_PASSWORD = frozenset(
    [
        "password",
        "passwd",
        "pass",
        "pwd",
        "secret",
        "user",
        "username",
        "token",
        "foo",
        "bar",
        "baz",
        "test",
        "guest",
        "root",
        "admin",
    ]
)


def _url_password(candidate: Candidate) -> bool:
    value = candidate.value
    if value.lower() in _NO_PASSWORD or is_known_example(value) or "REDACTED" in value:
        return False
    host = candidate.match["host"].lower()
    if re.search(r"(?:^|\.)(?:example\.\w+|example|test|invalid)$", host):
        return False
    return len(value) >= 8 and entropy(value) >= 2.5 and any(map(str.isdigit, value))


ASSIGNED = (
    Rule(
        "pem",
        "private_key",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----",
        re.compile(
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----"
            r"(?P<hit>[^-]*+(?:-(?!----)[^-]*+)*+)-----END"
        ),
        lambda candidate: entropy(candidate.value) >= 3.0,
        70,
        21000,
        "-----BEGIN ",
        _PEM_BODY,
    ),
    Rule(
        "aws_secret_key",
        "aws_key",
        r"(?:aws|secret|access)[a-z_\-]{0,24}key[\"'\]]{0,2}\s{0,8}(?:=>|=|:|,)\s{0,8}[\"']?",
        re.compile(
            r"(?i:(?:aws|secret|access)[a-z_\-]{0,24}key[\"'\]]{0,2}\s{0,8}(?:=>|=|:|,)\s{0,8}[\"']?)(?P<hit>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
        ),
        lambda candidate: (
            looks_random(candidate.value)
            and not is_known_example(candidate.value)
            and not re.fullmatch(r"[0-9a-f]{40}", candidate.value)
        ),
        80,
        60,
    ),
    Rule(
        "azure_storage_key",
        "azure_key",
        r"(?:AccountKey|SharedAccessKey)=[a-z0-9+/]{32}",
        re.compile(r"(?:AccountKey|SharedAccessKey)=(?P<hit>[A-Za-z0-9+/]{42,88}={0,2})"),
        _assigned_key,
        60,
        100,
    ),
    Rule(
        "url_password",
        "url_password",
        r"://[^\s:/@\"'<>{}$]{0,64}:[^\s/@\"'<>{}$:]{3,128}@[a-z0-9\[]",
        _URL,
        _url_password,
        260,
        120,
    ),
    Rule(
        "password",
        "password",
        _PASSWORD + _ASSIGN + r"[bru]?[\"']",
        re.compile(
            rf"(?i:{_PASSWORD}{_ASSIGN}[bru]?)(?P<quote>[\"'])(?P<hit>[^\s\"'`<>{{}}]{{8,128}})(?P=quote)"
        ),
        _assigned_password,
        80,
        140,
    ),
    Rule(
        "key",
        "assigned_key",
        _NAME + _ASSIGN + r"[bru]?[\"']",
        re.compile(
            rf"(?i:{_NAME}{_ASSIGN}[bru]?)(?P<quote>[\"'])(?i:bearer\s|basic\s|token\s)?(?P<hit>[A-Za-z0-9_\-+/=.~]{{16,200}})(?P=quote)"
        ),
        _assigned_key,
        80,
        220,
    ),
    Rule(
        "bare_password",
        "password",
        r"(?:^|[\s_.])[a-z0-9_.\-]{0,24}" + _PASSWORD + _BARE_ASSIGN + r"[a-z0-9]",
        re.compile(
            rf"(?im:^\s{{0,32}}(?:export\s+|set\s+|-\s+|ENV\s+)?[\w.\-]{{0,32}}{_PASSWORD}{_BARE_ASSIGN})(?P<hit>[^\s\"'`<>{{}}$#][^\s\"'`<>{{}}]{{7,127}})(?=\s|$)"
        ),
        _bare_password,
        120,
        140,
    ),
    Rule(
        "bare_key",
        "assigned_key",
        _NAME + _BARE_ASSIGN + r"[a-z0-9]",
        re.compile(
            rf"(?im:^\s{{0,32}}(?:export\s+|set\s+|-\s+|ENV\s+)?[\w.\-]{{0,32}}{_NAME}{_BARE_ASSIGN})(?P<hit>[A-Za-z0-9_\-+/=.~]{{16,200}})(?=\s|$)"
        ),
        _bare_key,
        120,
        220,
    ),
)
