"""A job module by plain Ray: `ray job submit --working-dir . -- python -m jobs.corpus ...`."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.local import LocalCluster
from gristmill.artifacts import Store

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[2]
SOURCES = "corpus.sources=[{kind: installed, names: [h11]}]"


def test_a_job_module_runs_by_plain_ray(ray_cluster: LocalCluster, tmp_path: Path) -> None:
    ray = [str(Path(sys.executable).parent / "ray"), "job", "submit"]
    job = ["python", "-m", "jobs.corpus", "--recipe", "smoke", "--store", str(tmp_path)]
    job += ["--set", SOURCES]
    done = subprocess.run(
        [*ray, "--address", ray_cluster.address, "--working-dir", ".", "--", *job],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (artifact,) = Store.open(str(tmp_path)).list()
    assert artifact.label in done.stdout
    assert [source.repository for source in artifact.record.sources] == ["h11"]
