"""One training worker: what Ray Train runs on every rank.

Thin over `gristmill.training.loop`. Metrics go to files; `ray.train.report` is called only after
held-out measures (a report costs up to two seconds), so a sweep's `TuneReportCallback` sees those.
When a node is to go, the run saves itself and leaves by `Preempted`, which Ray answers by starting the
group again elsewhere. An error that a retry cannot mend is written to the draft: attempts after it
return at once, and the job raises it with its own words.
"""

import json
from typing import Any

import ray.train
import ray.train.torch

from gristmill.errors import GristmillError
from gristmill.progress import LineProgress, NoProgress
from gristmill.storage import Storage
from gristmill.training.loop import run
from gristmill.training.request import TrainRequest

FAILURE = "failure.json"


def train(config: dict[str, Any]) -> dict[str, float]:
    """Carry out `config["request"]` (a TrainRequest as JSON); return the run's figures."""
    request = TrainRequest.model_validate_json(config["request"])
    output = Storage.open(request.output)
    if output.exists(FAILURE):
        return {}
    first = ray.train.get_context().get_world_rank() == 0
    try:
        return run(
            request,
            device=ray.train.torch.get_device(),
            report=ray.train.report,
            progress=LineProgress(request.stage) if first else NoProgress(),
            leaving=lambda: ray.train.get_preemption_info() is not None,
        )
    except GristmillError as error:
        failure = {"kind": type(error).__name__, "text": str(error)}
        output.write_bytes(FAILURE, json.dumps(failure).encode())
        raise
