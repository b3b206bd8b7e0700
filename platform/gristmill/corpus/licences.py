"""Licences: from a distribution's metadata or a tree's licence file to an SPDX expression.

A repository's declared licence comes first, then its licence file. What cannot be told is
`LicenseRef-unknown`. Two readings are conventions: a bare "BSD" is BSD-3-Clause, and several
classifiers are a choice (OR), as several licence files are not (AND). Permissive means: may be used,
changed and passed on without sharing one's own source; an expression is permissive when every AND part
is and any OR part is.
"""

import re
from collections.abc import Callable, Iterable
from email.message import Message

UNKNOWN = "LicenseRef-unknown"

PERMISSIVE = frozenset(
    [
        "0BSD",
        "AFL-3.0",
        "Apache-1.1",
        "Apache-2.0",
        "Artistic-2.0",
        "BlueOak-1.0.0",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-2-Clause-Patent",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "BSD-4-Clause",
        "BSL-1.0",
        "CC-BY-4.0",
        "CC0-1.0",
        "CNRI-Python",
        "ECL-2.0",
        "FTL",
        "HPND",
        "ICU",
        "ISC",
        "JSON",
        "LicenseRef-public-domain",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MS-PL",
        "MulanPSL-2.0",
        "NCSA",
        "OFL-1.1",
        "OpenSSL",
        "PHP-3.01",
        "PostgreSQL",
        "PSF-2.0",
        "Python-2.0",
        "TCL",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "Unlicense",
        "UPL-1.0",
        "Vim",
        "W3C",
        "WTFPL",
        "X11",
        "Zlib",
        "ZPL-2.1",
        "bzip2-1.0.6",
        "curl",
        "libpng-2.0",
    ]
)

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Academic Free License (AFL)": "AFL-3.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
}

# What people write in License fields, lower case, punctuation gone.
_SPELLINGS = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2 0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2 0": "Apache-2.0",
    "apache license version 2 0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2 0": "Apache-2.0",
    "asl 2": "Apache-2.0",
    "mit": "MIT",
    "mit license": "MIT",
    "the mit license": "MIT",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "3 clause bsd license": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "2 clause bsd license": "BSD-2-Clause",
    "simplified bsd license": "BSD-2-Clause",
    "isc": "ISC",
    "isc license": "ISC",
    "psf": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "mpl 2 0": "MPL-2.0",
    "mozilla public license 2 0": "MPL-2.0",
    "gplv2": "GPL-2.0-only",
    "gpl 2 0": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "gpl 3 0": "GPL-3.0-only",
    "lgplv3": "LGPL-3.0-only",
    "unlicense": "Unlicense",
    "public domain": "LicenseRef-public-domain",
    "zlib": "Zlib",
    "gplv2 with linking exception": "GPL-2.0-only WITH GCC-exception-2.0",
}

# Sentences that only one licence has, most restrictive first: they decide when several match.
_SENTENCES = (
    # "version" right behind the name: GPL-3.0 and MPL-2.0 mention the Affero licence in passing.
    (r"gnu affero general public license (?:version |v|as published)", "AGPL-3.0-only"),
    (r"gnu lesser general public license\s+version 3", "LGPL-3.0-only"),
    (r"gnu lesser general public license\s+version 2\.1", "LGPL-2.1-only"),
    (r"gnu general public license\s+version 3", "GPL-3.0-only"),
    (r"gnu general public license\s+version 2", "GPL-2.0-only"),
    (r"mozilla public license,? (?:version|v\.?) ?2\.0", "MPL-2.0"),
    (r"eclipse public license - v 2\.0", "EPL-2.0"),
    (r"server side public license", "SSPL-1.0"),
    (r"apache license,?\s+version 2\.0", "Apache-2.0"),
    (r"boost software license - version 1\.0", "BSL-1.0"),
    (r"python software foundation license version 2", "PSF-2.0"),
    (r"cc0 1\.0 universal", "CC0-1.0"),
    (r"this is free and unencumbered software released into the public domain", "Unlicense"),
    (r"permission to use, copy, modify, and/or distribute this software", "ISC"),
    (r"permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
    (
        r"neither the names? of .{0,200}? (?:may|nor the names).{0,200}endorse or promote",
        "BSD-3-Clause",
    ),
    (r"redistribution and use in source and binary forms", "BSD-2-Clause"),
    (r"this software is provided 'as-is', without any express or implied", "Zlib"),
)
_LICENCE_FILE = re.compile(r"^(?:licen[cs]e|copying|unlicense)(?:[-._].*)?$", re.I)
_SPDX_TAG = re.compile(r"SPDX-License-Identifier:\s*([\w.+\-() ]+)")
_WORDS = re.compile(r"[^a-z0-9]+")


def licence_of_metadata(fields: Message) -> str:
    """Return the SPDX expression of a distribution: License-Expression, then License, then classifiers."""
    expression = fields.get("License-Expression", "")
    if expression:
        return str(expression)
    stated = _spelling(str(fields.get("License", "")))
    if stated is not None:
        return stated
    found = []
    for classifier in fields.get_all("Classifier") or []:
        if classifier.startswith("License ::"):
            name = _CLASSIFIERS.get(classifier.rsplit(" :: ", 1)[-1])
            if name is not None and name not in found:
                found.append(name)
    if found:
        return " OR ".join(found)
    return licence_of_text(str(fields.get("License", "")))


def licence_of_tree(paths: Iterable[str], text_of: Callable[[str], str]) -> str:
    """Return the licence that the top-level licence files of a tree state, joined by AND."""
    found: list[str] = []
    for path in sorted(paths):
        if "/" not in path and _LICENCE_FILE.match(path):
            licence = licence_of_text(text_of(path))
            if licence != UNKNOWN and licence not in found:
                found.append(licence)
    return " AND ".join(found) if found else UNKNOWN


def licence_of_text(text: str) -> str:
    """Return the licence that a text states, by SPDX tag or by sentences that only it has."""
    tag = _SPDX_TAG.search(text)
    if tag is not None:
        return tag[1].strip()
    flat = re.sub(r"\s+", " ", text[:60_000]).lower()
    for sentence, licence in _SENTENCES:
        if re.search(sentence, flat):
            return licence
    return _spelling(text) or UNKNOWN


def is_permissive(expression: str) -> bool:
    """Say whether an SPDX expression allows use without sharing one's own source."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)
    value, rest = _either(tokens)
    return value and not rest


def _spelling(text: str) -> str | None:
    words = _WORDS.sub(" ", text.lower()).strip()
    if text.strip() in PERMISSIVE:
        return text.strip()
    return _SPELLINGS.get(words)


def _either(tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _both(tokens)
    while rest and rest[0].upper() == "OR":
        other, rest = _both(rest[1:])
        value = value or other
    return value, rest


def _both(tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens)
    while rest and rest[0].upper() == "AND":
        other, rest = _one(rest[1:])
        value = value and other
    return value, rest


def _one(tokens: list[str]) -> tuple[bool, list[str]]:
    if not tokens:
        return False, []
    if tokens[0] == "(":
        value, rest = _either(tokens[1:])
        return value, rest[1:]
    value = tokens[0] in PERMISSIVE
    rest = tokens[1:]
    if len(rest) >= 2 and rest[0].upper() == "WITH":
        rest = rest[2:]
    return value, rest
