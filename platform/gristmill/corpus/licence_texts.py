"""Which licence a text is: by SPDX tag, by its words, by a sentence that only one licence has, by name.

The words are matched by a library that knows the SPDX texts; it answers when they cover most of the
text. What is changed too much for it is known by a telling sentence. Two readings are conventions: a
bare "BSD" is BSD-3-Clause, and a full text of the GPL without a word about later versions is "only".
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import xxhash
from licenseclassifier import identify_license

from gristmill.corpus.licences import UNKNOWN, joined, normalised

_MAX_CHARS = 100_000
_HEAD_CHARS = 4096
"""A tag further down is about a part of what the text is about."""
_TAG = re.compile(
    r"SPDX-License-Identifier:[ \t]*([\w.+\-()]+(?: (?:AND|OR|WITH|and|or|with) [\w.+\-()]+)*)"
)
_WORDS = re.compile(r"[^a-z0-9]+")

CLASSIFIERS = {
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
    (r"gnu free documentation license\s+version 1\.2", "GFDL-1.2-only"),
    (r"gnu free documentation license version 1\.3", "GFDL-1.3-only"),
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
_GNU_NOTICE = re.compile(
    r"(?i)GNU (?P<kind>Affero |Lesser |Library )?(?:General )?Public License"
    r"|under the terms of the (?:A|L)?GPL"
)
_VERSION = re.compile(r"(?i)(?:version|GPL ?v?|License,? v?)\.? ?([123](?:\.[01])?)\b")
_LATER = re.compile(r"(?i)any later version|or later|or newer|\bv?[123](?:\.1)?\+")
_NOTICES = (
    (re.compile(r"(?i)Mozilla Public License,? v(?:ersion|\.)? ?2\.0"), "MPL-2.0"),
    (re.compile(r"(?i)licensed under the Apache License,? Version 2\.0"), "Apache-2.0"),
)


def licence_of_text(text: str) -> str:
    """Return the licence that a text is or states; unknown when it cannot be told."""
    return (
        tagged(text[:_HEAD_CHARS])
        or _by_words(_Text(text[:_MAX_CHARS]))
        or spelled(text)
        or UNKNOWN
    )


def tagged(text: str) -> str | None:
    """Return the licence of the first SPDX tag in a text that holds a true expression."""
    for tag in _TAG.finditer(text):
        licence = normalised(tag[1]) or normalised(tag[1].split()[0])
        if licence is not None:
            return licence
    return None


def noticed(text: str) -> str | None:
    """Return the licence of a notice at the top of a source file: the GNU family's, Mozilla's, Apache's.

    "or (at your option) any later version" counts; a notice without a version is the first version's
    or any later, as the GNU licences themselves say.
    """
    flat = re.sub(r"[\s*#/;%!-]+", " ", text[:_HEAD_CHARS])
    gnu = _GNU_NOTICE.search(flat)
    if gnu is not None:
        family = {"affero": "AGPL", "lesser": "LGPL", "library": "LGPL"}.get(
            (gnu["kind"] or "").strip().lower(), "GPL"
        )
        around = flat[max(0, gnu.start() - 300) : gnu.end() + 300]
        version = _VERSION.search(around)
        number = version[1] if version else {"AGPL": "3", "LGPL": "2"}.get(family, "1")
        later = version is None or _LATER.search(around) is not None
        ending = "or-later" if later else "only"
        return normalised(f"{family}-{number if '.' in number else number + '.0'}-{ending}")
    for sentence, licence in _NOTICES:
        if sentence.search(flat):
            return licence
    return None


def spelled(name: str) -> str | None:
    """Return the licence that people mean by a name."""
    if len(name) > 200:
        return None
    words = _WORDS.sub(" ", name.lower()).strip()
    return _SPELLINGS.get(words) or normalised(name)


def classified(classifiers: Mapping[str, None] | list[str]) -> str:
    """Return the licence of a distribution's classifiers; several are a choice."""
    names = (CLASSIFIERS.get(name.rsplit(" :: ", 1)[-1]) for name in classifiers)
    return joined((name for name in names if name is not None), "OR")


class _Text(str):
    """A long text that a cache keeps by its hash."""

    __slots__ = ()

    def __hash__(self) -> int:
        return xxhash.xxh3_64_intdigest(self.encode("utf-8", "replace"))


@lru_cache(maxsize=1024)
def _by_words(text: str) -> str | None:
    found = list(dict.fromkeys(match.id for match in identify_license(text)))
    only = [name for name in found if not (name.endswith("-or-later") and len(found) > 1)]
    licences = [normalised(name) or UNKNOWN for name in only]
    if licences:
        whole = joined(licences, "AND")
        if whole != UNKNOWN:
            return whole
    flat = re.sub(r"\s+", " ", text).lower()
    for sentence, licence in _SENTENCES:
        if re.search(sentence, flat):
            return licence
    return None
