"""The include folders that a `compile_commands.json` gives each file, as paths in the repository."""

import json
import shlex
from collections.abc import Collection, Iterator
from posixpath import join, normpath
from typing import Any

_FLAGS = ("-I", "-isystem", "-iquote", "-idirafter", "/I")


def include_folders(text: str, files: Collection[str]) -> dict[str, list[str]]:
    """Return the include folders by file, in search order; a broken database gives none.

    A database holds absolute paths of the machine that wrote it: what stands before the known path
    of a source file is taken for the repository's place there.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, list[str]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        folder = str(entry.get("directory", ""))
        whole = normpath(join(folder, str(entry.get("file", ""))))
        path = _known(whole, files)
        if path is None:
            continue
        base = whole.removesuffix(path)
        for flagged in _flagged(_arguments(entry)):
            place = normpath(join(folder, flagged)) + "/"
            if place.startswith(base):
                found.setdefault(path, []).append(place.removeprefix(base).rstrip("/"))
    return found


def _known(whole: str, files: Collection[str]) -> str | None:
    """Return the longest end of an absolute path that is a file of the repository."""
    parts = whole.strip("/").split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in files), None)


def _arguments(entry: dict[str, Any]) -> list[str]:
    arguments = entry.get("arguments")
    if isinstance(arguments, list):
        return [str(argument) for argument in arguments]
    try:
        return shlex.split(str(entry.get("command", "")))
    except ValueError:
        return []


def _flagged(arguments: list[str]) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        for flag in _FLAGS:
            if argument == flag and index + 1 < len(arguments):
                yield arguments[index + 1]
            elif argument.startswith(flag) and len(argument) > len(flag):
                yield argument[len(flag) :].lstrip("=")
