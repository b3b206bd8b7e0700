"""Runs of the corpus job for benches: in a process tree of their own, watched from outside.

    run = corpus_run(section, store, workers=2)

The tree is the driver and its own Ray of `workers` CPUs. Watched are CPU seconds of every process, and
the memory of driver and workers (the processes Ray starts them with are left out): PSS without shared
memory, which is the object store's and is capped and reported apart.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

OBJECT_STORE_BYTES = 300_000_000
_SAMPLE_S = 0.5
_NO_WORKERS = ("raylet", "gcs_server", "log_monitor", "runtime_env", "dashboard", "agent")


@dataclass(frozen=True)
class CorpusRun:
    """One finished run."""

    num_bytes: int
    """Of the files that were read."""
    wall_s: float
    """Of the job, without the start of Ray itself."""
    cpu_s: float
    """Of driver and workers."""
    system_cpu_s: float
    """Of the processes of Ray beside them."""
    peak_bytes: int
    """Summed PSS of driver and workers, shared memory left out."""
    shared_bytes: int
    """Peak of the object store as they see it."""
    record: dict[str, Any]

    @property
    def mb_a_core(self) -> float:
        """MB of input for every second of CPU that driver and workers took."""
        return self.num_bytes / 1e6 / self.cpu_s


def corpus_run(corpus: dict[str, Any], store: Path, workers: int = 2) -> CorpusRun:
    """Run the job on a `corpus` section and return what it took. Raises on failure."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "recipe.json"
        recipe.write_text(json.dumps({"name": "bench", "corpus": corpus}))
        command = [sys.executable, "-W", "ignore", __file__, str(recipe), str(store), str(workers)]
        root = str(Path(__file__).parents[2])
        env = {**os.environ, "PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"}
        env |= {"RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
        env["RAY_raylet_start_wait_time_s"] = "1200"  # a busy machine may still be measured
        env.pop("RAY_ADDRESS", None)
        log = Path(folder) / "log"
        with log.open("wb") as out:
            driver = subprocess.Popen(command, env=env, stdout=out, stderr=out, cwd=root)
            watch = _Watch(driver.pid)
            while driver.poll() is None:
                watch.sample()
                time.sleep(_SAMPLE_S)
        if driver.returncode:
            raise RuntimeError(log.read_text()[-3000:])
        told = json.loads((store / "told.json").read_text())
    return CorpusRun(
        told["record"]["counts"]["bytes_read"],
        told["wall_s"],
        *watch.cpu_s(),
        watch.peak_bytes,
        watch.shared_bytes,
        told["record"],
    )


class _Watch:
    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu: dict[tuple[int, float], tuple[bool, float]] = {}
        self.peak_bytes = self.shared_bytes = 0

    def sample(self) -> None:
        """Add up what the tree takes now."""
        private = shared = 0
        with contextlib.suppress(psutil.Error):
            for process in [self._root, *self._root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error, OSError):
                    title = " ".join(process.cmdline())
                    works = not any(name in title for name in _NO_WORKERS)
                    times = process.cpu_times()
                    key = process.pid, process.create_time()
                    self._cpu[key] = works, times.user + times.system
                    if works:
                        pss = _pss(process.pid)
                        private += pss["Pss_Anon"] + pss["Pss_File"]
                        shared += pss["Pss_Shmem"]
        self.peak_bytes = max(self.peak_bytes, private)
        self.shared_bytes = max(self.shared_bytes, shared)

    def cpu_s(self) -> tuple[float, float]:
        """Return the CPU seconds of driver and workers, and of the rest."""
        mine = sum(seconds for works, seconds in self._cpu.values() if works)
        return mine, sum(seconds for works, seconds in self._cpu.values() if not works)


def _pss(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    values = (line.split() for line in lines)
    return {name.rstrip(":"): int(size) * 1024 for name, size, *_ in values}


def main(recipe_path: str, store_url: str, workers: str) -> None:
    """Run the job in this process and leave `told.json` in the store."""
    import ray

    from gristmill import recipe as recipes
    from gristmill.artifacts import Store
    from gristmill.corpus.sources import resolve_sources
    from gristmill.pipeline import steps_of
    from jobs import corpus
    from jobs.stage import carry_out

    recipe = recipes.parse(Path(recipe_path).read_text(), [f"corpus.workers={workers}"])
    ray.init(
        num_cpus=int(workers),
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        logging_level="ERROR",
    )
    started = time.monotonic()
    sources = resolve_sources(recipe.corpus)
    steps = steps_of(recipe, sources)
    artifact = carry_out(steps["corpus"], steps, Store.open(store_url), sources, corpus.work)
    told = {"wall_s": time.monotonic() - started, "record": artifact.record.model_dump()}
    Path(store_url, "told.json").write_text(json.dumps(told))
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
