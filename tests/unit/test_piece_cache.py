"""Tables of pieces: one key a content, shared without a copy, swept by age and size."""

import os
import time
from pathlib import Path

from gristmill.corpus.config import CorpusSection, Dedup, HeldOut, TableSource
from gristmill.corpus.parts import from_rows, write_table
from gristmill.corpus.piece_cache import PieceCache, link, reading_digest, table_path
from gristmill.corpus.pieces import SCHEMA, plan_pieces
from gristmill.corpus.sources import open_sources
from gristmill.storage import Storage
from tests.made_repositories import section_of, write_repositories


def paths(section: CorpusSection) -> dict[str, str]:
    reading = reading_digest(section)
    pieces = plan_pieces(open_sources(section), section)
    return {piece.repository.name: table_path(piece, reading, section.opt_out) for piece in pieces}


def test_a_key_is_the_content_and_what_judging_looks_at(tmp_path: Path) -> None:
    root = write_repositories(tmp_path / "in", 3)
    section = section_of(root)
    before = paths(section)
    assert len(set(before.values())) == 3
    (root / "repo1" / "pkg" / "m0.py").write_text("a = 1\n")
    after = paths(section)
    assert {name for name in before if before[name] != after[name]} == {"repo1"}
    for same in (
        {"held_out": HeldOut(share=0.4)},
        {"order": "path"},
        {"dedup": Dedup(threshold=0.9)},
        {"opt_out": ("repo9",)},
        {"workers": 3},
    ):
        assert paths(section_of(root, **same)) == after, same
    for other in ({"languages": ("Python",)}, {"licences": "permissive"}, {"decontaminate": ()}):
        assert set(paths(section_of(root, **other)).values()).isdisjoint(after.values()), other


def test_own_benchmarks_count_by_content(tmp_path: Path) -> None:
    benchmark = tmp_path / "b.jsonl"
    benchmark.write_text('{"prompt": "one two three four"}\n')
    section = section_of(tmp_path, decontaminate=(str(benchmark),))
    before = reading_digest(section)
    benchmark.write_text('{"prompt": "one two three five"}\n')
    assert reading_digest(section) != before


def test_fetching_shares_the_file_and_marks_it_used(tmp_path: Path) -> None:
    cache = PieceCache(Storage.open(str(tmp_path / "cache")))
    draft = Storage.open(str(tmp_path / "draft"))
    draft.write_bytes("a/one", b"table")
    cache.keep(draft, "a/one", "f/one.parquet")
    kept = tmp_path / "cache" / "f" / "one.parquet"
    assert kept.samefile(tmp_path / "draft" / "a" / "one")
    os.utime(kept, (0, 0))
    cache.fetch("f/one.parquet", draft, "b/two")
    assert draft.read_bytes("b/two") == b"table" and kept.stat().st_mtime > time.time() - 60
    cache.fetch("f/one.parquet", draft, "b/two")  # the same file again
    link(draft, "b/two", draft, "b/three")
    assert sorted(draft.list(recursive=True)) == ["a/one", "b/three", "b/two"]


def test_the_oldest_go_first(tmp_path: Path) -> None:
    cache = PieceCache(Storage.open(str(tmp_path)))
    for number in range(5):
        cache.storage.write_bytes(f"f/{number}", b"x" * 10)
        used = time.time() - 86_400 * number
        os.utime(tmp_path / "f" / str(number), (used, used))
    assert cache.sweep(days=3.5, dry_run=True) == 10
    assert cache.sweep(days=3.5) == 10
    assert cache.known() == {"f/0", "f/1", "f/2", "f/3"}
    assert cache.sweep(max_bytes=25) == 20
    assert cache.known() == {"f/0", "f/1"}
    assert PieceCache(Storage.open(str(tmp_path / "none"))).sweep() == 0


def test_a_repository_leaves_the_cache(tmp_path: Path) -> None:
    root = write_repositories(tmp_path / "in", 2)
    table = tmp_path / "t.jsonl"
    table.write_text('{"content": "x = 1", "path": "a.py", "repo_name": "ann/one"}\n')
    cache = PieceCache(Storage.open(str(tmp_path / "cache")))
    for source in (
        section_of(root),
        section_of(root, sources=(TableSource(kind="table", paths=(str(table),)),)),
    ):
        for name, path in paths(source).items():
            held = "ann/one" if name == "t.jsonl" else name
            blank = dict.fromkeys(SCHEMA.names) | {"repository": held}
            write_table(cache.storage, path, from_rows([blank], SCHEMA))
    assert cache.remove("repo0") == 1
    assert cache.remove("ann/one") == 1
    assert cache.remove("nobody") == 0
    assert len(cache.known()) == 1
