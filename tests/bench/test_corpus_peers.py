"""The whole corpus stage in speed, against data-prep-kit's pipeline on the same repositories.

    pytest tests/bench/test_corpus_peers.py -m truth -s
    GRISTMILL_BENCH_PEER_MB=20 pytest tests/bench/test_corpus_peers.py -m truth -s

The peer runs in a venv of its own under the truth cache (`corpus_peer.py`): its code filters, `fdedup` and
`repo_level_order`. Both run in one process without Ray, CPU seconds, modules loaded before the clock
starts; ours reads, judges, redacts, parses, decontaminates, orders and writes, the peer gets its table
made. Its tokenizer is a hub's model by default; here it gets one trained on the same files.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import ByteLevelBPETokenizer

from gristmill.corpus.config import CorpusSection, FolderSource
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.languages import language_of
from gristmill.corpus.pieces import plan_pieces
from gristmill.corpus.sources import open_sources
from gristmill.corpus.text import decode
from gristmill.storage import Storage
from tests.bench.corpus_steps import Clock, whole
from tests.bench.corpus_trees import write
from tests.bench.repositories import ROOT

NUM_MB = float(os.environ.get("GRISTMILL_BENCH_PEER_MB", "6"))
BAR = 10
PEER = (
    *("data-prep-toolkit==1.1.8", "data-prep-toolkit-transforms==1.1.8", "emerge-viz==2.0.0"),
    *("ray", "transformers<5", "duckdb<=1.2.2", "bs4", "colorlog", "func-timeout", "pandas<3"),
    *(
        "networkx==3.3",
        "polars<1.33",
        "disjoint-set",
        "scipy",
        "numpy<2",
        "mmh3",
        "sentencepiece",
        "pyarrow<20",
    ),
)
pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]


def peer_python() -> str:
    folder = ROOT / "yardsticks" / "dpk"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        command = [python, "-m", "pip", "install", "--quiet", *PEER]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the peer cannot be installed: {done.stderr[-300:]}")
        (folder / "ready").touch()
    return str(python)


def table_of(root: Path) -> pa.Table:
    """Return the files as the peer's ingestion would have them."""
    rows = []
    for path in sorted(file for file in root.rglob("*") if file.is_file()):
        place = path.relative_to(root)
        text = decode(path.read_bytes())[0]
        language = language_of(place.name, text) if text else None
        if language:
            row = {"title": place.as_posix(), "contents": text, "repo_name": place.parts[0]}
            rows.append(row | {"language": language, "ext": path.suffix, "size": len(text)})
    return pa.Table.from_pylist(
        [row | {"int_id_column": number} for number, row in enumerate(rows)]
    )


def tokenizer(texts: list[str], folder: Path) -> Path:
    """Leave a tokenizer of the kind that the peer takes by default."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(texts[:: max(1, len(texts) // 200)], vocab_size=8_000)
    folder.mkdir()
    trained.save_model(str(folder))
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    return folder


def test_whole_stage_is_ten_times_as_fast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = peer_python()
    write(tmp_path / "in", NUM_MB)
    table = table_of(tmp_path / "in")
    pq.write_table(table, tmp_path / "files.parquet")
    words = tokenizer(table["contents"].to_pylist(), tmp_path / "words")
    script = str(Path(__file__).with_name("corpus_peer.py"))
    command = [python, "-W", "ignore", script, str(tmp_path / "files.parquet"), str(words)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "POLARS_MAX_THREADS": "1"}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        [*command, str(tmp_path / "peer")], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = json.loads(done.stdout.strip().split("\n")[-1])
    fallen = (done.stdout + done.stderr).count("Falling back")

    source = FolderSource(kind="folder", path=str(tmp_path / "in"))
    section = CorpusSection(sources=(source,))
    Benchmarks.load(section.decontaminate)
    pieces = list(plan_pieces(open_sources(section), section))
    num_mb = sum(piece.num_bytes for piece in pieces) / 1e6
    clock = Clock()
    kept = whole(pieces, section, Storage.open(str(tmp_path / "ours")), clock)
    spent = sum(theirs["steps"].values())
    with capsys.disabled():
        print(f"\n{num_mb:.1f} MB, {len(table)} files, CPU seconds of one process")
        print(
            f"{'gristmill, whole stage':34}{clock.stage_s:8.2f} s{num_mb / clock.stage_s:7.2f} MB/s"
        )
        for name, seconds in theirs["steps"].items():
            print(f"{'data-prep-kit, ' + name:34}{seconds:8.2f} s{num_mb / seconds:7.2f} MB/s")
        print(f"{'data-prep-kit, all':34}{spent:8.2f} s{num_mb / spent:7.2f} MB/s")
        print(f"kept {kept} and {theirs['kept']} files; {fallen} of its repositories by path only")
        print(f"data-prep-kit / gristmill: {spent / clock.stage_s:.1f}x", flush=True)
    assert spent / clock.stage_s >= BAR
