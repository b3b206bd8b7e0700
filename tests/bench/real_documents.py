"""A hundred thousand real files for the benches of the data path, from pinned public repositories.

Installed distributions come first, then source archives that `repositories` fetches and keeps, until
there are enough. A file is taken once, whatever its path, when it is UTF-8 and of a known language.
"""

import hashlib
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

from gristmill.corpus.documents import Document, DocumentFile
from gristmill.corpus.languages import comment_line, language_of_name
from tests.bench.repositories import debian, npm, pypi

MAX_BYTES = 1 << 16
FETCHED: tuple[tuple[Callable[[str], Path], str], ...] = (
    (pypi, "pretix==2024.9.0"),
    (pypi, "kolibri==0.17.2"),
    (npm, "antd@5.21.3"),
    (npm, "ant-design-vue@4.2.5"),
    (debian, "docker.io"),
    (debian, "postgresql-15"),
    (debian, "guava-libraries"),
    (debian, "tomcat10"),
    (debian, "bouncycastle"),
    (debian, "node-typescript"),
    (debian, "webpack"),
    (debian, "mono"),
)


def files() -> Iterator[tuple[str, DocumentFile]]:
    """Yield (repository, file), each text once, headers as the corpus stage writes them."""
    seen: set[bytes] = set()
    for repository, folder in _folders():
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            language = language_of_name(path.name)
            if not language or not 0 < path.stat().st_size <= MAX_BYTES:
                continue
            data = path.read_bytes()
            digest = hashlib.blake2b(data, digest_size=16).digest()
            if digest in seen:
                continue
            seen.add(digest)
            try:
                text = data.decode()
            except UnicodeDecodeError:
                continue
            name = path.relative_to(folder).as_posix()
            yield repository, DocumentFile(name, language, comment_line(language, name), text)


def documents(num: int, files_each: Callable[[int], int] = lambda _: 1) -> Iterator[Document]:
    """Yield `num` documents of files that stand side by side; `files_each(n)` in document n."""
    group: list[DocumentFile] = []
    before = ""
    number = 0
    for repository, file in files():
        if group and (repository != before or len(group) == files_each(number)):
            yield _document(before, group)
            group = []
            number += 1
            if number == num:
                return
        before = repository
        group.append(file)
    if group:
        yield _document(before, group)


def _folders() -> Iterator[tuple[str, Path]]:
    installed = Path(sysconfig.get_paths()["purelib"])
    for folder in sorted(path for path in installed.iterdir() if path.is_dir()):
        yield folder.name, folder
    for fetch, what in FETCHED:
        yield what, fetch(what)


def _document(repository: str, group: list[DocumentFile]) -> Document:
    num_bytes = sum(len((file.header + file.text).encode()) for file in group)
    name = f"{repository}/{group[0].path}"
    return Document(
        name, repository, "1", "", "code", "train", group[0].language, num_bytes, tuple(group)
    )
