"""Corpora of real repositories of a given size, for the benches of the corpus stage.

    write(root, num_mb, giant_share=0.3) -> how many bytes are copies

The trees are source packages of Debian, PyPI and npm (`repositories.py`), of many languages. They are cut
into repositories of some hundred kilobytes of neighbouring files, and those are taken in an order by
hash, so that a small corpus can be of the same mix as a large one and only its size differ. Counted are
files that the stage reads. Where more is asked for than there is, copies follow whose identifiers are
renamed, so that no copy is a near copy of another.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from gristmill.corpus.config import CorpusSection, InstalledSource
from gristmill.corpus.judging import refused_unread
from tests.bench.repositories import debian, npm, pypi

Fetch = Callable[[str], Path]
TREES: tuple[tuple[Fetch, str], ...] = (
    *((debian, name) for name in ("libgit2", "fmtlib", "jsoup", "restic", "redis", "ripgrep")),
    *((npm, name) for name in ("zod@3.25.76", "preact@10.24.3", "rxjs@7.8.1", "svelte@5.1.0")),
    *((pypi, name) for name in ("django==5.1.2", "celery==5.4.0", "networkx==3.3", "flask==3.0.3")),
    *((debian, name) for name in ("curl", "zlib", "git", "nginx", "libuv1", "tmux", "protobuf")),
    *((debian, name) for name in ("hugo", "rclone", "etcd", "caddy", "prometheus", "syncthing")),
    *((debian, name) for name in ("guava-libraries", "tomcat10", "netty", "checkstyle", "groovy")),
    *((debian, name) for name in ("abseil", "capnproto", "re2", "spdlog", "leveldb", "googletest")),
    *((npm, name) for name in ("antd@5.21.3", "three@0.170.0", "quasar@2.17.0", "eslint@9.12.0")),
    *((pypi, name) for name in ("ruff==0.14.9", "scikit-learn==1.5.2", "sqlalchemy==2.0.36")),
    *((pypi, name) for name in ("apache-airflow==2.10.2", "sphinx==8.1.3", "ansible-core==2.17.5")),
    *((debian, name) for name in ("postgresql-15", "docker.io", "webpack", "bouncycastle", "vim")),
    *((debian, name) for name in ("harfbuzz", "libsdl2", "jython", "angular.js", "cockpit")),
    *((pypi, name) for name in ("kolibri==0.17.2", "pretix==2024.9.0", "llama-cpp-python==0.3.36")),
    *((pypi, name) for name in ("label-studio==1.13.1", "panel==1.5.2", "gradio==4.44.1")),
    *((npm, name) for name in ("ant-design-vue@4.2.5", "phaser@3.86.0", "mathjax-full@3.2.2")),
    *((debian, name) for name in ("node-typescript", "mono")),
)
"""In the order of fetching: a small corpus needs the first ones alone."""
REPOSITORY_BYTES = 400_000
_ENOUGH = 1.3
"""Times the bytes asked for are looked at, so that what is taken is a choice."""
_SECTION = CorpusSection(sources=(InstalledSource(kind="installed", names=()),))
_WORD = re.compile(rb"\b[A-Za-z_]{6,}\b")


def write(
    root: Path, num_mb: float, giant_share: float = 0.0, largest_mb: float | None = None
) -> float:
    """Write a corpus of about so many megabytes below `root`; return the share of renamed copies.

    A first repository takes `giant_share` of it. Corpora with the same `largest_mb` are of one mix.
    """
    slices, known = _slices((largest_mb or num_mb) * 1e6 * _ENOUGH)
    slices.sort(key=lambda files: hashlib.sha256(str(files[0]).encode()).digest())
    left = num_mb * 1e6
    giant, copied = giant_share * left, 0.0
    for again in range(1 + int(num_mb * 1e6 / max(known, 1))):
        for number, files in enumerate(slices):
            in_giant = giant > 0
            name = "giant" if in_giant else f"r{again}-{number:06}"
            size = _put(root / name / (f"part{number}" if in_giant else ""), files, again)
            left, giant = left - size, giant - size
            copied += size if again else 0
            if left <= 0:
                return copied / (num_mb * 1e6)
    return copied / (num_mb * 1e6)


def _slices(num_bytes: float) -> tuple[list[list[Path]], float]:
    """Return runs of neighbouring files, and how many bytes they have together."""
    found: list[list[Path]] = []
    total = 0.0
    for fetch, name in TREES:
        files: list[Path] = []
        size = 0
        for path in _files(fetch(name)):
            files.append(path)
            size += path.stat().st_size
            if size >= REPOSITORY_BYTES:
                found.append(files)
                total, files, size = total + size, [], 0
        if total >= num_bytes:
            break
    return found, total


def _files(tree: Path) -> Iterator[Path]:
    """Yield the files of a tree that the stage reads, by path."""
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file() or not path.stat().st_size:
                continue
            place = path.relative_to(tree).as_posix()
            if refused_unread(place, path.stat().st_size, "MIT", _SECTION) is None:
                yield path


def _put(folder: Path, files: list[Path], again: int) -> int:
    """Leave files in a folder under the last parts of their paths; return their bytes."""
    base = Path(os.path.commonpath([path.parent for path in files]))
    for path in files:
        place = folder / path.relative_to(base)
        place.parent.mkdir(parents=True, exist_ok=True)
        if again:
            place.write_bytes(_WORD.sub(rb"\g<0>_%d" % again, path.read_bytes()))
        elif not place.exists():
            place.hardlink_to(path)
    return sum(path.stat().st_size for path in files)
