"""What looks drawn by chance."""

import math
import random
import string

import pytest

from gristmill.corpus.randomness import entropy, is_known_example, looks_random


def test_entropy_is_in_bits_a_character() -> None:
    assert entropy("aaaa") == 0
    assert math.isclose(entropy("abcd"), 2)
    assert math.isclose(entropy("aabb"), 1)


@pytest.mark.parametrize("alphabet", [string.ascii_letters + string.digits, string.hexdigits[:16]])
def test_what_was_drawn_looks_so(alphabet: str) -> None:
    rng = random.Random(7)
    drawn = ["".join(rng.choices(alphabet, k=32)) for _ in range(200)]
    assert sum(map(looks_random, drawn)) >= 190


@pytest.mark.parametrize(
    "value",
    [
        "organizations_list_members_v2",
        "Data2VecTextModelForTokens",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
        "abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_what_was_put_together_does_not(value: str) -> None:
    assert not looks_random(value)


def test_public_examples_are_known() -> None:
    assert is_known_example("AKIAIOSFODNN7" + "EXAMPLE")
    assert is_known_example("sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc")
    assert not is_known_example("sk_test_" + "4eC39HqLyjWDarjtT1zdp7dd")
