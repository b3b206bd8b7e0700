"""Licences from metadata and files, and what is permissive."""

from email.message import Message
from typing import Any

import pytest

from gristmill.corpus.licence_files import licence_of_tree
from gristmill.corpus.licence_metadata import licence_of_metadata
from gristmill.corpus.licence_texts import licence_of_text
from gristmill.corpus.licences import (
    UNKNOWN,
    is_allowed,
    is_permissive,
    normalised,
)


def metadata(*pairs: tuple[str, str]) -> Message:
    message = Message()
    for name, value in pairs:
        message[name] = value
    return message


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        ((("License-Expression", "MIT OR Apache-2.0"), ("License", "BSD")), "MIT OR Apache-2.0"),
        ((("License", "Apache License, Version 2.0"),), "Apache-2.0"),
        ((("License", "3-Clause BSD License"),), "BSD-3-Clause"),
        (
            (
                ("Classifier", "License :: OSI Approved :: BSD License"),
                ("Classifier", "License :: OSI Approved :: Apache Software License"),
            ),
            "BSD-3-Clause OR Apache-2.0",
        ),
        ((("License", "my own terms"),), UNKNOWN),
        ((), UNKNOWN),
    ],
)
def test_licence_of_metadata(pairs: tuple[tuple[str, str], ...], wanted: str) -> None:
    assert licence_of_metadata(metadata(*pairs)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SPDX-License-Identifier: MIT\n", "MIT"),
        ("Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", "GPL-3.0-only"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007", "AGPL-3.0-only"),
        (
            "GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n"
            "13. Use with the GNU Affero General Public License.",
            "GPL-3.0-only",
        ),
        (
            "Mozilla Public License Version 2.0\n1.12. Secondary License means "
            "the GNU Affero General Public License, Version 3.0, or any later versions",
            "MPL-2.0",
        ),
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("all rights reserved", UNKNOWN),
    ],
)
def test_licence_of_text(text: str, wanted: str) -> None:
    assert licence_of_text(text) == wanted


def test_a_tree_s_licence_is_that_of_its_top_files() -> None:
    texts = {
        "LICENSE-MIT": "permission is hereby granted, free of charge, to any person obtaining a copy",
        "COPYING": "GNU Lesser General Public License\nVersion 3",
        "vendor/LICENSE": "Mozilla Public License Version 2.0",
        "licenses.py": "x = 1",
    }
    assert licence_of_tree(texts, texts.__getitem__) == "LGPL-3.0-only AND MIT"


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-2.0-only OR MIT", True),
        ("GPL-2.0-only AND MIT", False),
        ("(GPL-2.0-only OR MIT) AND BSD-3-Clause", True),
        ("Apache-2.0 WITH LLVM-exception AND MIT", True),
        (UNKNOWN, False),
        ("", False),
        ("(MIT", True),
    ],
)
def test_is_permissive(expression: str, wanted: bool) -> None:
    assert is_permissive(expression) is wanted


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("mit", "MIT"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("LicenseRef-mine AND mit", "LicenseRef-mine AND MIT"),
        ("GPL-2.0 WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("my own terms", None),
        ("", None),
        ("(" * 5000, None),
    ],
)
def test_one_spelling_for_each_expression(expression: str, wanted: str | None) -> None:
    assert normalised(expression) == wanted
    if wanted is not None:
        assert normalised(wanted) == wanted


@pytest.mark.parametrize(
    ("expression", "wanted", "allowed"),
    [
        ("GPL-3.0-only", "any", True),
        ("GPL-3.0-only", "permissive", False),
        ("GPL-3.0-only OR MIT", "permissive", True),
        ("MIT", ("MIT", "ISC"), True),
        ("MIT AND ISC", ("MIT", "ISC"), True),
        ("MIT AND GPL-3.0-only", ("MIT", "ISC"), False),
        ("GPL-3.0-only OR MIT", ("MIT",), True),
        (UNKNOWN, ("MIT",), False),
        (UNKNOWN, (UNKNOWN,), True),
    ],
)
def test_an_allow_list(expression: str, wanted: Any, allowed: bool) -> None:
    assert is_allowed(expression, wanted) is allowed
