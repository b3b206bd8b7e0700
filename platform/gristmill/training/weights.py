"""Where a run's weights come from and where they go: the seed or a model folder in, a model folder out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from gristmill.errors import ModelError, TrainingError
from gristmill.model.folder import save_companions, save_weights, saved_name
from gristmill.model.gguf import SUFFIX
from gristmill.model.importing import Source
from gristmill.model.llama import fill
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.config import Lora
from gristmill.training.lora import FOLDER, fill_adapter, merged, save_adapter
from gristmill.training.mup import Mup
from gristmill.training.request import ModelRequest, TrainRequest
from gristmill.training.sharding import MASTER, ShardedModel

MODEL = "model"


def begin(model: ShardedModel, request: ModelRequest, seed: int) -> None:
    """Give what is trained its first values. Raises ModelError when a folder does not fit."""
    model.begin_moments(0)
    mup = Mup.of(request.shape.hidden_size, request.mup_base_width)
    if model.frozen:
        for name, shape in model.shapes().items():
            whole = torch.empty(shape)
            fill_adapter(name, whole, seed)
            model.write_weight(name, whole)
    elif request.folder is None:
        for name, shape in model.shapes().items():
            whole = torch.empty(shape)
            fill(name, whole, request.initializer_std * mup.spread(name), seed)
            model.write_weight(name, whole)
    else:
        _read(request, set(model.shapes()), model.write_weight)


def load_frozen(model: ShardedModel, request: ModelRequest) -> None:
    """Give what adapters stand beside its values, if there is any. Raises ModelError, TrainingError."""
    if not model.frozen:
        return
    if request.folder is None:
        raise TrainingError(
            "lora adapts a model that exists, and this training begins from nothing; use it in "
            "finetune, or set pretrain.initial_model"
        )
    _read(request, set(model.frozen), model.write_frozen)


def _read(request: ModelRequest, names: set[str], write: Callable[[str, Tensor], None]) -> None:
    """Read the folder's weights one after the other. Raises ModelError when one is missing."""
    assert request.folder is not None
    with tempfile.TemporaryDirectory() as aside:
        source = source_at(request.folder, Path(aside))
        check_fits(source, request)
        missing = set(names)
        for name, whole in source.weights(torch.float32, request.vocab_rows):
            if name in missing:
                missing.remove(name)
                write(name, whole)
        if missing:
            raise ModelError(f"model {request.folder} lacks {', '.join(sorted(missing)[:5])}")


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
    """Write the model folder `model/` of the run's output; every rank takes part.

    With adapters the weights are the first model's with the adapters added, and `adapter/` has them alone.
    """
    lora = request.training.lora
    trained = model.read(MASTER)
    adapters = {} if lora is None else {name: whole.cpu().clone() for name, whole in trained}
    if torch.distributed.get_rank() != 0:
        for _ in trained:
            pass
        torch.distributed.barrier()
        return
    output, tokenizer = Storage.open(request.output), Storage.open(request.tokenizer)
    dtype = torch.bfloat16 if request.training.precision == "bf16" else torch.float32
    special = Tokenizer.load(tokenizer).special
    ends = [special.eot, special.eos] if request.end == "eot" else special.eos
    with tempfile.TemporaryDirectory() as aside:
        local = output.local()
        folder = Path(aside) / "out" if local is None else local
        if lora is not None:
            trained = _merged(request.model, adapters, lora, Path(aside))
            save_adapter(folder / FOLDER, adapters, lora, request.model.folder or "")
        named = ((saved_name(name), whole) for name, whole in trained)
        save_weights(folder / MODEL, request.model.config(), named, dtype)
        files = tokenizer.download("", Path(aside) / "tokenizer")
        save_companions(folder / MODEL, files, bos=special.bos, eos=ends, pad=special.pad)
        if local is None:
            for part in folder.iterdir():
                output.upload(part, part.name)
    torch.distributed.barrier()


def _merged(
    request: ModelRequest, adapters: dict[str, Tensor], lora: Lora, aside: Path
) -> Iterator[tuple[str, Tensor]]:
    """Yield the first model's weights with the adapters added."""
    assert request.folder is not None
    source = source_at(request.folder, aside)
    for name, whole in source.weights(torch.float32, request.vocab_rows):
        if name != "lm_head.weight" or not request.shape.tie_embeddings:
            yield name, merged(name, whole, adapters, lora)
