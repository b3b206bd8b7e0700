"""Training through Ray Train: a killed worker costs nothing, an error that a retry cannot mend ends it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.util.state import list_actors

from cluster.local import LocalCluster
from gristmill.errors import TrainingError
from gristmill.model.folder import load_model
from gristmill.storage import Storage
from gristmill.training.metrics import read_metrics
from gristmill.training.request import TrainRequest
from jobs.training import fit
from tests.training_rank import write_rows
from tests.training_requests import losses, small_request

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

STEPS, LENGTH = 40, 64


@pytest.fixture
def driver(ray_cluster: LocalCluster) -> Iterator[None]:
    """This process as a job's driver."""
    ray.init(ignore_reinit_error=True)
    yield
    ray.shutdown()


def request_of(folder: Path, name: str, learning_rate: float = 3e-3) -> TrainRequest:
    return small_request(
        folder, name, steps=STEPS, length=LENGTH, learning_rate=learning_rate, checkpoint_every=4
    )


def kill_one_worker_after(request: TrainRequest, step: int) -> None:
    """Kill a training worker of this cluster once the run has made `step` steps."""
    output = Storage.open(request.output)
    while len(read_metrics(output)) < step:
        time.sleep(0.01)
    filters = [("class_name", "=", "RayTrainWorker"), ("state", "=", "ALIVE")]
    pids = [actor.pid for actor in list_actors(filters=filters) if actor.pid]
    os.kill(pids[-1], signal.SIGKILL)


def test_a_killed_worker_changes_no_loss(driver: None, tmp_path: Path) -> None:
    write_rows(tmp_path, rows=40, length=LENGTH)
    calm, killed = request_of(tmp_path, "calm"), request_of(tmp_path, "killed")
    selector = {"pool": "train"}
    figures = fit(calm, workers=2, selector=selector)
    assert figures["steps"] == STEPS
    assert figures["loss_last"] < figures["loss_first"]
    threading.Thread(target=kill_one_worker_after, args=(killed, 9), daemon=True).start()
    fit(killed, workers=2, selector=selector)
    assert losses(killed) == losses(calm)
    assert load_model(tmp_path / "killed" / "model").config == calm.model.config()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "checkpoints",
        "metrics.jsonl",
        "model",
        "tensorboard",
    ]


def test_a_loss_that_is_no_number_ends_the_run_in_its_own_words(
    driver: None, tmp_path: Path
) -> None:
    write_rows(tmp_path, rows=40, length=LENGTH)
    request = request_of(tmp_path, "wild", learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"is (nan|inf) at step \d+, .*lower learning_rate"):
        fit(request, workers=1, selector={"pool": "train"})
