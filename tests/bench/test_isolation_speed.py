"""What it costs to read files in a process that may die.

    pytest tests/bench/test_isolation_speed.py -s -m truth

The same reader on the same piece (three packages of the environment), called here and through
`Isolated`, in turn; the fastest of several each, by the clock. What an answer costs to carry over (its
texts, some megabytes) is in it.
"""

import pickle
import time

import pytest

from gristmill.corpus.config import CorpusSection, InstalledSource, Isolation
from gristmill.corpus.isolation import Isolated
from gristmill.corpus.pieces import plan_pieces
from gristmill.corpus.reading import make_reader
from gristmill.corpus.sources import open_sources
from gristmill.corpus.watch import Watch

pytestmark = pytest.mark.truth

MOST_OVERHEAD = 0.03
ROUNDS = 5


def test_isolation_costs_little(capsys: pytest.CaptureFixture[str]) -> None:
    source = InstalledSource(kind="installed", names=("httpx", "rich", "pydantic"))
    section = CorpusSection(sources=(source,))
    pieces = list(plan_pieces(open_sources(section), section))
    num_bytes = sum(piece.num_bytes for piece in pieces)
    direct = make_reader(section)
    plain, isolated_s = float("inf"), float("inf")
    with Isolated(make_reader, (section,), Isolation()) as isolated:
        for piece in pieces:
            here, there = direct(piece, Watch()).table, isolated(piece).table
            assert here.drop_columns(["parsed"]).equals(there.drop_columns(["parsed"]))
            parsed = zip(here["parsed"].to_pylist(), there["parsed"].to_pylist(), strict=True)
            for one, other in parsed:  # pickles of equal values may differ in their bytes
                assert one == other or pickle.loads(one) == pickle.loads(other)
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            for piece in pieces:
                direct(piece, Watch())
            middle = time.perf_counter()
            for piece in pieces:
                isolated(piece)
            plain = min(plain, middle - begin)
            isolated_s = min(isolated_s, time.perf_counter() - middle)
    overhead = isolated_s / plain - 1
    with capsys.disabled():
        print(f"\n{num_bytes / 1e6:.1f} MB: {num_bytes / plain / 1e6:.1f} MB/s here, ", end="")
        print(f"{num_bytes / isolated_s / 1e6:.1f} MB/s isolated, overhead {overhead:.1%}")
    assert overhead < MOST_OVERHEAD
