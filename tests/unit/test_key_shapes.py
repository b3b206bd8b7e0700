"""Keys by their shape: the whole value, nothing beside it, and no look-alikes."""

import random
import string

import pytest

from gristmill.corpus.key_shapes import SHAPES
from gristmill.corpus.scanning import Scanner

SCANNER = Scanner(SHAPES)
ALNUM = string.ascii_letters + string.digits


def drawn(length: int, alphabet: str = ALNUM) -> str:
    return "".join(random.Random(3).choices(alphabet, k=length))


def found(text: str) -> list[tuple[str, str]]:
    return [(SHAPES[number].name, hit.value) for number, hit in SCANNER.find(text)]


def test_names_are_unique() -> None:
    assert len({rule.name for rule in SHAPES}) == len(SHAPES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("github_token", "ghp_" + drawn(36)),
        ("gitlab_token", "glpat-" + drawn(20)),
        ("stripe_key", "sk_live_" + drawn(24)),
        ("npm_token", "npm_" + drawn(36)),
        ("twilio_key", "SK" + drawn(32, string.hexdigits[:16])),
        ("digitalocean_token", "dop_v1_" + drawn(64, string.hexdigits[:16])),
    ],
)
@pytest.mark.parametrize("context", ["{}", "k = '{}'", "x={}\n", "https://h/?t={}&u=1", "({})"])
def test_a_key_is_found_where_it_stands(name: str, value: str, context: str) -> None:
    assert found(context.format(value)) == [(name, value)]


@pytest.mark.parametrize(
    "text",
    [
        "ghp_" + drawn(30),
        "xghp_" + drawn(36),
        "ghp_" + "a" * 36,
        "AKIA" + "IOSFODNN7" + "EXAMPLE",
        "TASK" + drawn(32, string.hexdigits[:16]),
        "npm_" + "config_get_the_registry_of_all_scopes",
    ],
)
def test_look_alikes_are_left(text: str) -> None:
    assert found(text) == []
