"""Where a tree states its licences, and which one holds for a file."""

import pytest

from gristmill.corpus.licence_files import licence_of_file, licences_of_tree, wanted_paths
from gristmill.corpus.licences import UNKNOWN

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy\n"
GPL = "GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007"


def found(**texts: str) -> tuple[str, dict[str, str]]:
    named = {name.replace("__", "/"): text for name, text in texts.items()}
    return licences_of_tree(named, named.__getitem__)


def test_what_is_declared_comes_before_files_and_files_before_the_readme() -> None:
    readme = "# X\n\n## License\n\nReleased under the ISC license.\n\n## More\n\nMIT\n"
    declared = '{"license": "Apache-2.0"}'
    everything = {"package.json": declared, "LICENSE": MIT, "README.md": readme}
    for gone, wanted in (("", "Apache-2.0"), ("package.json", "MIT"), ("LICENSE", "ISC")):
        everything.pop(gone, None)
        assert licences_of_tree(everything, everything.__getitem__) == (wanted, {})


def test_several_files_are_all_in_force() -> None:
    assert found(LICENSE=MIT, COPYING=GPL)[0] == "GPL-3.0-only AND MIT"


def test_a_folder_below_has_its_own() -> None:
    whole, folders = found(LICENSE=MIT, vendor__zip__COPYING=GPL, docs__README="## License\nISC\n")
    assert (whole, folders) == ("MIT", {"vendor/zip": "GPL-3.0-only"})


def test_folders_that_speak_of_what_holds_them() -> None:
    texts = {"LICENSES/MIT.txt": "", "LICENSES/LICENSE": MIT, "debian/copyright": ""}
    assert licences_of_tree(texts, texts.__getitem__) == ("MIT", {})


def test_a_tree_that_says_nothing_is_unknown() -> None:
    assert found(main__py="x = 1") == (UNKNOWN, {})


@pytest.mark.parametrize(
    ("path", "data", "wanted"),
    [
        ("a.py", b"x = 1\n", ""),
        ("lib/a.py", b"x = 1\n", ""),
        ("vendor/zip/src/a.c", b"int x;\n", "GPL-3.0-only"),
        ("vendor/zipper/a.c", b"int x;\n", ""),
        ("vendor/zip/a.c", b"// SPDX-License-Identifier: MIT\n", "MIT"),
        ("a.c", b"/* GNU General Public License version 2 */", "GPL-2.0-only"),
    ],
)
def test_a_file_s_own_licence(path: str, data: bytes, wanted: str) -> None:
    assert licence_of_file(path, data, {"vendor/zip": "GPL-3.0-only"}) == wanted


def test_only_files_that_may_state_one_are_read() -> None:
    paths = ["a.py", "license.py", "src/LICENSE-MIT", "LICENCE.md", "x/package.json", "copying.js"]
    assert wanted_paths(paths) == ["LICENCE.md", "src/LICENSE-MIT", "x/package.json"]
