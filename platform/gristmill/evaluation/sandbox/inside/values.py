"""Plain data as JSON lines, across the wall between a program that nobody trusts and its judge.

JSON's own values stand for themselves; what JSON lacks is an object with one key, its tag: tuples, sets,
dicts with any key, bytes, complex, large integers, the collections, dates, numpy's arrays and scalars.
The type is the exact one: an instance of a class of the program's own is no plain data, so an object
that claims to equal everything cannot cross. Where the judge asks for it, such an object stays inside
and a number stands for it (`handle`). Decoding builds values of known types only.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import hashlib
import marshal
import types
from collections.abc import Callable
from typing import Any

Keep = Callable[[Any], int]
BIG_BITS = 4096
MOST_ITEMS = 100_000
"""Taken from an iterator, which may not end."""
GIANT = 50_000
"""A longer list crosses as its digest: it can be compared, and nothing else."""
_LAZY: tuple[type, ...] = (
    map, filter, zip, enumerate, reversed, types.GeneratorType,
    type(iter([])), type(iter(())), type(iter("")), type(iter({})), type(iter(set())),
    type(reversed([])),
)  # fmt: skip
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_DTYPES = (
    "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128", "str_", "bytes_",
)  # fmt: skip


def encode(value: Any, keep: Keep | None = None) -> Any:
    """Return plain data as JSON values. Raises TypeError for what is none and may not stay inside."""
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return value
    if kind is int:
        return value if value.bit_length() <= BIG_BITS else {"int": hex(value)}
    if kind in (list, tuple) and len(value) > GIANT:
        return {"giant": [kind.__name__, len(value), _digest(value)]}
    if kind is list:
        return [encode(item, keep) for item in value]
    found = _tagged(kind, value, keep)
    if found is not None:
        return found
    if keep is not None:
        return {"handle": [keep(value), str(kind.__name__)[:80]]}
    raise TypeError("a " + str(kind.__name__)[:80] + " is not plain data")


def _tagged(kind: type, value: Any, keep: Keep | None) -> Any:
    if kind in (tuple, set, frozenset, collections.deque):
        return {kind.__name__: [encode(item, keep) for item in value]}
    if kind in (dict, collections.Counter, collections.OrderedDict, collections.defaultdict):
        pairs = [[encode(key, keep), encode(item, keep)] for key, item in dict.items(value)]
        return {kind.__name__: pairs}
    if kind is type and value in _TYPES.values():
        return {"type": value.__name__}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind in (bytes, bytearray):
        return {kind.__name__: value.hex()}
    if kind is range:
        return {"range": [value.start, value.stop, value.step]}
    if kind in (decimal.Decimal, fractions.Fraction):
        return {kind.__name__: str(value)}
    if kind in (datetime.date, datetime.time, datetime.datetime):
        return {kind.__name__: value.isoformat()}
    if kind is datetime.timedelta:
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if kind in _VIEWS:
        return {"view": [encode(item, keep) for item in value]}
    if kind in _LAZY:
        return {
            "iterator": [
                encode(item, keep) for _, item in zip(range(MOST_ITEMS), value, strict=False)
            ]
        }
    if issubclass(kind, tuple) and type(getattr(kind, "_fields", None)) is tuple:
        return {"tuple": [encode(item, keep) for item in tuple.__iter__(value)]}
    if kind.__module__ == "numpy":
        plain = encode(value.tolist(), keep)
        shape = list(value.shape)
        return {"numpy": [str(value.dtype.name), plain, kind.__name__ == "ndarray", shape]}
    return None


def _digest(items: Any) -> str:
    """Return a digest of what a list holds; type by type, so 1 is not 1.0 here."""
    total = hashlib.sha256()
    for at in range(0, len(items), 1000):
        total.update(marshal.dumps(items[at : at + 1000], 2))
    return total.hexdigest()


class Giant:
    """A long list, by its digest. It equals a list of the same digest, and nothing else."""

    def __init__(self, parts: Any) -> None:
        self.parts = (str(parts[0]), int(parts[1]), str(parts[2]))

    def __eq__(self, other: object) -> bool:
        return type(other) is Giant and other.parts == self.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __len__(self) -> int:
        return self.parts[1]


def decode(value: Any, handle: Callable[[int, str], Any] | None = None) -> Any:
    """Return what `encode` was given. Raises ValueError when it is not of that form."""
    if isinstance(value, list):
        return [decode(item, handle) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError("a tagged value has one key")
    ((tag, inner),) = value.items()
    if tag == "handle":
        if handle is None:
            raise ValueError("a handle, where plain data was asked for")
        return handle(int(inner[0]), str(inner[1]))
    if tag in _SEQUENCES:
        return _SEQUENCES[tag](decode(item, handle) for item in inner)
    if tag in _MAPPINGS:
        return _MAPPINGS[tag]([(decode(key, handle), decode(item, handle)) for key, item in inner])
    if tag in _SCALARS:
        return _SCALARS[tag](inner)
    raise ValueError("unknown tag " + repr(tag)[:40])


def _numpy(inner: Any) -> Any:
    name, plain, is_array, shape = inner
    if name not in _DTYPES and not str(name).startswith(("str", "bytes")):
        raise ValueError("unknown numpy type " + repr(name)[:40])
    import numpy

    if is_array:
        flat = numpy.array(decode(plain)).reshape([int(size) for size in shape])
        return flat.astype(name) if name in _DTYPES else flat
    return getattr(numpy, name)(decode(plain)) if name in _DTYPES else decode(plain)


def _pairs(kind: Any) -> Callable[[list[Any]], Any]:
    return lambda pairs: kind(dict(pairs))


_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (int, float, str, bool, complex, bytes, list, tuple, set, frozenset, dict)
}
_SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "view": list,
    "iterator": lambda items: iter(list(items)),
}
_MAPPINGS: dict[str, Callable[[list[Any]], Any]] = {
    "dict": dict,
    "Counter": _pairs(collections.Counter),
    "OrderedDict": collections.OrderedDict,
    "defaultdict": lambda pairs: collections.defaultdict(None, pairs),
}
_SCALARS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "complex": lambda parts: complex(float(parts[0]), float(parts[1])),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "range": lambda parts: range(*[int(part) for part in parts]),
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "timedelta": lambda parts: datetime.timedelta(*[int(part) for part in parts]),
    "numpy": _numpy,
    "type": lambda name: _TYPES[name],
    "giant": Giant,
}
