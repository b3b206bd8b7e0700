"""The base of every recipe section: frozen, strict, and sure of what is identity.

A field is part of a stage's identity (its fingerprint) unless it is declared with `context()`:
paths, machines, worker counts and ports say where a stage runs, never what it makes.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """One frozen, strictly typed part of a recipe; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    def identity(self) -> dict[str, Any]:
        """Return the JSON-like values that decide what the stage makes (context left out)."""
        values: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("identity") is False:
                continue
            values[name] = _identity_of(getattr(self, name))
        return values


def context(default: Any, **constraints: Any) -> Any:
    """Declare a field that does not change what a stage makes: a path, a port, a worker count."""
    return Field(default, json_schema_extra={"identity": False}, **constraints)


def _identity_of(value: Any) -> Any:
    if isinstance(value, Section):
        return value.identity()
    if isinstance(value, (list, tuple)):
        return [_identity_of(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _identity_of(item) for key, item in sorted(value.items())}
    return value
