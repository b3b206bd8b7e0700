"""The step loop: samples in; checkpoints, metrics and a model out. One for every training stage.

`run` is called by every rank of a group whose environment is set (RANK, WORLD_SIZE, MASTER_ADDR, ...)
or whose process group is initialised. It goes on from the newest whole checkpoint in the output and
ends with the model folder. Reporting to Ray (`report`) and drawing progress are the caller's business.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from gristmill.errors import TrainingError
from gristmill.progress import NoProgress, Progress
from gristmill.storage import Storage
from gristmill.tokens.shards import Shards
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training import weights
from gristmill.training.batch import Batch
from gristmill.training.checkpoint import Checkpoints, State
from gristmill.training.exam import Exam
from gristmill.training.guard import SpikeGuard
from gristmill.training.long_context_report import LongContextReport
from gristmill.training.losses import Sums, split_losses
from gristmill.training.metrics import MetricsLog, read_metrics, summarize
from gristmill.training.request import TrainRequest
from gristmill.training.samples import Samples
from gristmill.training.schedule import Plan
from gristmill.training.sharding import ShardedModel, effective_stage, prepare_process
from gristmill.training.throughput import Peak, memory_bytes, step_flops

Report = Callable[[dict[str, float]], None]
Leaving = Callable[[], bool]

MAX_NAMED = 12
"""Documents that a message names."""

log = logging.getLogger(__name__)


class Preempted(Exception):
    """The run saved itself because a machine is to go: whoever started it starts it again."""


@dataclass(frozen=True)
class Around:
    """Who listens to a run, and who tells it to leave."""

    report: Report | None
    progress: Progress
    leaving: Leaving | None


def run(
    request: TrainRequest,
    *,
    device: torch.device | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
    leaving: Leaving | None = None,
) -> dict[str, float]:
    """Train to the end and return the figures of `metrics.summarize` with steps and tokens.

    `report` is called on every rank after each held-out measure, with rank 0's figures on rank 0.
    `leaving` says on any rank that its machine is to go: all save and leave by Preempted.
    Raises TrainingError, ModelError, StoreError.
    """
    device = device or default_device()
    around = Around(report, progress or NoProgress(), leaving)
    measured = request.held_out is not None or request.long_context is not None
    if measured and effective_stage(request.training) == 3:
        raise TrainingError("held-out measures need whole weights on a rank; use zero_stage 0 to 2")
    prepare_process(device, request.threads)
    loop = _Loop(request, device, around)
    far = LongContextReport.of(request, loop.tokenizer) if loop.rank == 0 else None
    if far is not None and loop.step == 0:
        far.look(loop.model.llama, "before")
    loop.go()
    seen = {} if far is None else far.look(loop.model.llama, "after")
    weights.export(loop.model, request)
    if loop.metrics is not None:
        loop.metrics.close()
    figures = {**summarize(read_metrics(loop.output)), **seen}
    return {**figures, "steps": loop.step, "tokens": loop.tokens}


def default_device() -> torch.device:
    """Return this rank's GPU, or the CPU where there is none."""
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    return torch.device("cpu")


_FREE = ("steps", "resume_from", "schedule")


def identity(request: TrainRequest) -> str:
    """Return a hash of all that decides the run's trajectory; URLs, workers and threads do not.

    Neither do the number of steps and the schedule: `run --resume` goes on from a checkpoint of a
    shorter training, and the checkpoint knows its learning rates.
    """
    model = {key: value for key, value in request.model.identity().items() if key != "folder"}
    training = request.training.identity()
    fixed = {key: training[key] for key in training if key not in _FREE}
    return hashlib.sha256(
        json.dumps([model, fixed, request.seed], sort_keys=True).encode()
    ).hexdigest()


class _Loop:
    """One rank's part of a run."""

    def __init__(self, request: TrainRequest, device: torch.device, around: Around) -> None:
        self.request, self.device, self.around = request, device, around
        self.output = Storage.open(request.output)
        self.rank, self.world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        training = request.training
        shards = Shards.open(
            Storage.open(request.rows), Path(request.cache) if request.cache else None
        )
        self.tokenizer = Tokenizer.load(Storage.open(request.tokenizer))
        self.samples = Samples(
            shards,
            shards.order,
            request.seed,
            training.batch_sequences,
            training.micro_batch,
            training.mask_documents,
            self.tokenizer.special,
            self.rank // training.sequence_parallel,
            max(1, self.world // training.sequence_parallel),
        )
        self.row_tokens = shards.sequence_length
        self.plan = Plan(
            training.schedule,
            training.learning_rate,
            request.steps,
            training.batch_sequences * self.row_tokens,
        )
        self.token_bytes = torch.from_numpy(self.tokenizer.token_sizes)
        self.model = ShardedModel(request.model, training, self.samples.accumulate, device)
        self.checkpoints = Checkpoints(
            self.output, identity(request), self.plan, training.keep_checkpoints
        )
        weights.load_frozen(self.model, request.model)
        done = self.checkpoints.restore(self.model)
        if done is None:
            if training.resume_from is not None:
                raise TrainingError(
                    f"{request.stage} extends a finished training, and none of its checkpoints in "
                    f"{self.output.url} is whole; run without --resume to train from the start"
                )
            weights.begin(self.model, request.model, request.seed)
        self.step = 0 if done is None else done.step
        self.tokens = 0 if done is None else done.tokens
        self.skipped = 0 if done is None else done.skipped
        self.guard = SpikeGuard(training.guard, () if done is None else done.losses)
        self.metrics = MetricsLog(self.output, self.step) if self.rank == 0 else None
        self.peak = Peak.of(device) if self.rank == 0 else None
        held_out = request.held_out
        self.exam = Exam.of(held_out, self.tokenizer) if held_out and self.rank == 0 else None

    def go(self) -> None:
        """Train from where the run stands to its last step. Raises Preempted, TrainingError."""
        steps, trunk = self.request.steps, self.plan.trunk_steps()
        every = self.request.training.checkpoint_every
        measured = self.request.measure_steps()
        with ThreadPoolExecutor(1, "samples") as reader:
            coming = reader.submit(self.batches, self.step)
            while self.step < steps:
                started = time.perf_counter()
                batches = coming.result()
                waited = time.perf_counter() - started
                if self.step + 1 < steps:
                    coming = reader.submit(self.batches, self.step + 1)
                figures = self.update(batches, started, waited)
                if self.step in measured:
                    figures |= self.measure(figures)
                if self.metrics is not None:
                    self.metrics.write(self.step, figures)
                self.around.progress.update(self.step, steps, "steps", **_shown(figures))
                if self.leaving or self.step % every == 0 or self.step in (steps, trunk):
                    self.save()
                if self.leaving and self.step < steps:
                    raise Preempted(
                        f"{self.request.stage} saved step {self.step} and leaves its node"
                    )

    def batches(self, step: int) -> list[Batch]:
        """Return this rank's micro-batches, or its parts of them."""
        whole, parallel = self.samples.batches(step), self.model.parallel
        return whole if parallel is None else [parallel.part(batch) for batch in whole]

    def save(self) -> None:
        """Write a checkpoint, and what was measured so far."""
        losses = tuple(self.guard.taken)
        self.checkpoints.save(self.model, State(self.step, self.tokens, self.skipped, losses))
        if self.metrics is not None:
            self.metrics.upload()

    def update(self, batches: list[Batch], started: float, waited: float) -> dict[str, float]:
        """Make one update of the weights, unless it would do harm; return the step's figures."""
        leaving = self.around.leaving is not None and self.around.leaving()
        counts = [
            sum(batch.num_targets for batch in batches),
            sum(batch.num_tokens for batch in batches),
            sum(batch.pairs for batch in batches) // self.request.training.sequence_parallel,
            int(leaving),
        ]
        targets, tokens, pairs, leave = self._sum(counts, torch.int64)
        self.leaving = leave > 0
        rate = self.plan.rate(self.step)
        self.model.set_learning_rate(rate)
        working = time.perf_counter()
        sums = Sums(self.token_bytes)
        for number, batch in enumerate(batches):
            sums.add(batch, self.model.backward(batch.to(self.device), int(targets)))
            if number + 1 < len(batches):
                self.model.micro_step()
        entropy, *others = self._sum(sums.values(), torch.float64)
        loss = entropy / max(targets, 1)
        harm = self.guard.harm(loss)
        made = self.model.update(leave_out=harm is not None)
        norm = self.model.gradient_norm()
        worked = time.perf_counter() - working
        self.step += 1
        self.tokens += int(tokens)
        if made:
            self.guard.take(loss)
        else:
            self._left_out(harm or f"the gradient norm is {norm}")
        taken = time.perf_counter() - started
        return {
            "loss": loss,
            **split_losses(entropy, others, targets),
            "learning_rate": rate,
            "gradient_norm": norm,
            "tokens": self.tokens,
            "skipped": self.skipped,
            "tokens_per_s": tokens / taken,
            "step_s": taken,
            "data_wait_s": waited,
            "loop_s": taken - worked - waited,
            **self._cost(tokens, pairs, taken),
        }

    def _cost(self, tokens: float, pairs: float, taken: float) -> dict[str, float]:
        """Return memory, and FLOPs against the peak where it is known."""
        found = {"memory_bytes": float(memory_bytes(self.device))}
        if self.peak is None or self.peak.flops_per_s is None:
            return found
        rows = self.request.training.batch_sequences
        full_pairs = float(rows * self.row_tokens**2)
        config, most = self.model.llama.config, self.peak.flops_per_s * self.world * taken
        return {
            **found,
            "mfu": step_flops(config, tokens, pairs) / most,
            "mfu_full": step_flops(config, rows * self.row_tokens, full_pairs) / most,
        }

    def measure(self, figures: dict[str, float]) -> dict[str, float]:
        """Measure on held-out files (rank 0) and report; return what was measured."""
        found = {} if self.exam is None else self.exam.take(self.model)
        if self.around.report is not None:
            self.around.report({"step": self.step, **figures, **found})
        return found

    def _left_out(self, harm: str) -> None:
        """Say which documents an update was left out for. Raises TrainingError after too many."""
        self.skipped += 1
        stop = self.guard.skip()
        training = self.request.training
        first = (self.step - 1) * training.batch_sequences
        last = first + training.batch_sequences - 1
        names = self.samples.documents(self.step - 1, self.tokenizer, MAX_NAMED)
        if self.rank == 0:
            log.warning(
                "%s: %s at step %d; its update is left out; samples %d to %d: %s",
                self.request.stage, harm, self.step, first, last, "; ".join(names),
            )  # fmt: skip
        if stop:
            raise TrainingError(
                f"{self.request.stage}: {harm} at step {self.step}, and {self.guard.in_a_row} updates "
                f"in a row were left out; the last was of samples {first} to {last}: "
                f"{'; '.join(names)}; lower learning_rate (now {training.learning_rate}), raise "
                "schedule.warmup_steps, or look at these documents"
            )

    def _sum(self, values: list[int] | list[float], dtype: torch.dtype) -> list[float]:
        total = torch.tensor(values, dtype=dtype, device=self.device)
        torch.distributed.all_reduce(total)
        summed: list[float] = total.tolist()
        return summed


def _shown(figures: dict[str, float]) -> dict[str, float]:
    """Return the figures that progress shows."""
    shown = ("loss", "learning_rate", "gradient_norm", "tokens", "tokens_per_s")
    return {name: figures[name] for name in shown}
