"""DeepSpeed around the objective: ZeRO 0-3 on gloo or NCCL, and full weights in and out of it.

Precision is fp32, or bf16 with fp32 master weights, fp32 accumulation and fp32 reduction. bf16 under
ZeRO 0 and 1 silently changes numerics in DeepSpeed 0.19 (another optimizer class), so those stages run
as ZeRO 2 then: the result is the same, the memory less. Gradients come out as the sum over the global
batch: the caller weighs the loss by `1 / targets of the global batch`.

Weights and Adam's moments are read and written whole, one parameter at a time, whatever the stage and
world size: that is what makes checkpoints free of both. All of these calls are collective. With adapters
(`lora`) they are the adapters' alone; the rest stands still and is only ever written.

Offload keeps what the optimizer holds in the host's memory, under the same torch AdamW: DeepSpeed's own,
which it would ask for, is compiled at the first start and rounds differently.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gristmill.errors import TrainingError
from gristmill.model.llama import Llama
from gristmill.training.batch import Batch
from gristmill.training.config import Lora, Training
from gristmill.training.lora import add_adapters
from gristmill.training.muon import Muon, muon_groups
from gristmill.training.mup import RATE, Mup
from gristmill.training.objective import Objective, decay_groups
from gristmill.training.request import ModelRequest
from gristmill.training.sequence_parallel import SequenceParallel

MOMENTS = ("exp_avg", "exp_avg_sq")
MASTER = "master"


def prepare_process(device: torch.device, threads: int) -> None:
    """Settle what must be settled before DeepSpeed is imported: accelerator, threads, quiet."""
    scripts = str(Path(sys.executable).parent)  # ninja's place, for extensions DeepSpeed builds
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = scripts + os.pathsep + os.environ.get("PATH", "")
    os.environ.setdefault("DS_ACCELERATOR", device.type)
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)  # DeepSpeed's calls
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if device.type == "cpu":
        # The shared-memory helper only serves inference; without it there is nothing to compile.
        deepspeed.ops.__compatible_ops__ = {}
        _import_muon_uncompiled()
    if not deepspeed.comm.is_initialized():
        deepspeed.init_distributed(dist_backend="gloo" if device.type == "cpu" else "nccl")


class ShardedModel:
    """The objective, sharded over the ranks of the initialised process group."""

    def __init__(
        self, request: ModelRequest, training: Training, accumulate: int, device: torch.device
    ) -> None:
        import deepspeed

        self.device = device
        self.stage = effective_stage(training)
        self.world = torch.distributed.get_world_size()
        self.clip_norm = training.optimizer.clip_norm
        self._norm = 0.0
        self._leave_out = False
        config = engine_config(training, self.stage, accumulate, self.world)
        with torch.device(device if self.stage < 3 else "cpu"):
            self.llama = _empty(request, config, self.stage, training.lora)
        self.llama.checkpoint_blocks = training.activation_checkpointing
        if training.compile:
            self.llama.compile_blocks()
        size = training.sequence_parallel
        self.parallel = SequenceParallel(size, request.shape) if size > 1 else None
        objective = Objective(
            self.llama, training.z_loss, pieces=self.stage < 3, parallel=self.parallel
        )
        mup = Mup.of(request.shape.hidden_size, request.mup_base_width)
        optimizer = make_optimizer(objective, training, self.stage, mup)
        self.engine: Any = deepspeed.initialize(
            model=objective, optimizer=optimizer, config=config
        )[0]
        weights = dict(self.llama.named_parameters())
        self.named = {name: weight for name, weight in weights.items() if weight.requires_grad}
        """What is trained."""
        self.frozen = {name: weight for name, weight in weights.items() if not weight.requires_grad}
        """What adapters stand beside."""
        self._let_updates_be_left_out()

    def backward(self, batch: Batch, total_targets: int) -> Tensor:
        """Add a micro-batch's gradient; return each target's cross-entropy. Takes this rank's part."""
        weight = self.world / max(total_targets, 1)  # ZeRO averages over ranks
        loss, entropies_L = self.engine(batch, weight)
        # A tensor of its own: at stage 0 DeepSpeed would divide the engine's output by `accumulate`.
        self.engine.backward(loss * 1.0, scale_wrt_gas=False)
        result: Tensor = entropies_L
        return result

    def micro_step(self) -> None:
        """End a micro-batch that is not the last of a step."""
        self.engine.step()

    def update(self, *, leave_out: bool = False) -> bool:
        """End a step's last micro-batch and update the weights; say whether that was done.

        Nothing changes when it is to be left out, or when the gradient is no number.
        """
        self._leave_out = leave_out
        if self.stage > 0:
            self.engine.step()
            return not self.engine.optimizer.overflow
        most = self.clip_norm if self.clip_norm > 0 else math.inf
        self._norm = float(nn.utils.clip_grad_norm_(self.named.values(), most))
        made = math.isfinite(self._norm) and not leave_out
        if not made:
            for parameter in self.named.values():
                parameter.grad = None
        self.engine.step()
        return made

    def _let_updates_be_left_out(self) -> None:
        """Make DeepSpeed's way to pass over an update ours to take: it is off but for fp16."""
        optimizer = self.engine.optimizer
        if self.stage in (1, 2):
            optimizer.check_grad_overflow = True
            found = optimizer.has_overflow
            optimizer.has_overflow = lambda *given, **named: (
                found(*given, **named) or self._leave_out
            )
        elif self.stage == 3:
            check = optimizer._overflow_check_and_loss_scale_update

            def checked(update_scale: bool = True) -> bool:
                check(update_scale)
                optimizer.overflow = optimizer.overflow or self._leave_out
                return bool(optimizer.overflow)

            optimizer._overflow_check_and_loss_scale_update = checked

    def shapes(self) -> dict[str, torch.Size]:
        """Return the shape of each whole parameter that is trained, by name."""
        return {
            name: getattr(parameter, "ds_shape", parameter.shape)
            for name, parameter in self.named.items()
        }

    def set_learning_rate(self, value: float) -> None:
        """Set the learning rate of the next update."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = value * group.get(RATE, 1.0)

    def gradient_norm(self) -> float:
        """Return the norm before clipping of the last update's gradient."""
        return self._norm if self.stage == 0 else float(self.engine.get_global_grad_norm() or 0.0)

    def read(self, key: str) -> Iterator[tuple[str, Tensor]]:
        """Yield each parameter's whole fp32 `master` or moment, in a fixed order. Collective."""
        from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

        for name, parameter in self.named.items():
            if self.stage == 0:
                whole = parameter if key == MASTER else self._state(parameter)[key]
            elif key == MASTER:
                whole = safe_get_full_fp32_param(parameter)
            else:
                whole = safe_get_full_optimizer_state(parameter, key)
            yield name, whole.detach()

    def write_weight(self, name: str, whole: Tensor) -> None:
        """Set a parameter, in fp32 and in the precision it is computed with."""
        self._write(name, MASTER, whole)
        self._set(self.named[name], whole)

    def write_frozen(self, name: str, whole: Tensor) -> None:
        """Set a weight that stands still, in the precision it is computed with."""
        self._set(self.frozen[name], whole)

    def _set(self, parameter: nn.Parameter, whole: Tensor) -> None:
        if self.stage == 3:
            _partition(parameter).copy_(self._slice_of(parameter, whole))
        else:
            parameter.data.copy_(whole)

    def write_moment(self, name: str, key: str, whole: Tensor) -> None:
        """Set one of a parameter's moments; `begin_moments` comes first."""
        self._write(name, key, whole)

    def begin_moments(self, updates: int) -> None:
        """Make the optimizer's state as it is after `updates` updates, moments still zero."""
        optimizer = self.engine.optimizer
        if self.stage == 0:
            for parameter in self.named.values():
                self._state(parameter).update(_fresh_state(parameter, updates))
            return
        inner = optimizer.optimizer
        flat = (
            optimizer.fp32_partitioned_groups_flat
            if self.stage == 3
            else optimizer.single_partition_of_fp32_groups
        )
        for partition in flat:
            inner.state[partition] = _fresh_state(partition, updates)
        if self.stage < 3:
            optimizer._lazy_init_hp_params_optimizer_state()

    def _write(self, name: str, key: str, whole: Tensor) -> None:
        from deepspeed.utils import (
            safe_set_full_fp32_param,
            safe_set_full_optimizer_state,
            safe_set_local_fp32_param,
            safe_set_local_optimizer_state,
        )

        parameter = self.named[name]
        if self.stage == 0:
            target = parameter.data if key == MASTER else self._state(parameter)[key]
            target.copy_(whole)
            return
        value = whole.to(self.device)
        if self.stage == 3:
            value = self._slice_of(parameter, value)
            if key == MASTER:
                safe_set_local_fp32_param(parameter, value)
            else:
                safe_set_local_optimizer_state(parameter, value, key)
        elif key == MASTER:
            safe_set_full_fp32_param(parameter, value)
        else:
            safe_set_full_optimizer_state(parameter, value, key)

    def _slice_of(self, parameter: nn.Parameter, whole: Tensor) -> Tensor:
        """Return this rank's ZeRO-3 partition of a whole value, padded with zeros at the end."""
        size = _partition(parameter).numel()
        flat = whole.flatten()[torch.distributed.get_rank() * size :][:size]
        return nn.functional.pad(flat, (0, size - flat.numel()))

    def _state(self, parameter: nn.Parameter) -> dict[str, Any]:
        state: dict[str, Any] = self.engine.optimizer.state[parameter]
        return state


def make_optimizer(
    objective: Objective, training: Training, stage: int, mup: Mup
) -> torch.optim.Optimizer:
    """Return the optimizer the recipe asks for. Raises TrainingError for Muon on shards."""
    wanted = training.optimizer
    common: dict[str, Any] = {
        "lr": training.learning_rate,
        "betas": (wanted.beta1, wanted.beta2),
        "eps": wanted.eps,
    }
    if wanted.kind == "adamw":
        groups = decay_groups(objective, wanted.weight_decay)
        if mup.ratio != 1.0:
            groups = mup.groups(objective.named_parameters(), groups)
        return torch.optim.AdamW(groups, fused=True, **common)
    if mup.ratio != 1.0:
        raise TrainingError("model.mup_base_width is for Adam's rates; use optimizer adamw with it")
    if stage != 0:
        raise TrainingError(
            f"optimizer muon needs whole matrices, and the run shards them (zero_stage {stage} in "
            f"{training.precision}); use zero_stage 0 and precision fp32, or adamw"
        )
    return Muon(muon_groups(objective, wanted.weight_decay), **common)


def effective_stage(training: Training) -> int:
    """Return the ZeRO stage that is run: bf16 never runs below 2 (see the module's docstring)."""
    return max(training.zero_stage, 2) if training.precision == "bf16" else training.zero_stage


def engine_config(training: Training, stage: int, accumulate: int, world: int) -> dict[str, Any]:
    """Return DeepSpeed's config. Raises TrainingError for offload without shards."""
    sharded: dict[str, Any] = {"stage": stage, "overlap_comm": False}
    if training.offload == "optimizer":
        if stage == 0:
            raise TrainingError(
                "offload keeps a sharded optimizer in the host's memory, and zero_stage is 0; "
                "use zero_stage 1 to 3, or offload none"
            )
        pinned = torch.cuda.is_available()
        sharded["offload_optimizer"] = {"device": "cpu", "pin_memory": pinned}
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": training.micro_batch,
        "gradient_accumulation_steps": accumulate,
        "train_batch_size": training.micro_batch * accumulate * world,
        # At stage 0 DeepSpeed does not tell the norm it clips by, so `micro_step` clips.
        "gradient_clipping": training.optimizer.clip_norm if stage else 0.0,
        "zero_optimization": sharded,
        "zero_force_ds_cpu_optimizer": False,
        "communication_data_type": "fp32",
        "steps_per_print": 1_000_000_000,
        "wall_clock_breakdown": False,
    }
    if training.precision == "bf16":
        config["bf16"] = {"enabled": True}
        config["data_types"] = {"grad_accum_dtype": "fp32"}
    return config


def _import_muon_uncompiled() -> None:
    """Import DeepSpeed's Muon, which it does in any case, without loading torch's compiler (2 s)."""
    compiler = torch.compile
    torch.compile = lambda function=None, **_: function or (lambda inner: inner)  # type: ignore
    try:
        importlib.import_module("deepspeed.runtime.zero.muon.muon_optimizer")
    finally:
        torch.compile = compiler


def _empty(request: ModelRequest, config: dict[str, Any], stage: int, lora: Lora | None) -> Llama:
    """Return the decoder with memory for its weights but no values; partitioned at once in ZeRO 3."""
    if stage == 3:
        import deepspeed

        with deepspeed.zero.Init(config_dict_or_path=config):
            return _decoder(request, lora)
    device = torch.get_default_device()
    with torch.device("meta"):
        llama = _decoder(request, lora)
    llama.to_empty(device=device)
    llama.tie()
    return llama


def _decoder(request: ModelRequest, lora: Lora | None) -> Llama:
    llama = Llama(request.config())
    if lora is not None:
        add_adapters(llama, lora)
    return llama


def _partition(parameter: nn.Parameter) -> Tensor:
    """Return what this rank holds of a parameter in ZeRO 3."""
    held = getattr(parameter, "ds_tensor", None)
    assert isinstance(held, Tensor), "ZeRO 3 partitions every parameter"
    return held


def _fresh_state(like: Tensor, updates: int) -> dict[str, Tensor]:
    step = torch.tensor(float(updates), dtype=torch.float32, device=like.device)
    return {"step": step, **{key: torch.zeros_like(like) for key in MOMENTS}}
