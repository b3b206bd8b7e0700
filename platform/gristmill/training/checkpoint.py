"""Checkpoints that resume exactly, free of world size, ZeRO stage and accumulation.

A checkpoint is the fp32 weights and Adam's moments, each parameter whole, spread over one set of files
per rank, and `manifest.json`, written last: a folder without one is what a crash left and is removed.
The data needs no state: sample k of a run is a function of k. On the same world size the losses after
a resume equal the uninterrupted run's to the last bit; on another, to fp32 rounding. Writing is
synchronous: the step after a checkpoint begins when every rank's files are there.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import xxhash
from safetensors import safe_open

from gristmill.errors import TrainingError
from gristmill.model.tensor_file import TensorFile
from gristmill.storage import Storage
from gristmill.training.config import Schedule
from gristmill.training.schedule import Plan
from gristmill.training.sharding import MASTER, MOMENTS, ShardedModel

log = logging.getLogger(__name__)

FOLDER = "checkpoints"
MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class CheckpointFile:
    """One file of a checkpoint."""

    path: str
    num_bytes: int
    xxh3: str


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: what a complete checkpoint holds."""

    step: int
    """Updates made; the next step has this number."""
    tokens: int
    """Tokens computed so far."""
    identity: str
    """Hash of what decides the trajectory; another run's checkpoint is refused."""
    world_size: int
    """Of the run that wrote it; any other may read it."""
    files: tuple[CheckpointFile, ...]
    skipped: int = 0
    """Steps whose update was left out."""
    losses: tuple[float, ...] = ()
    """The last losses, as the guard remembers them."""
    plan: dict[str, Any] = field(default_factory=dict)
    """The schedule and what it is stretched over (`schedule.Plan`)."""
    format: int = FORMAT

    def same_past(self, plan: Plan) -> bool:
        """Say whether the run so far had the learning rates that `plan` gives."""
        if not self.plan:
            return True
        schedule = Schedule.model_validate_json(json.dumps(self.plan["schedule"]))
        return plan.same_past(Plan(**{**self.plan, "schedule": schedule}), self.step)


@dataclass(frozen=True)
class State:
    """What a run is, beside its weights and moments."""

    step: int
    tokens: int
    skipped: int = 0
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run. Every call is collective."""

    storage: Storage
    """The artifact's draft."""
    identity: str
    plan: Plan
    keep: int = 2

    def save(self, model: ShardedModel, state: State) -> None:
        """Write a checkpoint; then drop all but the newest `keep` and the trunk's, if there is one."""
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        folder = f"{FOLDER}/{_name(state.step)}"
        mine = [_write(self.storage, folder, model, key, rank, world) for key in (MASTER, *MOMENTS)]
        gathered: list[list[CheckpointFile]] = [[] for _ in range(world)]
        torch.distributed.all_gather_object(gathered, mine)
        if rank == 0:
            files = tuple(file for files in gathered for file in files)
            plan = {**vars(self.plan), "schedule": self.plan.schedule.model_dump(mode="json")}
            manifest = Manifest(
                step=state.step,
                tokens=state.tokens,
                identity=self.identity,
                world_size=world,
                files=files,
                skipped=state.skipped,
                losses=state.losses,
                plan=plan,
            )
            text = json.dumps(asdict(manifest), indent=1)
            self.storage.write_bytes(f"{folder}/{MANIFEST}", text.encode())
            trunk = _name(self.plan.trunk_steps())
            for old in [name for name in self._steps() if name != trunk][: -self.keep]:
                self.storage.delete(f"{FOLDER}/{old}")
        torch.distributed.barrier()

    def restore(self, model: ShardedModel) -> Manifest | None:
        """Load the newest whole checkpoint into the model; None when there is none.

        A damaged checkpoint is passed over for the one before it, with a warning. One whose learning
        rates were not this plan's is passed over for one whose were; where there is none, it is taken.
        Raises TrainingError when the checkpoints are of another run.
        """
        other: tuple[Storage, Manifest] | None = None
        for name in reversed(self._steps()):
            folder = self.storage.child(f"{FOLDER}/{name}")
            manifest = self._read(folder)
            damaged = manifest is None or _damaged_anywhere(folder, manifest)
            if manifest is None or damaged:
                log.warning("checkpoint %s is damaged; going on from the one before", folder.url)
            elif manifest.same_past(self.plan):
                return self._load(folder, manifest, model)
            else:
                other = other or (folder, manifest)
        if other is None:
            return None
        log.warning("checkpoint %s had another schedule's learning rates so far", other[0].url)
        return self._load(*other, model)

    def _load(self, folder: Storage, manifest: Manifest, model: ShardedModel) -> Manifest:
        model.begin_moments(manifest.step - manifest.skipped)
        for file in manifest.files:
            _load(folder, file, model)
        torch.distributed.barrier()
        return manifest

    def _read(self, folder: Storage) -> Manifest | None:
        try:
            values = json.loads(folder.read_bytes(MANIFEST))
            files = tuple(CheckpointFile(**file) for file in values.pop("files"))
            losses = tuple(values.pop("losses", ()))
            manifest = Manifest(**values, files=files, losses=losses)
        except (ValueError, TypeError, KeyError):
            return None
        if manifest.identity != self.identity or manifest.format != FORMAT:
            raise TrainingError(
                f"checkpoint {folder.url} is of another run (its model, data order, batch or "
                f"schedule differ); remove {self.storage.url}/{FOLDER} to start anew"
            )
        return manifest

    def _steps(self) -> list[str]:
        """Return the folders with a manifest, oldest first; rank 0 removes what a crash left."""
        names = self.storage.folders(FOLDER)
        whole = [n for n in names if self.storage.exists(f"{FOLDER}/{n}/{MANIFEST}")]
        if torch.distributed.get_rank() == 0:
            for name in set(names) - set(whole):
                self.storage.delete(f"{FOLDER}/{name}")
        return sorted(whole)


def _name(step: int | None) -> str | None:
    return None if step is None else f"step-{step:08d}"


def _write(
    storage: Storage, folder: str, model: ShardedModel, key: str, rank: int, world: int
) -> CheckpointFile:
    """Write this rank's share of one kind of value: every `world`-th parameter, whole, one at a time."""
    name = f"{key}-{rank:05d}.safetensors"
    with tempfile.TemporaryDirectory() as aside:
        path = _place(storage, f"{folder}/{name}") or Path(aside) / name
        with TensorFile(path, model.named) as held:
            for number, (parameter, whole) in enumerate(model.read(key)):
                if number % world == rank:
                    held.add(parameter, whole.to("cpu", torch.float32))
        file = CheckpointFile(name, path.stat().st_size, _hash(path))
        if storage.local() is None:
            storage.upload(path, f"{folder}/{name}")
    return file


def _place(storage: Storage, path: str) -> Path | None:
    """Return where a file of a local store lies, its folder made; None when the store is remote."""
    root = storage.local()
    if root is None:
        return None
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _load(folder: Storage, file: CheckpointFile, model: ShardedModel) -> None:
    key = file.path.rsplit("-", 1)[0]
    with tempfile.TemporaryDirectory() as aside:
        path = folder.download(file.path, Path(aside) / file.path)
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - safe_open is no mapping
                whole = tensors.get_tensor(name)
                if key == MASTER:
                    model.write_weight(name, whole)
                else:
                    model.write_moment(name, key, whole)


def _damaged_anywhere(folder: Storage, manifest: Manifest) -> bool:
    """Check sizes and hashes, each rank its share of the files, and agree."""
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    bad = any(_damaged(folder, file) for file in manifest.files[rank::world])
    verdicts: list[bool] = [False] * world
    torch.distributed.all_gather_object(verdicts, bad)
    return any(verdicts)


def _damaged(folder: Storage, file: CheckpointFile) -> bool:
    sizes: Mapping[str, Any] = folder.sizes()
    found = next((size for name, size in sizes.items() if name == file.path), None)
    if found != file.num_bytes:
        return True
    with tempfile.TemporaryDirectory() as aside:
        return _hash(folder.download(file.path, Path(aside) / file.path)) != file.xxh3


def _hash(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
