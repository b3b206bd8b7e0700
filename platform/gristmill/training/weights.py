"""Where a run's weights come from and where they go: the seed or a model folder in, a model folder out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from gristmill.errors import ModelError
from gristmill.model.folder import save_companions, save_weights, saved_name
from gristmill.model.gguf import SUFFIX
from gristmill.model.importing import Source
from gristmill.model.llama import fill
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.mup import Mup
from gristmill.training.request import ModelRequest, TrainRequest
from gristmill.training.sharding import MASTER, ShardedModel

MODEL = "model"


def begin(model: ShardedModel, request: ModelRequest, seed: int) -> None:
    """Give the weights their first values. Raises ModelError when a folder does not fit."""
    model.begin_moments(0)
    mup = Mup.of(request.shape.hidden_size, request.mup_base_width)
    if request.folder is None:
        for name, shape in model.shapes().items():
            whole = torch.empty(shape)
            fill(name, whole, request.initializer_std * mup.spread(name), seed)
            model.write_weight(name, whole)
        return
    with tempfile.TemporaryDirectory() as aside:
        source = source_at(request.folder, Path(aside))
        check_fits(source, request)
        missing = dict(model.shapes())
        for name, whole in source.weights(torch.float32, request.vocab_rows):
            if missing.pop(name, None) is not None:
                model.write_weight(name, whole)
        if missing:
            raise ModelError(f"model {request.folder} lacks {', '.join(list(missing)[:5])}")


def source_at(url: str, aside: Path) -> Source:
    """Return the model at a URL, a folder or a GGUF file; a remote one is copied to `aside`."""
    if not url.endswith(SUFFIX):
        return Source(Storage.open(url).download("", aside / MODEL))
    folder, _, name = url.rpartition("/")
    return Source(Storage.open(folder or "/").download(name, aside / name))


def check_fits(source: Source, request: ModelRequest) -> None:
    """Raise ModelError unless the model has the shape asked for, and no more rows of vocabulary."""
    found = source.config
    wanted = request.config()
    same_shape = found.shape.model_copy(update={"rope_theta": wanted.shape.rope_theta})
    if same_shape != wanted.shape or found.vocab_rows > wanted.vocab_rows:
        raise ModelError(
            f"model {request.folder} is {found.shape} with {found.vocab_rows} vocabulary "
            f"rows; the run wants {wanted.shape} with {wanted.vocab_rows}"
        )


def export(model: ShardedModel, request: TrainRequest) -> None:
    """Write the model folder `model/` of the run's output; every rank takes part."""
    named = ((saved_name(name), whole) for name, whole in model.read(MASTER))
    if torch.distributed.get_rank() != 0:
        for _ in named:
            pass
        torch.distributed.barrier()
        return
    output, tokenizer = Storage.open(request.output), Storage.open(request.tokenizer)
    dtype = torch.bfloat16 if request.training.precision == "bf16" else torch.float32
    special = Tokenizer.load(tokenizer).special
    ends = [special.eot, special.eos] if request.end == "eot" else special.eos
    with tempfile.TemporaryDirectory() as aside:
        local = output.local()
        folder = Path(aside) / "out" if local is None else local / MODEL
        save_weights(folder, request.model.config(), named, dtype)
        files = tokenizer.download("", Path(aside) / "tokenizer")
        save_companions(folder, files, bos=special.bos, eos=ends, pad=special.pad)
        if local is None:
            output.upload(folder, MODEL)
    torch.distributed.barrier()
