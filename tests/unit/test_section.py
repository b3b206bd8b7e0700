"""Identity leaves out what says where, not what."""

import pytest
from pydantic import ValidationError

from gristmill.section import Section, context


class Inner(Section):
    """Inside."""

    a: int = 1
    path: str = context("/x")


class Outer(Section):
    """Outside."""

    inner: Inner = Inner()
    many: tuple[Inner, ...] = (Inner(), Inner(a=2))
    table: dict[str, int] = {"b": 2, "a": 1}  # noqa: RUF012
    workers: int | None = context(None, ge=1)


def test_identity_is_deep_and_without_context() -> None:
    expected = {"inner": {"a": 1}, "many": [{"a": 1}, {"a": 2}], "table": {"a": 1, "b": 2}}
    assert Outer().identity() == expected
    assert Outer(workers=4, inner=Inner(path="/y")).identity() == expected


def test_sections_are_frozen_strict_and_closed() -> None:
    with pytest.raises(ValidationError):
        Inner(a="1")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Inner(b=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Outer(workers=0)
    with pytest.raises(ValidationError):
        Inner().a = 2  # type: ignore[misc]
