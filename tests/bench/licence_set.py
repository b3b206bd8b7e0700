"""Licence texts and notices with labels that others gave: their metadata, their distributor, their tags.

Texts are licence files of installed distributions, labelled by the distribution's License-Expression, of
npm's own packages, labelled by package.json, and Debian's common licences, labelled by name. Only where
there is one file and one licence is the label the file's. Notices are how source files name a licence.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from gristmill.corpus.licences import normalised


@dataclass(frozen=True)
class Sample:
    """A text, where it is from, and its licence."""

    origin: str
    name: str
    text: str
    licence: str


_DEBIAN = {
    "Apache-2.0": "Apache-2.0",
    "Artistic": "Artistic-1.0-Perl",
    "BSD": "BSD-3-Clause",
    "CC0-1.0": "CC0-1.0",
    "GFDL-1.2": "GFDL-1.2-only",
    "GFDL-1.3": "GFDL-1.3-only",
    "GPL-1": "GPL-1.0-only",
    "GPL-2": "GPL-2.0-only",
    "GPL-3": "GPL-3.0-only",
    "LGPL-2": "LGPL-2.0-only",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPL-3": "LGPL-3.0-only",
    "MPL-1.1": "MPL-1.1",
    "MPL-2.0": "MPL-2.0",
}
NOTICES = (
    ("SPDX-License-Identifier: MIT", "MIT"),
    ("// SPDX-License-Identifier: (GPL-2.0+ OR BSD-3-Clause)", "GPL-2.0-or-later OR BSD-3-Clause"),
    (
        "/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */",
        "GPL-2.0-only WITH Linux-syscall-note",
    ),
    ("# SPDX-License-Identifier: Apache-2.0 and more words", "Apache-2.0"),
    ("<!-- SPDX-License-Identifier: CC-BY-4.0 -->", "CC-BY-4.0"),
    (
        " * This program is free software; you can redistribute it and/or modify\n"
        " * it under the terms of the GNU General Public License as published by\n"
        " * the Free Software Foundation; either version 2 of the License, or\n"
        " * (at your option) any later version.\n",
        "GPL-2.0-or-later",
    ),
    (
        "# This program is free software: you can redistribute it and/or modify\n"
        "# it under the terms of the GNU General Public License as published by\n"
        "# the Free Software Foundation, version 3.\n",
        "GPL-3.0-only",
    ),
    (
        "// This library is free software; you can redistribute it and/or\n"
        "// modify it under the terms of the GNU Lesser General Public\n"
        "// License as published by the Free Software Foundation; either\n"
        "// version 2.1 of the License, or (at your option) any later version.\n",
        "LGPL-2.1-or-later",
    ),
    (
        "    it under the terms of the GNU Affero General Public License as published by\n"
        "    the Free Software Foundation, either version 3 of the License, or\n"
        "    (at your option) any later version.\n",
        "AGPL-3.0-or-later",
    ),
    (
        " * This Source Code Form is subject to the terms of the Mozilla Public\n"
        " * License, v. 2.0. If a copy of the MPL was not distributed with this\n"
        " * file, You can obtain one at http://mozilla.org/MPL/2.0/. */\n",
        "MPL-2.0",
    ),
    (
        " * This file is part of the kernel. It may be copied under the terms of\n"
        " * version 2 of the GNU General Public License.\n",
        "GPL-2.0-only",
    ),
    (
        "; GNU Library General Public License version 2 or later applies to this file\n",
        "LGPL-2.0-or-later",
    ),
)


def notices() -> Iterator[Sample]:
    """Yield the notices."""
    for text, licence in NOTICES:
        yield Sample("notice", text[:40], text, licence)


def texts() -> Iterator[Sample]:
    """Yield the labelled licence texts that this machine has."""
    common = Path("/usr/share/common-licenses")
    for name, licence in _DEBIAN.items():
        if (common / name).exists():
            text = (common / name).read_text(encoding="utf-8", errors="replace")
            yield Sample("debian", name, text, licence)
    yield from _distributions()
    yield from _npm(Path("/usr/lib/node_modules"))


def _distributions() -> Iterator[Sample]:
    for found in metadata.distributions():
        licence = normalised(found.metadata.get("License-Expression") or "")
        files = [
            file
            for file in found.files or ()
            if ".dist-info/" in str(file)
            and ("licen" in file.name.lower() or "copying" in file.name.lower())
            and file.suffix not in (".py", ".json")
        ]
        if licence and " " not in licence and len(files) == 1:
            text = Path(str(files[0].locate())).read_text(encoding="utf-8", errors="replace")
            yield Sample("pypi", found.metadata["Name"], text, licence)


def _npm(root: Path) -> Iterator[Sample]:
    for path in sorted(root.glob("**/node_modules/**/package.json")):
        try:
            licence = normalised(str(json.loads(path.read_text(encoding="utf-8")).get("license")))
        except (ValueError, AttributeError):
            continue
        names = ("licen", "copying")
        files = [file for file in path.parent.iterdir() if file.name.lower().startswith(names)]
        if licence and " " not in licence and len(files) == 1 and files[0].is_file():
            text = files[0].read_text(encoding="utf-8", errors="replace")
            yield Sample("npm", path.parent.name, text, licence)
