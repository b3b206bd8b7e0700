"""What runs inside the sandbox: it carries out a program it does not trust and answers calls to it.

This file alone is passed to the sandbox's interpreter (`python -I -S -c`), so it imports the standard
library only and keeps to old syntax. Each line on standard input is a JSON request, each line on what
was standard output a JSON reply. It says nothing about right or wrong: whoever asks compares the
answers outside, so a program that exits, prints a verdict or redefines equality proves nothing.

Values cross as JSON with tags for what JSON lacks (tuples, sets, dicts with any key, bytes, complex).
"""

import json
import os
import resource
import sys
from typing import Any


def encode(value: Any) -> Any:
    """Return plain data as JSON values. Raises TypeError for anything that is not plain data."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [encode(item) for item in value]
    if kind in (tuple, set, frozenset):
        return {kind.__name__: [encode(item) for item in value]}
    if kind is dict:
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind.__module__ == "numpy":
        return encode(value.tolist())
    raise TypeError("a {} is not plain data".format(kind.__name__))  # noqa: UP032


def decode(value: Any) -> Any:
    """Return what `encode` was given. Raises ValueError when it is not of that form."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError("a tagged value has one key")
    ((tag, inner),) = value.items()
    if tag == "dict":
        return {decode(key): decode(item) for key, item in inner}
    if tag == "complex":
        return complex(float(inner[0]), float(inner[1]))
    if tag == "bytes":
        return bytes.fromhex(inner)
    makers = {"tuple": tuple, "set": set, "frozenset": frozenset}
    if tag not in makers:
        raise ValueError("unknown tag " + repr(tag)[:40])
    return makers[tag](decode(item) for item in inner)


def limit(limits: Any) -> None:
    """Lower this process's limits for good; every child inherits them."""
    for name, value in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        resource.setrlimit(kind, (value, value))


def explain(error: BaseException) -> str:
    """Return an error as one short line, whatever its class does when it is printed."""
    try:
        return (type(error).__name__ + ": " + str(error))[:300]
    except BaseException:
        return type(error).__name__


def serve() -> None:
    """Answer requests until standard input ends."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    space: dict[str, Any] = {"__name__": "__main__"}
    for line in requests:
        request = json.loads(line)
        try:
            if "program" in request:
                sys.path.extend(request["packages"])
                limit(request["limits"])
                exec(compile(request["program"], "<program>", "exec"), space)
                reply = {"value": None}
            else:
                function = space[request["call"]]
                reply = {"value": encode(function(*decode(request["arguments"])))}
            data = json.dumps(reply)
        except Exception as error:
            data = json.dumps({"error": explain(error)})
        replies.write(data.encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    serve()
