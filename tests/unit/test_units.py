from dataclasses import asdict, replace
from pathlib import Path

from gristmill.corpus.imports.model import Edge
from gristmill.corpus.parts import EDGES, from_rows, write_table
from gristmill.storage import Storage
from gristmill.tokens.units import Unit, UnitEdges, read_unit, units_of, windows_of
from tests.made_corpus import document, write_documents


def test_units_cover_the_split_once_in_order(tmp_path: Path) -> None:
    documents = [
        document({f"{n}.py": "x\n" * (n % 7 + 1)}, split="held_out" if n % 5 == 0 else "train")
        for n in range(60)
    ]
    corpus = Storage.open(str(tmp_path))
    write_documents(corpus, documents, per_part=25)
    for split in ("train", "held_out"):
        wanted = [item for item in documents if item.split == split]
        for target in (1, 60, 10**9):
            units = units_of(corpus, split, target)
            assert [d for unit in units for d in read_unit(corpus, unit)] == wanted
            assert sum(unit.num_bytes for unit in units) == sum(d.num_bytes for d in wanted)
    assert len(units_of(corpus, "train", 10**9)) == 3
    assert units_of(corpus, "nothing") == []


def test_windows_hold_consecutive_units() -> None:
    units = [Unit("p", n, n + 1, 10 + n) for n in range(10)]
    windows = list(windows_of(units, 30))
    assert [unit for window in windows for unit in window] == units
    assert all(sum(u.num_bytes for u in w) <= 30 or len(w) == 1 for w in windows)


def test_units_of_a_domain_leave_the_others_out(tmp_path: Path) -> None:
    documents = [
        replace(document({f"{n}.py": "x\n"}), domain="text" if n % 3 == 0 else "code")
        for n in range(20)
    ]
    corpus = Storage.open(str(tmp_path))
    write_documents(corpus, documents, per_part=8)
    for domain in ("code", "text", None):
        wanted = [item for item in documents if domain in (None, item.domain)]
        units = units_of(corpus, "train", 10, domain)
        assert [d for unit in units for d in read_unit(corpus, unit)] == wanted
        assert sum(unit.num_bytes for unit in units) == sum(d.num_bytes for d in wanted)
    assert units_of(corpus, "train", 10, "math") == []


def test_a_unit_knows_its_repositories_edges(tmp_path: Path) -> None:
    corpus = Storage.open(str(tmp_path))
    write_documents(corpus, [document({"a.py": "x\n"}, name) for name in ("one", "two")])
    (unit,) = units_of(corpus)
    assert UnitEdges(corpus, unit)("one") is None
    edges = [Edge("a.py", "b.py", "import", "Python", 3), Edge("b.py", "c.py", "module", "C", None)]
    rows = [{"repository": "one", **asdict(edge)} for edge in edges]
    write_table(corpus, "edges/part-00000.parquet", from_rows(rows, EDGES))
    edges_of = UnitEdges(corpus, unit)
    assert edges_of("one") == edges and edges_of("two") == []
