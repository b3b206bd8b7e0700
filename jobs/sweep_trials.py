"""A sweep's trials on Ray Tune: each a driver that fits one TorchTrainer on the train pool.

With `sweep.direct` a trial has no group of workers: it trains in the driver's own process, which Tune
then places on the train pool, and starts again when it dies. That saves the start of six processes a
trial, half a minute of a core, and is for models that one worker trains in minutes.

ASHA stops the worse trials by their score at equal tokens, never by training loss, which a FIM rate
changes. A trial whose learning rates are another trial's up to the step where that one's first falls
(WSD beside the three stages, say) parts from that trial's checkpoint there instead of training the same
steps again; where the checkpoint is not there, it trains them. Tune restores what an interrupted sweep
had finished, and a trial's training goes on from its newest checkpoint.

A killed trial leaves its placement group to Ray Train's cleaner, which has to find the cluster among
others on the machine; what is left in spite of that is removed when the trials are over.
"""

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.state import list_placement_groups
from ray.util.state.exception import RayStateApiException

from gristmill.progress import LineProgress
from gristmill.storage import Storage
from gristmill.training.request import TrainRequest
from gristmill.training.sweep_report import score_of
from jobs.stage import CHECKPOINTS, METRICS, StageContext
from jobs.training import fit

log = logging.getLogger(__name__)
TUNE_FOLDER = ".tune"
DRIVER_CPUS = 0.001
_ALONE = {
    "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0",
}  # fmt: skip
PARTED = "parted.json"
"""What a trial that began as another says of it."""


@dataclass(frozen=True)
class Trunk:
    """The trial that another one parts from, and where."""

    trial: int
    step: int
    output: str
    """URL of its folder."""


@dataclass(frozen=True)
class Order:
    """What a trial's driver is told."""

    request: str
    """A TrainRequest as JSON."""
    workers: int
    selector: Mapping[str, str]
    gpu: bool
    max_failures: int
    measures: Sequence[str]
    trunk: Trunk | None = None
    direct: bool = False
    """Train in the driver's own process."""


class ScoreReport(TuneReportCallback):
    """Adds the score that the scheduler compares to what rank 0 measured."""

    def __init__(self, measures: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.measures = measures

    def after_report(self, run_context: Any, metrics: Any, checkpoint: Any) -> None:
        """Pass rank 0's figures on to Tune."""
        figures = scored(metrics[0], self.measures)
        super().after_report(run_context, [figures, *metrics[1:]], checkpoint)


def scored(figures: Mapping[str, float], measures: Sequence[str]) -> dict[str, float]:
    """Return the figures with the score that is made of the measures among them."""
    judged = {name: figures[name] for name in measures if name in figures}
    return {**figures, "score": score_of(judged)}


def run_trial(config: Mapping[str, Any], orders: Mapping[int, Order]) -> None:
    """Train one grid point: Tune runs this in a process of its own."""
    order = orders[config["number"]]
    request = TrainRequest.model_validate_json(order.request)
    if order.trunk is not None:
        part_from(order.trunk, Storage.open(request.output))
    if order.direct:
        train_here(request, order.measures)
        return
    fit(
        request,
        workers=order.workers,
        selector=order.selector,
        gpu=order.gpu,
        max_failures=order.max_failures,
        callbacks=[ScoreReport(order.measures)],
    )


def train_here(request: TrainRequest, measures: Sequence[str]) -> None:
    """Train in this process, alone in its process group, and report each measure to Tune."""
    import torch

    from gristmill.training.loop import default_device, run

    device = default_device()
    os.environ.update(_ALONE)
    if not torch.distributed.is_initialized():
        # nobody else is to find it: no port
        store = torch.distributed.HashStore()  # type: ignore[attr-defined]
        backend = "nccl" if device.type == "cuda" else "gloo"
        torch.distributed.init_process_group(backend, store=store, rank=0, world_size=1)
    run(
        request,
        device=device,
        report=lambda figures: tune.report(scored(figures, measures)),
        progress=LineProgress(request.stage),
    )


def part_from(trunk: Trunk, output: Storage) -> bool:
    """Copy a trunk's checkpoint and metrics, unless the trial has begun; say whether it was done."""
    source = Storage.open(trunk.output)
    folder = f"{CHECKPOINTS}/step-{trunk.step:08d}"
    if output.folders(CHECKPOINTS) or not source.exists(f"{folder}/manifest.json"):
        return False
    output.copy_from(source, METRICS)
    output.copy_from(source, folder)
    parted = {"trial": trunk.trial, "step": trunk.step}
    output.write_bytes(PARTED, json.dumps(parted).encode())
    return True


class Follow(tune.Callback):
    """Says how far all trials are together. Tune pickles it, so it holds plain values only."""

    def __init__(self, key: str, each: int, trials: int) -> None:
        self.key = key
        self.each = each
        """Steps of a trial; Tune makes trials as it goes, so their number is not in its list."""
        self.total = each * trials
        self.steps: dict[str, int] = {}
        self.progress: LineProgress | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "progress": None}

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any
    ) -> None:
        """Count a measured trial's steps."""
        self.steps[trial.trial_id] = int(result.get("step", 0))
        self._update(score=float(result.get("score", math.nan)))

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Count a trial that ended, early or not, as done."""
        self.steps[trial.trial_id] = self.each
        self._update()

    def _update(self, **figures: float) -> None:
        self.progress = self.progress or LineProgress(self.key)
        done = min(sum(self.steps.values()), self.total)
        self.progress.update(done, self.total, "steps", **figures)


def fit_trials(
    context: StageContext, orders: Mapping[int, Order], concurrent: int
) -> Sequence[Any]:
    """Run all trials, or what is left of them, and return Tune's results; no group stays behind."""
    section, storage = context.recipe.sweep, context.draft.storage
    assert section is not None
    known = set(ray.util.placement_group_table())
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, orders=dict(orders)), resources_of(orders)
    )
    filesystem = None if storage.local() else storage.filesystem
    where = storage.where(TUNE_FOLDER)
    tuner = None
    if tune.Tuner.can_restore(where, storage_filesystem=filesystem):
        try:
            tuner = tune.Tuner.restore(
                where, trainable, restart_errored=True, storage_filesystem=filesystem
            )
        except Exception as error:  # Tune's saved state may be cut short by what interrupted it
            log.warning("step %s: its trials begin anew: %s", context.step.key, error)
            storage.delete(TUNE_FOLDER)
    try:
        grid = (tuner or _new_tuner(context, trainable, orders, concurrent, filesystem)).fit()
    finally:
        leave_no_groups(known)
    return [grid[at] for at in range(len(grid))]


def resources_of(orders: Mapping[int, Order]) -> Any:
    """Return what a trial's driver asks for: next to nothing, or a worker's share of the train pool."""
    order = next(iter(orders.values()))
    if not order.direct:
        return {"cpu": DRIVER_CPUS}
    threads = TrainRequest.model_validate_json(order.request).threads
    bundle = {"CPU": float(threads)} | ({"GPU": 1.0} if order.gpu else {})
    place: dict[str, Any] = {}
    if order.selector:
        place["bundle_label_selector"] = [dict(order.selector)]
    return tune.PlacementGroupFactory([bundle], **place)


def leave_no_groups(known: set[str]) -> int:
    """Remove placement groups of this job that are not among `known`; return how many there were."""
    job = ray.get_runtime_context().get_job_id()
    table = ray.util.placement_group_table()
    left = {key for key, group in table.items() if group["state"] != "REMOVED"} - known
    if not left:
        return 0
    try:
        groups = list_placement_groups(detail=True)
    except RayStateApiException as error:  # no dashboard: Ray removes them when the job ends
        log.warning("placement groups may be left behind until the job ends: %s", error)
        return 0
    ours = {group.placement_group_id for group in groups if group.creator_job_id == job}
    for key in sorted(left & ours):
        log.warning("placement group %s was left behind by a trial and is removed", key)
        remove_placement_group(PlacementGroup(ray.PlacementGroupID.from_hex(key)))
    return len(left & ours)


def _new_tuner(
    context: StageContext,
    trainable: Any,
    orders: Mapping[int, Order],
    concurrent: int,
    filesystem: Any,
) -> tune.Tuner:
    section = context.recipe.sweep
    assert section is not None
    order = next(iter(orders.values()))
    failures = order.max_failures if order.direct else 0  # else Ray Train counts them
    return tune.Tuner(
        trainable,
        param_space={"number": tune.grid_search(sorted(orders))},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="min",
            scheduler=scheduler_of(context),
            max_concurrent_trials=min(concurrent, len(orders)),
            # a process that has torch and DeepSpeed in it takes the next trial; one that was stopped
            # amid its steps is not fit to
            reuse_actors=order.direct and section.scheduler == "none",
        ),
        run_config=tune.RunConfig(
            name=TUNE_FOLDER,
            storage_path=context.draft.storage.root,
            storage_filesystem=filesystem,
            callbacks=[Follow(context.step.key, section.steps, len(orders))],
            failure_config=tune.FailureConfig(max_failures=failures),
            verbose=0,
        ),
    )


def scheduler_of(context: StageContext) -> TrialScheduler:
    """Return ASHA on tokens seen; its rungs lie below the horizon, so that the best always end."""
    section, pretrain = context.recipe.sweep, context.recipe.pretrain
    assert section is not None and pretrain is not None
    if section.scheduler == "none":
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    horizon = section.steps * pretrain.batch_sequences * context.recipe.tokens.sequence_length
    return ASHAScheduler(
        time_attr="tokens",
        max_t=horizon + 1,
        # packed rows are a few per cent short of full: a rung just below the measure it is meant for
        grace_period=max(1, int(0.9 * section.grace_share * horizon)),
        reduction_factor=section.reduction_factor,
    )
