"""Pieces are planned by size, and names that are no UTF-8 cost nothing."""

import os
from pathlib import Path

from gristmill.corpus.config import CorpusSection, FolderSource, TableSource
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.pieces import plan_pieces, read_piece
from gristmill.corpus.sources import open_sources

CODE = b"def add(x, y):\n    return x + y\n"


def test_a_file_whose_name_is_no_utf8_is_read_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in (b"caf\xe9.py", b"caf\xe9.bin", b"ok.py"):
        Path(os.fsdecode(os.fsencode(tmp_path / "a") + b"/" + name)).write_bytes(CODE)
    section = CorpusSection(sources=(FolderSource(kind="folder", path=str(tmp_path)),))
    (piece,) = plan_pieces(open_sources(section), section)
    table = read_piece(piece, section, Benchmarks.load(()))
    rows = dict(zip(table["path"].to_pylist(), table["reason"].to_pylist(), strict=True))
    assert rows == {"caf\\udce9.py": "", "caf\\udce9.bin": "language", "ok.py": ""}


def test_what_is_read_from_end_to_end_counts_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"content": "x = 1", "path": "a.py"}\n')
    section = CorpusSection(sources=(TableSource(kind="table", paths=(str(path),)),))
    (piece,) = plan_pieces(open_sources(section), section)
    assert (piece.last, piece.num_bytes) == (None, path.stat().st_size)
