from pathlib import Path

import pytest

from gristmill.errors import RecipeError, RequestError
from gristmill.serving.access import Gate, Key, digest, read_keys

FILE = f"""
- {{name: alice, sha256: {digest("secret-of-alice")}}}
- {{name: ci, key: secret-of-ci, requests_per_minute: 2, tokens_per_minute: 100, concurrent: 2}}
"""


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _read(tmp_path: Path, text: str = FILE) -> tuple[Key, ...]:
    (tmp_path / "keys.yaml").write_text(text)
    return read_keys(tmp_path / "keys.yaml")


def test_a_key_is_known_in_the_clear_or_by_its_digest_and_is_kept_as_a_digest(tmp_path):
    keys = _read(tmp_path)
    gate = Gate(keys)
    assert gate.identify("secret-of-alice").name == "alice"
    assert gate.identify("secret-of-ci").concurrent == 2
    assert "secret" not in repr(keys)
    for wrong in (None, "", "secret-of-bob", digest("secret-of-alice")):
        with pytest.raises(RequestError) as caught:
            gate.identify(wrong)
        assert caught.value.status == 401 and (not wrong or wrong not in str(caught.value))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "has no keys"),
        ("- {name: a}", "either key or sha256"),
        ("- {name: a, key: short}", "0.key"),
        ("- {name: a, key: long-enough, sha256: x}", "sha256"),
        ("- {name: a, key: long-enough}\n- {name: a, key: another-one}", "name of 'a'"),
        ("- {name: a, key: long-enough}\n- {name: b, key: long-enough}", "digest of 'a'"),
        ("- {name: a, key: long-enough, limit: 3}", "limit"),
        ("{a: [", "no YAML"),
    ],
)
def test_a_keys_file_that_is_wrong_says_where_and_never_shows_a_key(tmp_path, text, says):
    with pytest.raises(RecipeError, match="keys file") as caught:
        _read(tmp_path, text)
    assert says in str(caught.value)
    assert "long-enough" not in str(caught.value) and "short" not in str(caught.value)


def test_requests_come_back_evenly_over_a_minute():
    clock = _Clock()
    key = Key("ci", "0", requests_per_minute=2)
    gate = Gate((key,), clock)
    gate.enter(key)
    gate.enter(key)
    with pytest.raises(RequestError) as caught:
        gate.enter(key)
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")
    assert caught.value.retry_after_s == pytest.approx(30)
    clock.now_s += 29.9
    with pytest.raises(RequestError):
        gate.enter(key)
    clock.now_s += 0.2
    gate.enter(key)


def test_tokens_are_paid_afterwards_and_a_debt_is_waited_for():
    clock = _Clock()
    key = Key("ci", "0", tokens_per_minute=100)
    gate = Gate((key,), clock)
    gate.enter(key)
    gate.leave(key, 150)
    with pytest.raises(RequestError) as caught:
        gate.enter(key)
    assert caught.value.retry_after_s == pytest.approx(51 * 60 / 100)
    clock.now_s += 31
    gate.enter(key)


def test_as_many_at_once_as_the_key_may():
    key = Key("ci", "0", concurrent=1)
    gate = Gate((key,))
    gate.enter(key)
    with pytest.raises(RequestError, match="at once"):
        gate.enter(key)
    gate.leave(key, 10)
    gate.enter(key)
