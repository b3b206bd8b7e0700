"""Which language a header is in: ours and linguist's, against what its project is written in.

    pytest tests/bench/test_languages_truth.py -m truth

Truth is the project: headers of C projects are C, those of C++ projects are C++, but for files that say
`extern "C"`, which both languages read and which are left out on both sides.
"""

import pytest

from gristmill.corpus import linguist
from gristmill.corpus.languages import language_of
from tests.bench.repositories import debian

pytestmark = pytest.mark.truth
PROJECTS = {
    "C": ("zlib", "lua5.4", "libuv1", "libgit2", "redis", "jansson", "mbedtls", "sqlite3"),
    "C++": ("leveldb", "re2", "snappy", "googletest", "abseil", "fmtlib", "spdlog", "yaml-cpp"),
}  # fmt: skip
BAR = 0.96


def test_headers_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    ours = theirs = total = 0
    with capsys.disabled():
        print(f"\n{'project':14}{'headers':>8}{'ours':>8}{'linguist':>10}")
        for truth, names in PROJECTS.items():
            for name in names:
                found = [0, 0, 0]
                for path in sorted(debian(name).rglob("*.h")):
                    data = path.read_bytes()
                    text = data.decode("utf-8", "replace")
                    if b'extern "C"' in data or not path.is_file():
                        continue
                    found[0] += 1
                    found[1] += language_of(path.name, text) == truth
                    found[2] += linguist.content_language(path.name, data) == truth
                total, ours, theirs = total + found[0], ours + found[1], theirs + found[2]
                shares = [f"{right / max(found[0], 1):.3f}" for right in found[1:]]
                print(f"{name:14}{found[0]:8}{shares[0]:>8}{shares[1]:>10}")
        print(f"{'all':14}{total:8}{ours / total:8.3f}{theirs / total:10.3f}")
    assert ours / total >= BAR
    assert ours >= theirs
