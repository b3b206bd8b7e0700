"""What dies, and what it costs: nothing but the steps since the last checkpoint, and no loss changes.

pytest tests/bench/test_faults_truth.py -m truth -s

Each fault hits a run of two workers on a real cluster: kill -9 of a worker, of the controller, of the
driver, of a node while a checkpoint is being written, and a node that is told to go. Afterwards the run
goes on by itself, or the next run of the same goes on, and its losses are those of the calm run.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from ray.util.state import list_actors

from cluster.local import ROOT, LocalCluster
from gristmill.errors import TrainingError
from gristmill.storage import Storage
from gristmill.training.config import Schedule
from gristmill.training.metrics import read_metrics
from gristmill.training.request import TrainRequest
from jobs.training import fit
from tests.chaos import drain_node, kill_node
from tests.training_rank import write_rows
from tests.training_requests import losses, small_request

pytestmark = [pytest.mark.ray, pytest.mark.truth, pytest.mark.filterwarnings("ignore")]

STEPS, LENGTH, EVERY = 60, 64, 6
SELECTOR = {"pool": "train"}
DRIVER = """
import sys
import ray
from gristmill.training.request import TrainRequest
from jobs.training import fit
ray.init(logging_level="ERROR")
fit(TrainRequest.model_validate_json(open(sys.argv[1]).read()), workers=2, selector={"pool": "train"})
"""


@pytest.fixture(scope="module")
def driver(ray_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """This process as a job's driver."""
    ray.init(ignore_reinit_error=True)
    yield ray_cluster
    ray.shutdown()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_rows(folder, rows=40, length=LENGTH)
    return folder


def request_of(data: Path, name: str) -> TrainRequest:
    return small_request(
        data, name, size="mini", steps=STEPS, length=LENGTH, checkpoint_every=EVERY,
        schedule=Schedule(kind="cosine", warmup_steps=2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def calm(driver: LocalCluster, data: Path) -> list[float]:
    """The losses of a run that nothing happened to."""
    request = request_of(data, "calm")
    fit(request, workers=2, selector=SELECTOR)
    found = losses(request)
    assert len(found) == STEPS
    return found


def when(condition: Callable[[], bool], act: Callable[[], object]) -> None:
    """Do something in the background once a condition holds."""

    def wait() -> None:
        while not condition():
            time.sleep(0.002)
        act()

    threading.Thread(target=wait, daemon=True).start()


def after_steps(request: TrainRequest, steps: int) -> Callable[[], bool]:
    output = Storage.open(request.output)
    return lambda: len(read_metrics(output)) >= steps


def while_saving(request: TrainRequest) -> Callable[[], bool]:
    """Say whether a checkpoint's folder is there and its manifest is not, past the first one."""

    def saving() -> bool:
        folders = sorted(Path(request.output, "checkpoints").glob("step-*"))
        return len(folders) > 1 and not (folders[-1] / "manifest.json").exists()

    return saving


def kill_actor(kind: str) -> None:
    filters = [("class_name", "=", kind), ("state", "=", "ALIVE")]
    pids = [actor.pid for actor in list_actors(filters=filters) if actor.pid]
    os.kill(pids[-1], signal.SIGKILL)


def went_on(request: TrainRequest, calm: list[float], what: str, started: float) -> None:
    assert losses(request) == calm
    left = sorted(path.name for path in Path(request.output, "checkpoints").iterdir())
    assert len(left) == 2 and left[-1] == f"step-{STEPS:08d}"
    taken = time.monotonic() - started
    print(f"{what}: same losses to the last bit, nothing left behind, {taken:.0f} s in all")


def test_a_worker_is_killed(driver: LocalCluster, data: Path, calm: list[float]) -> None:
    request, started = request_of(data, "worker"), time.monotonic()
    when(after_steps(request, 15), lambda: kill_actor("RayTrainWorker"))
    fit(request, workers=2, selector=SELECTOR)
    went_on(request, calm, "worker, kill -9", started)


def test_the_controller_is_killed(driver: LocalCluster, data: Path, calm: list[float]) -> None:
    request, started = request_of(data, "controller"), time.monotonic()
    when(after_steps(request, 15), lambda: kill_actor("TrainController"))
    try:
        fit(request, workers=2, selector=SELECTOR)
    except TrainingError:
        assert len(losses(request)) < STEPS
        fit(request, workers=2, selector=SELECTOR)
    went_on(request, calm, "controller, kill -9", started)


def test_the_driver_is_killed(driver: LocalCluster, data: Path, calm: list[float]) -> None:
    request, started = request_of(data, "driver"), time.monotonic()
    path = data / "driver.json"
    path.write_text(request.model_dump_json())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([f"{ROOT}/platform", str(ROOT)])}
    process = subprocess.Popen([sys.executable, "-c", DRIVER, str(path)], env=environment)
    ready = after_steps(request, 15)
    while not ready():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    gone = [("class_name", "=", "RayTrainWorker"), ("state", "=", "ALIVE")]
    while list_actors(filters=gone):
        time.sleep(0.2)
    fit(request, workers=2, selector=SELECTOR)
    went_on(request, calm, "driver, kill -9", started)


def test_a_node_is_killed_while_a_checkpoint_is_written(
    driver: LocalCluster, data: Path, calm: list[float]
) -> None:
    request, started = request_of(data, "node"), time.monotonic()
    when(while_saving(request), lambda: kill_node(driver, "train"))
    fit(request, workers=2, selector=SELECTOR)
    went_on(request, calm, "node, kill -9 while saving", started)


def test_a_node_is_told_to_go(driver: LocalCluster, data: Path, calm: list[float]) -> None:
    request, started = request_of(data, "preempted"), time.monotonic()
    seen: list[int] = []
    when(
        after_steps(request, 15),
        lambda: (drain_node(driver, "train", 20), seen.append(len(losses(request)))),
    )
    fit(request, workers=2, selector=SELECTOR)
    went_on(request, calm, f"node, told to go about step {seen[0]}", started)
