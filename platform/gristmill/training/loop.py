"""The step loop: samples in; checkpoints, metrics and a model out. One for every training stage.

`run` is called by every rank of a group whose environment is set (RANK, WORLD_SIZE, MASTER_ADDR, ...)
or whose process group is initialised. It goes on from the newest whole checkpoint in the output and
ends with the model folder. Reporting to Ray (`report`) and drawing progress are the caller's business.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from gristmill.errors import TrainingError
from gristmill.evaluation import heldout
from gristmill.progress import NoProgress, Progress
from gristmill.storage import Storage
from gristmill.tokens.shards import Shards
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training import weights
from gristmill.training.batch import Batch
from gristmill.training.checkpoint import Checkpoints
from gristmill.training.metrics import MetricsLog, read_metrics, summarize
from gristmill.training.request import HeldOutRequest, TrainRequest
from gristmill.training.samples import Samples
from gristmill.training.schedule import learning_rate
from gristmill.training.sharding import ShardedModel, effective_stage, prepare_process

Report = Callable[[dict[str, float]], None]


def run(
    request: TrainRequest,
    *,
    device: torch.device | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train to the end and return the figures of `metrics.summarize` with steps and tokens.

    `report` is called on every rank after each held-out measure, with rank 0's figures on rank 0.
    Raises TrainingError, ModelError, StoreError.
    """
    device = device or default_device()
    if request.held_out is not None and effective_stage(request.training) == 3:
        raise TrainingError("held-out measures need whole weights on a rank; use zero_stage 0 to 2")
    prepare_process(device, request.threads)
    loop = _Loop(request, device, report, progress or NoProgress())
    loop.go()
    weights.export(loop.model, request)
    if loop.metrics is not None:
        loop.metrics.close()
    return {**summarize(read_metrics(loop.output)), "steps": loop.step, "tokens": loop.tokens}


def default_device() -> torch.device:
    """Return this rank's GPU, or the CPU where there is none."""
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    return torch.device("cpu")


def identity(request: TrainRequest) -> str:
    """Return a hash of all that decides the run's trajectory; URLs, workers and threads do not.

    Neither does the number of steps: `run --resume` goes on from a checkpoint of a shorter training.
    """
    model = {key: value for key, value in request.model.identity().items() if key != "folder"}
    training = request.training.identity()
    fixed = {key: training[key] for key in training if key not in ("steps", "resume_from")}
    return hashlib.sha256(
        json.dumps([model, fixed, request.seed], sort_keys=True).encode()
    ).hexdigest()


class _Loop:
    """One rank's part of a run."""

    def __init__(
        self,
        request: TrainRequest,
        device: torch.device,
        report: Report | None,
        progress: Progress,
    ) -> None:
        self.request, self.device = request, device
        self.report, self.progress = report, progress
        self.output = Storage.open(request.output)
        self.rank = torch.distributed.get_rank()
        training = request.training
        cache = Path(request.cache) if request.cache else None
        shards = Shards.open(Storage.open(request.rows), cache)
        self.samples = Samples(
            shards,
            shards.order,
            request.seed,
            training.batch_sequences,
            training.micro_batch,
            training.mask_documents,
            self.rank,
            torch.distributed.get_world_size(),
        )
        self.tokens_per_step = training.batch_sequences * shards.sequence_length
        self.model = ShardedModel(request.model, training, self.samples.accumulate, device)
        self.checkpoints = Checkpoints(self.output, identity(request), training.keep_checkpoints)
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
        self.metrics = MetricsLog(self.output, self.step) if self.rank == 0 else None
        held_out = request.held_out
        self.exam = _Exam.of(held_out, request) if held_out and self.rank == 0 else None

    def go(self) -> None:
        """Train from where the run stands to its last step."""
        steps, every = self.request.steps, self.request.training.checkpoint_every
        measured = self.request.measure_steps()
        with ThreadPoolExecutor(1, "samples") as reader:
            coming = reader.submit(self.samples.batches, self.step)
            while self.step < steps:
                batches = coming.result()
                if self.step + 1 < steps:
                    coming = reader.submit(self.samples.batches, self.step + 1)
                figures = self.update(batches)
                if self.step in measured:
                    figures |= self.measure(figures)
                if self.metrics is not None:
                    self.metrics.write(self.step, figures)
                self.progress.update(self.step, steps, "steps", **figures)
                if self.step % every == 0 or self.step == steps:
                    self.checkpoints.save(self.model, self.step, self.tokens)
                    if self.metrics is not None:
                        self.metrics.upload()

    def update(self, batches: list[Batch]) -> dict[str, float]:
        """Make one update of the weights; return its figures. Raises TrainingError on no number."""
        started = time.perf_counter()
        training = self.request.training
        counts = [sum(b.num_targets for b in batches), sum(b.num_tokens for b in batches)]
        targets, tokens = self._sum(counts, torch.int64)
        rate = learning_rate(
            training.schedule,
            training.learning_rate,
            self.step * self.tokens_per_step,
            self.request.steps * self.tokens_per_step,
            self.tokens_per_step,
        )
        self.model.set_learning_rate(rate)
        entropy = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in batches[:-1]:
            entropy += self.model.backward(batch.to(self.device), int(targets))
            self.model.micro_step(last=False)
        entropy += self.model.backward(batches[-1].to(self.device), int(targets))
        loss = self._sum([float(entropy)], torch.float64)[0] / max(targets, 1)
        self._check("loss", loss)
        self.model.micro_step(last=True)
        norm = self.model.gradient_norm()
        self._check("gradient norm", norm)
        self.step += 1
        self.tokens += int(tokens)
        return {
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "tokens": self.tokens,
            "tokens_per_s": tokens / (time.perf_counter() - started),
        }

    def measure(self, figures: dict[str, float]) -> dict[str, float]:
        """Measure on held-out files (rank 0) and report; return what was measured."""
        found = {} if self.exam is None else self.exam.take(self.model)
        if self.report is not None:
            self.report({"step": self.step, **figures, **found})
        return found

    def _sum(self, values: list[int] | list[float], dtype: torch.dtype) -> list[float]:
        total = torch.tensor(values, dtype=dtype, device=self.device)
        torch.distributed.all_reduce(total)
        summed: list[float] = total.tolist()
        return summed

    def _check(self, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        first = self.step * self.request.training.batch_sequences
        raise TrainingError(
            f"{self.request.stage}: the {what} is {value} at step {self.step + 1} (samples {first} to "
            f"{first + self.request.training.batch_sequences - 1}); lower learning_rate "
            f"(now {self.request.training.learning_rate}) or raise schedule.warmup_steps"
        )


@dataclass(frozen=True)
class _Exam:
    """The held-out samples, and the tokenizer to ask in."""

    tokenizer: Tokenizer
    held_out: heldout.HeldOut

    @staticmethod
    def of(asked: HeldOutRequest, request: TrainRequest) -> _Exam:
        """Choose the samples: the same for every run that asks the same."""
        samples = heldout.samples(Storage.open(asked.corpus), asked.files, asked.seed)
        return _Exam(Tokenizer.load(Storage.open(request.tokenizer)), samples)

    def take(self, model: ShardedModel) -> dict[str, float]:
        """Measure the model as it stands."""
        return heldout.measure(model.llama, self.tokenizer, self.held_out)
