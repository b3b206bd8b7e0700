"""Licences as package metadata declares them."""

import pytest

from gristmill.corpus.licence_metadata import stated_in
from gristmill.corpus.licences import UNKNOWN

DEBIAN = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2010 A
License: {}

Files: debian/*
License: MIT
"""


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("pyproject.toml", '[project]\nlicense = "MIT OR Apache-2.0"\n', "MIT OR Apache-2.0"),
        ("pyproject.toml", '[project]\nlicense = {text = "BSD 3-Clause"}\n', "BSD-3-Clause"),
        ("pyproject.toml", '[tool.poetry]\nlicense = "MIT"\n', "MIT"),
        (
            "pyproject.toml",
            '[project]\nclassifiers = ["License :: OSI Approved :: MIT License"]\n',
            "MIT",
        ),
        ("pyproject.toml", '[project]\nlicense = {file = "LICENSE"}\n', UNKNOWN),
        ("setup.cfg", "[metadata]\nlicense = Apache License 2.0\n", "Apache-2.0"),
        (
            "setup.cfg",
            "[metadata]\nclassifiers =\n    License :: OSI Approved :: MIT License\n",
            "MIT",
        ),
        ("PKG-INFO", "Metadata-Version: 2.4\nLicense-Expression: ISC\n", "ISC"),
        ("package.json", '{"license": "(MIT OR GPL-3.0)"}', "MIT OR GPL-3.0-only"),
        ("package.json", '{"licenses": [{"type": "MIT"}, {"type": "ISC"}]}', "MIT OR ISC"),
        ("package.json", '{"license": "UNLICENSED"}', "LicenseRef-proprietary"),
        ("Cargo.toml", '[package]\nlicense = "MIT/Apache-2.0"\n', "MIT OR Apache-2.0"),
        (
            "composer.json",
            '{"license": ["LGPL-2.1-only", "GPL-3.0-or-later"]}',
            "LGPL-2.1-only OR GPL-3.0-or-later",
        ),
        ("x.gemspec", "  spec.licenses = ['MIT', 'Ruby']\n", "MIT OR Ruby"),
        (
            "pom.xml",
            "<licenses><license><name>Apache License, Version 2.0</name></license></licenses>",
            "Apache-2.0",
        ),
        ("copyright", DEBIAN.format("GPL-2+"), "GPL-2.0-or-later"),
        ("copyright", DEBIAN.format("Expat or LGPL-2.1"), "MIT OR LGPL-2.1-only"),
        ("copyright", DEBIAN.format("my-own"), UNKNOWN),
        ("package.json", "[" * 100_000, UNKNOWN),
        ("package.json", '["a list"]', UNKNOWN),
        ("Cargo.toml", "not = [toml", UNKNOWN),
        ("setup.cfg", "no section", UNKNOWN),
        ("README", "MIT", UNKNOWN),
    ],
)
def test_what_is_declared(name: str, text: str, wanted: str) -> None:
    assert stated_in(name, text) == wanted
