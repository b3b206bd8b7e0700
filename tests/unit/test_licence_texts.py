"""Which licence a text is, states by tag, or names in a notice."""

import pytest

from gristmill.corpus.licence_texts import classified, licence_of_text, noticed, spelled, tagged
from gristmill.corpus.licences import UNKNOWN


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("// SPDX-License-Identifier: mit\n", "MIT"),
        ("/* SPDX-License-Identifier: GPL-2.0+ */", "GPL-2.0-or-later"),
        ("# SPDX-License-Identifier: MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("# SPDX-License-Identifier: BSD-3-Clause and so on", "BSD-3-Clause"),
        ("# SPDX-License-Identifier: no-such-thing", None),
        ("no tag", None),
    ],
)
def test_tags(text: str, wanted: str | None) -> None:
    assert tagged(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "GNU General Public License,\n# version 2, or (at your option) any later version",
            "GPL-2.0-or-later",
        ),
        ("terms of the GNU Lesser General Public\n * License version 3", "LGPL-3.0-only"),
        ("the GNU Affero General Public License as published", "AGPL-3.0-or-later"),
        ("Mozilla Public\n * License, v. 2.0.", "MPL-2.0"),
        ("Licensed under the Apache License, Version 2.0", "Apache-2.0"),
        ("a public licence of our own", None),
    ],
)
def test_notices(text: str, wanted: str | None) -> None:
    assert noticed(text) == wanted


def test_a_tag_far_down_is_not_about_the_whole() -> None:
    mit = "Permission is hereby granted, free of charge, to any person obtaining a copy"
    text = f"{mit}\n{'words ' * 2000}\nSPDX-License-Identifier: GPL-3.0-only"
    assert licence_of_text(text) == "MIT"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Apache 2", "Apache-2.0"), ("New BSD License", "BSD-3-Clause"), ("GPL-3.0", "GPL-3.0-only")],
)
def test_spellings(name: str, wanted: str) -> None:
    assert spelled(name) == wanted
    assert spelled(f"{name} with a twist") is None


def test_classifiers_are_a_choice() -> None:
    names = ["License :: OSI Approved :: MIT License", "License :: OSI Approved :: BSD License"]
    assert classified([*names, "Topic :: Games"]) == "MIT OR BSD-3-Clause"
    assert classified([]) == UNKNOWN
