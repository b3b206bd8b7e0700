"""How the shuffle and the cluster step grow with the number of ids.

    .venv/bin/python -m pytest tests/bench/test_dedup_growth.py -m truth -s

Each size is a process of its own (`dedup_growth.py`), one task after the other, on partition files;
seconds are CPU seconds, the exponent is fitted over all sizes. `GRISTMILL_GROWTH_IDS` sets the largest
shuffle (ten million by default: 10 GB of disk), the cluster step goes ten times as far.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]

CHECKOUT = Path(__file__).parents[2]
LARGEST = int(float(os.environ.get("GRISTMILL_GROWTH_IDS", "1e7")))
BYTES_A_FILE = 6_000
"""Of code, about; a terabyte is 1.7e8 files."""


def measured(num_ids: int, scratch: Path, *what: str) -> dict[str, Any]:
    free = shutil.disk_usage(scratch.parent).free
    if free < 1_500 * num_ids and not what:
        pytest.skip(
            f"{num_ids} ids need {1_500 * num_ids / 1e9:.0f} GB of disk, {free / 1e9:.0f} free"
        )
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{CHECKOUT}:{CHECKOUT / 'platform'}"
    script = str(Path(__file__).with_name("dedup_growth.py"))
    command = [sys.executable, script, str(num_ids), str(scratch), *what]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    shutil.rmtree(scratch, ignore_errors=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("what", ["shuffle", "cluster"])
def test_time_grows_no_faster_than_ids_and_memory_does_not(what: str, tmp_path: Path) -> None:
    sizes = [LARGEST // 100, LARGEST // 10, LARGEST]
    if what == "cluster":
        sizes = [10 * size for size in sizes]
    extra = ("cluster",) if what == "cluster" else ()
    found = [measured(size, tmp_path / "scratch", *extra) for size in sizes]
    print(
        f"\n{what:8s} {'ids':>10s} {'CPU s':>8s} {'us/id':>6s} {'peak MB':>8s} {'disk MB':>8s}  last"
    )
    for size, each in zip(sizes, found, strict=True):
        print(
            f"{'':8s} {size:10.0e} {each['cpu_s']:8.1f} {each['cpu_s'] / size * 1e6:6.2f} "
            f"{each['peak_mb']:8.0f} {each['disk_mb']:8.0f}  {each['stage']}"
        )
    seconds = [each["cpu_s"] for each in found]
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    print(f"{'':8s} exponent {exponent:.3f}")
    for name, num_bytes in (("1 TB", 1e12), ("100 TB", 1e14)):
        ids = num_bytes / BYTES_A_FILE
        hours = seconds[-1] * (ids / sizes[-1]) ** max(exponent, 1.0) / 3600
        disk = found[-1]["disk_mb"] * ids / sizes[-1] / 1e6
        print(
            f"{'':8s} {name}: {ids:.1e} files, {hours:.1f} core hours, {disk:.2f} TB of partition files"
        )
    assert exponent <= 1.05
    assert found[-1]["peak_mb"] <= 1.3 * found[0]["peak_mb"]
