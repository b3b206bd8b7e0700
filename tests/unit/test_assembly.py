"""Repositories to parts, without Ray: the library's own steps one after the other."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from gristmill.corpus.assembly import Making, Older, write_part
from gristmill.corpus.config import CorpusSection, Dedup, FolderSource, HeldOut, TableSource
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.documents import Document, read_documents
from gristmill.corpus.parts import (
    part_path,
    piece_path,
    plan_parts,
    plan_path,
    read_table,
    tally,
    write_table,
)
from gristmill.corpus.pieces import merged_sketches, plan_pieces, read_piece, sketch_table
from gristmill.corpus.selection import INPUT, select_with_clusters
from gristmill.corpus.showing import report
from gristmill.corpus.sources import open_sources
from gristmill.corpus.summary import origins_of, repositories_table, summarise
from gristmill.storage import Storage
from tests.made_repositories import module, section_of, write_repositories


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repositories(tmp_path_factory.mktemp("sources"))


class Made:
    """A corpus made in this process."""

    def __init__(self, section: CorpusSection, folder: Path, seed: int = 1) -> None:
        self.storage = Storage.open(str(folder))
        repositories = open_sources(section)
        pieces = list(plan_pieces(repositories, section))
        benchmarks = Benchmarks.load(section.decontaminate)
        tables, sketches = [], []
        for number, piece in enumerate(pieces):
            table = read_piece(piece, section, benchmarks)
            write_table(self.storage, piece_path(number), table)
            sketches.append(sketch_table(table, section))
            column = pa.array([number] * table.num_rows, pa.int32())
            tables.append(table.select([*INPUT, "signature"]).append_column("piece", column))
        self.plan, clusters = select_with_clusters(
            pa.concat_tables(tables), merged_sketches(sketches), section, seed, {}
        )
        write_table(self.storage, part_path("clusters", 0), clusters)
        write_table(self.storage, plan_path(0), self.plan)
        tallies = tally(self.plan, 0)
        self.origins = origins_of(tallies, lambda piece: pieces[piece].repository)
        self.making = Making(section, seed, {n: f"piece {n}" for n in range(len(pieces))})
        self.parts = list(plan_parts(tallies))
        self.written = [
            write_part(self.storage, part, self.origins, self.making) for part in self.parts
        ]
        counts = [row for part in self.written for row in part.counts]
        self.repositories = repositories_table(tallies, counts, self.origins)
        self.summary = summarise(tallies, self.repositories)

    def documents(self, split: str = "train") -> Sequence[Document]:
        return list(read_documents(self.storage, split))

    def reasons(self) -> Counter[str]:
        return Counter(self.plan["reason"].to_pylist())


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(section_of(root), tmp_path_factory.mktemp("corpus"))


def test_every_file_ends_as_a_document_s_file_or_as_one_reject(root: Path, made: Made) -> None:
    on_disk = sorted(
        (path.relative_to(root).parts[0], "/".join(path.relative_to(root).parts[1:]))
        for path in root.rglob("*")
        if path.is_file()
    )
    kept = [
        (document.repository, file.path)
        for split in ("train", "held_out")
        for document in made.documents(split)
        for file in document.files
    ]
    rejects = read_table(made.storage, part_path("rejects", 0))
    gone = list(zip(rejects["repository"].to_pylist(), rejects["path"].to_pylist(), strict=True))
    assert sorted(kept + gone) == on_disk
    assert all(rejects["reason"].to_pylist()) and all(rejects["detail"].to_pylist())


def test_reasons(made: Made) -> None:
    reasons = made.reasons()
    assert reasons["mean_line"] == 6
    assert reasons["binary"] == 6
    assert reasons["empty"] == 6
    assert reasons["exact_duplicate"] == 5
    assert reasons["near_duplicate"] == 5
    assert reasons["language"] == 6 + 6  # data.bin and LICENSE


def test_documents_hold_dependencies_before_dependents(made: Made) -> None:
    for document in made.documents():
        paths = [file.path for file in document.files]
        modules = [path for path in paths if path.startswith("pkg/m")]
        assert modules == sorted(modules)
        assert all(file.path in file.header for file in document.files)
    assert max(len(document.files) for document in made.documents()) >= 3


def test_held_out_files_are_documents_of_their_own(made: Made) -> None:
    held_out = made.documents("held_out")
    assert 1 <= len(held_out) <= 5
    assert all(len(document.files) == 1 for document in held_out)


def test_edges_are_relative_to_the_repository(made: Made) -> None:
    edges = read_table(made.storage, part_path("edges", 0)).to_pylist()
    assert {
        "repository": "repo0",
        "importer": "pkg/m1.py",
        "imported": "pkg/m0.py",
        "language": "Python",
        "kind": "import",
        "line": 1,
    } in edges


def test_the_summary_adds_up(made: Made) -> None:
    counts = made.summary.counts
    rejects = sum(value for key, value in counts.items() if key.startswith("rejects_"))
    assert counts["files"] == counts["files_kept"] + rejects
    assert counts["repositories"] == 6
    assert counts["documents"] == len(made.documents()) + len(made.documents("held_out"))
    assert 0 < made.summary.metrics["rule_kept_share"] < 1


def test_the_report_shows_every_reason_and_escapes_texts(made: Made) -> None:
    page = report("name", made.plan, made.repositories, made.summary, made.storage)
    assert page.count('class="bar"') > 8 and "32.8%" in page
    assert "long lines on average" in page and "<script" not in page


def test_the_same_bytes_again(root: Path, made: Made, tmp_path: Path) -> None:
    again = Made(section_of(root), tmp_path)
    for kind in ("documents", "rejects", "edges"):
        path = part_path(kind, 0)
        assert again.storage.read_bytes(path) == made.storage.read_bytes(path)


def test_no_near_copy_crosses_the_split_without_dedup(root: Path, tmp_path: Path) -> None:
    section = section_of(root, dedup=Dedup(level="none"), held_out=HeldOut(share=0.4))
    made = Made(section, tmp_path)
    sides: dict[str, set[str]] = {"train": set(), "held_out": set()}
    for split, names in sides.items():
        for document in made.documents(split):
            names |= {file.path.split("/")[-1] for file in document.files}
    copies = {"shared.py", "nearly.py"}
    assert not (sides["train"] & copies) & (sides["held_out"] & copies)
    assert made.reasons()["near_duplicate"] == 0


def test_by_repository_copies_of_held_out_files_leave_training(root: Path, tmp_path: Path) -> None:
    section = section_of(
        root, dedup=Dedup(level="none"), held_out=HeldOut(by="repository", share=0.2)
    )
    made = Made(section, tmp_path)
    assert {document.repository for document in made.documents("held_out")}.isdisjoint(
        document.repository for document in made.documents()
    )
    assert made.reasons()["held_out_copy"] > 0


def test_repository_level_dedup_removes_whole_forks(root: Path, tmp_path: Path) -> None:
    fork = tmp_path / "fork"
    write_repositories(fork, 2)
    for path in (fork / "repo1").rglob("*.py"):
        path.write_bytes((fork / "repo0" / path.relative_to(fork / "repo1")).read_bytes())
    section = section_of(fork, dedup=Dedup(level="repository"), held_out=HeldOut(share=0.0))
    made = Made(section, tmp_path / "corpus")
    assert {document.repository for document in made.documents()} == {"repo0"}
    assert made.reasons()["repository_duplicate"] > 5


def test_a_repository_is_cut_to_its_limit(root: Path, tmp_path: Path) -> None:
    made = Made(section_of(root, max_repository_bytes=2500), tmp_path)
    assert made.reasons()["repository_cap"] > 0
    assert all(size <= 2500 for size in made.repositories["bytes_kept"].to_pylist())


def test_the_repositories_of_a_table_are_repositories(root: Path, tmp_path: Path) -> None:
    rows = [
        {"content": module(7), "path": "a.py", "repo_name": "x/one", "license": "MIT"},
        {
            "content": module(8, "import b\n"),
            "path": "a.py",
            "repo_name": "x/two",
            "license": "ISC",
        },
        {"content": module(9), "path": "b.py", "repo_name": "x/two", "license": "ISC"},
    ]
    table = tmp_path / "stack.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = TableSource(kind="table", paths=(str(table),))
    made = Made(section_of(root, sources=(source,), held_out=HeldOut(share=0.0)), tmp_path / "c")
    documents = made.documents()
    assert [(item.repository, item.licence) for item in documents] == [
        ("x/one", "MIT"),
        ("x/two", "ISC"),
    ]
    assert [file.path for file in documents[1].files] == ["b.py", "a.py"]
    assert made.repositories["kind"].to_pylist() == ["table", "table"]


def test_every_file_is_listed_and_every_redaction_recorded(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "in" / "repo" / "mail.py"
    secret.parent.mkdir(parents=True)
    secret.write_text(module(77) + "\nAUTHOR = 'ann.lee@mills.org'\n")
    made = Made(section_of(tmp_path / "in", held_out=HeldOut(share=0.0)), tmp_path / "corpus")
    (document,) = made.documents()
    assert "ann.lee" not in document.files[0].text and "REDACTED_EMAIL" in document.files[0].text
    (span,) = read_table(made.storage, part_path("redactions", 0)).to_pylist()
    assert (span["path"], span["kind"]) == ("mail.py", "email")
    (row,) = read_table(made.storage, part_path("files", 0)).to_pylist()
    assert (row["path"], row["split"], row["reason"]) == ("mail.py", "train", "")
    assert len(row["signals"]) > 5


def test_a_part_is_kept_copied_or_made(root: Path, made: Made, tmp_path: Path) -> None:
    assert all(part.made for part in made.written)
    (part,) = made.parts
    before = made.storage.sizes("documents")
    again = write_part(made.storage, part, made.origins, made.making)
    assert not again.made and again.key == made.written[0].key
    (older,) = (Older(made.storage.url, part.number, part_.counts) for part_ in made.written)
    there = Storage.open(str(tmp_path))
    write_table(there, plan_path(0), made.plan)
    knowing = replace(made.making, older={again.key: older})
    copied = write_part(there, part, made.origins, knowing)
    assert not copied.made and copied.counts == made.written[0].counts
    assert there.sizes("documents") == before
    other = replace(made.making, section=section_of(root, path_comment=False))
    assert write_part(made.storage, part, made.origins, other).key != again.key


def test_documents_fit_the_window_and_lose_no_file(root: Path, made: Made, tmp_path: Path) -> None:
    narrow = Made(section_of(root, window_tokens=256), tmp_path)
    limit = 256 * 3
    for document in narrow.documents():
        assert document.num_bytes <= limit or len(document.files) == 1

    def files(corpus: Made) -> list[tuple[str, str]]:
        return sorted(
            (item.repository, file.path) for item in corpus.documents() for file in item.files
        )

    assert files(narrow) == files(made)
    assert len(narrow.documents()) > len(made.documents())
    shares = [corpus.summary.metrics["imports_visible_share"] for corpus in (narrow, made)]
    assert 0 <= shares[0] < shares[1] <= 1


def test_only_code_is_held_against_the_paper_s_rules(tmp_path: Path) -> None:
    code, prose = tmp_path / "code" / "one", tmp_path / "prose" / "two"
    for folder in (code, prose):
        folder.mkdir(parents=True)
    (code / "a.py").write_text(module(1))
    (code / "long.py").write_text("# " + "word " * 300 + "\n")
    (prose / "b.md").write_text("Some words that no rule of code is asked of.\n" * 200)
    sources = (
        FolderSource(kind="folder", path=str(code.parent)),
        FolderSource(kind="folder", path=str(prose.parent), domain="text"),
    )
    section = section_of(code.parent).model_copy(update={"sources": sources})
    made = Made(section, tmp_path / "corpus")
    sizes = [(code / name).stat().st_size for name in ("a.py", "long.py")]
    assert made.summary.metrics["rule_kept_share"] == sizes[0] / sum(sizes)


def test_what_files_see_of_their_imports_is_averaged_over_files(made: Made) -> None:
    rows = made.repositories.to_pylist()
    wanted = sum(row["sum_of_visible_shares"] for row in rows) / sum(
        row["num_importers"] for row in rows
    )
    assert made.summary.metrics["imports_visible_share"] == pytest.approx(wanted)


@pytest.mark.parametrize("whole, part", [("MIT", "GPL-3.0-only"), ("GPL-3.0-only", "MIT")])
def test_a_folder_s_own_licence_decides_for_its_files(
    tmp_path: Path, whole: str, part: str
) -> None:
    folder = tmp_path / "in" / "one"
    (folder / "third" / "deep").mkdir(parents=True)
    for place, licence in ((folder, whole), (folder / "third", part)):
        (place / "package.json").write_text(f'{{"name": "x", "license": "{licence}"}}')
    (folder / "a.py").write_text(module(1))
    (folder / "third" / "deep" / "b.py").write_text(module(2))
    section = section_of(folder.parent).model_copy(update={"licences": "permissive"})
    made = Made(section, tmp_path / "corpus")
    rows = {row["path"]: row for row in made.plan.to_pylist()}
    found = {path: (rows[path]["licence"], rows[path]["reason"]) for path in rows if "py" in path}
    assert found == {
        "a.py": (whole, "" if whole == "MIT" else "licence"),
        "third/deep/b.py": (part, "" if part == "MIT" else "licence"),
    }


def test_single_files_are_documents_of_their_own(root: Path, made: Made, tmp_path: Path) -> None:
    alone = Made(section_of(root).model_copy(update={"order": "single"}), tmp_path)
    for split in ("train", "held_out"):
        documents = alone.documents(split)
        assert {len(document.files) for document in documents} <= {1}
        files = {(d.repository, file.path) for d in documents for file in d.files}
        known = {(d.repository, file.path) for d in made.documents(split) for file in d.files}
        assert files == known and len(documents) == len(files)
    assert len(made.documents()) < len(alone.documents())
