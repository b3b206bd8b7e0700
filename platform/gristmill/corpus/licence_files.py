"""Where a tree states its licences, and which one holds for a file.

The repository's declared licence comes first (its package metadata), then its licence files (several
are all in force: AND), then what its README says below a heading "License". A folder further down with
licence files or metadata of its own, as vendored code has, has that licence, and what lies below it
too. A file's SPDX tag in its first lines, or the notice that the GNU licences and Mozilla's ask
for there, is that file's licence.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from gristmill.corpus.licence_metadata import METADATA, stated_in
from gristmill.corpus.licence_texts import licence_of_text, noticed, tagged
from gristmill.corpus.licences import UNKNOWN, joined

MAX_FILES = 2000
"""Licence files read of one tree, the shallowest first."""
_MAX_CHARS = 200_000
_TAG_BYTES = 4096
_LICENCE_FILE = re.compile(
    r"^(?:(?:un)?licen[cs]es?|copying(?:[._-]?lesser)?|copyright|licen[cs]e[-._].*|copying[-._].*"
    r"|[\w.+-]+[-._]licen[cs]e)(?:\.(?:txt|md|rst|html|adoc))?$",
    re.I,
)
_CODE = re.compile(
    r"\.(?:py|js|ts|c|h|cpp|java|go|rs|rb|php|json|ya?ml|toml|cfg|svg|png|css)$", re.I
)
_README = re.compile(r"^readme(?:\.(?:md|rst|txt))?$", re.I)
_HEADING = re.compile(
    r"^(?:#{1,6}[ \t]*|=+[ \t]*)?(?:the )?(?:licen[cs]e|licensing|copying)(?:[ \t]*#*|:)[ \t]*$"
    r"(?:\n[-=~^*]{3,}[ \t]*$)?",
    re.I | re.M,
)
_NEXT = re.compile(r"^(?:#{1,6}[ \t]+\S|[^\n]+\n[-=~^]{4,}[ \t]*$)", re.M)
_NAMED = re.compile(
    r"(?i)\b(Apache(?: Software)? License,? (?:Version )?2(?:\.0)?|MIT(?: License)?|ISC(?: License)?"
    r"|(?:[23]-Clause |New |Simplified )?BSD(?: [23]-Clause)?(?: License)?|MPL[ -]2\.0|GPL ?v[23]|"
    r"LGPL ?v3|AGPL ?v3|Apache[ -]2\.0|Unlicense|Mozilla Public License(?: Version)? 2\.0)\b"
)


def wanted_paths(paths: Iterable[str]) -> list[str]:
    """Return the files that may state a licence, the shallowest first, at most `MAX_FILES`."""
    found = [path for path in paths if _kind(path)]
    found.sort(key=lambda path: (path.count("/"), path))
    return found[:MAX_FILES]


def licences_of_tree(
    paths: Iterable[str], text_of: Callable[[str], str]
) -> tuple[str, dict[str, str]]:
    """Return (the repository's licence, the licence of each folder below that has its own).

    `text_of` is called for `wanted_paths` only.
    """
    folders: dict[str, dict[str, list[str]]] = {}
    for path in wanted_paths(paths):
        folder, _, name = path.rpartition("/")
        kind = _kind(path)
        if kind == "readme" and folder:
            continue
        text = text_of(path)[:_MAX_CHARS]
        if kind == "metadata":
            licence = stated_in(name, text)
        else:
            licence = licence_of_text(text) if kind == "file" else _of_readme(text)
        if licence != UNKNOWN:
            folders.setdefault(_owner(folder), {}).setdefault(kind, []).append(licence)
    licences = {folder: _first(found) for folder, found in folders.items()}
    return licences.pop("", UNKNOWN), licences


def licence_of_tree(paths: Iterable[str], text_of: Callable[[str], str]) -> str:
    """Return the licence of a tree as a whole."""
    return licences_of_tree(paths, text_of)[0]


def licence_of_file(path: str, data: bytes, folders: Mapping[str, str]) -> str:
    """Return the licence that a file has of its own: by its tag, or by the nearest folder; else ''."""
    head = data[:_TAG_BYTES]
    if b"SPDX-License-Identifier" in head:
        licence = tagged(head.decode("utf-8", "replace"))
        if licence is not None:
            return licence
    elif b"Public" in head and b"License" in head and not _kind(path):
        licence = noticed(head.decode("utf-8", "replace"))
        if licence is not None:
            return licence
    folder = path
    while folders and "/" in folder:
        folder = folder.rpartition("/")[0]
        if folder in folders:
            return folders[folder]
    return ""


def _kind(path: str) -> str:
    name = path.rpartition("/")[2]
    if METADATA.search(name) or path.endswith("debian/copyright"):
        return "metadata"
    if _LICENCE_FILE.match(name) and not _CODE.search(name):
        return "file"
    return "readme" if _README.match(name) else ""


def _owner(folder: str) -> str:
    """Return the folder that a statement is about: `LICENSES/`, `debian/` speak of what holds them."""
    name = folder.rpartition("/")[2]
    if name.lower() in ("licenses", "licences", "debian") or name.endswith(
        (".dist-info", ".egg-info")
    ):
        return _owner(folder.rpartition("/")[0])
    return folder


def _first(found: Mapping[str, list[str]]) -> str:
    """Return what is declared, else what the licence files say together, else the README."""
    for kind in ("metadata", "file", "readme"):
        if kind in found:
            return joined(found[kind], "AND")
    return UNKNOWN


def _of_readme(text: str) -> str:
    for heading in _HEADING.finditer(text):
        end = _NEXT.search(text, heading.end())
        section = text[heading.end() : end.start() if end else len(text)][:4000]
        named = _NAMED.search(section)
        licence = licence_of_text(named[1]) if named else licence_of_text(section)
        if licence != UNKNOWN:
            return licence
    return UNKNOWN
