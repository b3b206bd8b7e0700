"""What judging a file costs beside its parse, and what the quality signals add to a parse.

    pytest tests/bench/test_judging_speed.py -m truth

Judging is everything but the parse and the redaction: name, encoding, language, the paper's rules, copied
and generated files, roles, the content's hash. Measured is the thread's CPU time of two passes over the
same files, the least of each; judging is counted on the files that are parsed and, beside, on all.
"""

import time
from pathlib import Path

import pytest

from gristmill.corpus import judging
from gristmill.corpus.config import CorpusSection, InstalledSource, Quality, Redact
from gristmill.corpus.imports import LANGUAGES, Parsed, parse
from gristmill.corpus.languages import language_of
from gristmill.corpus.quality import measurer
from gristmill.corpus.text import decode
from tests.bench.repositories import debian, npm, pypi

pytestmark = pytest.mark.truth
MAX_BYTES = 1_500_000
BAR = 0.10
QUALITY_BAR = 0.35
SECTION = CorpusSection(
    sources=(InstalledSource(kind="installed", names=()),),
    redact=Redact(secrets=False, emails=False, ips=False),
    quality=Quality(signals=False),
)


def sample(folder: Path) -> list[tuple[str, bytes]]:
    """Return up to `MAX_BYTES` of a tree's files, every n-th of them."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    paths = [path for path in paths if path.stat().st_size < 500_000]
    total = sum(path.stat().st_size for path in paths)
    step = max(1, 2 * total // MAX_BYTES)
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths[::step]]


def least(passes: int, run: object, files: list[tuple[str, bytes]]) -> float:
    assert callable(run)
    taken = []
    for _ in range(passes):
        started = time.thread_time()
        for path, data in files:
            run(path, data)
        taken.append(time.thread_time() - started)
    return min(taken)


def test_judging_costs_a_tenth_of_the_parse(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = [
        *(debian(name) for name in ("libgit2", "lua5.4", "fmtlib", "jsoup", "restic")),
        *(npm(name) for name in ("preact@10.24.3", "zod@3.25.76")),
        *(pypi(name) for name in ("flask==3.0.3", "celery==5.4.0")),
    ]
    files = [file for tree in trees for file in sample(tree)]
    languages = {path: language_of(path, decode(data)[0]) for path, data in files}
    read = [(path, data) for path, data in files if languages[path] in LANGUAGES]

    def parsed(path: str, data: bytes) -> None:
        parse(str(languages[path]), data, path)

    def measured(path: str, data: bytes) -> None:
        language = str(languages[path])
        parse(language, data, path, measure=measurer(language))

    def judged(path: str, data: bytes) -> None:
        judging.judge(path, data, "MIT", SECTION)

    parsing, measuring = least(2, parsed, read), least(2, measured, read)
    monkeypatch.setattr(judging, "parse", lambda language, *_, **__: Parsed(language))
    on_parsed, on_all = least(2, judged, read), least(2, judged, files)
    size, total = (sum(len(data) for _, data in some) / 1e6 for some in (read, files))
    with capsys.disabled():
        print(f"\n{len(files)} files, {total:.1f} MB; {len(read)} parsed, {size:.1f} MB")
        print(f"parse                    {size / parsing:6.1f} MB/s")
        print(f"judging, parsed files    {size / on_parsed:6.1f} MB/s, {on_parsed / parsing:.3f}")
        print(f"judging, all files       {total / on_all:6.1f} MB/s, {on_all / parsing:.3f}")
        print(f"signals on top of parse  {measuring / parsing - 1:6.3f}")
    assert on_parsed / parsing < BAR
    assert measuring / parsing - 1 < QUALITY_BAR
