import pytest
import torch

from gristmill.inference.compiled import CompiledRunner
from gristmill.inference.engine import TorchEngine
from gristmill.inference.native import build
from gristmill.inference.runner import TorchRunner, runner_of
from gristmill.inference.sampling import SamplingParams
from gristmill.model.config import Shape
from gristmill.model.folder import load_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from tests.model_folder import tiny_model


@pytest.mark.toolchain
def test_the_kernel_is_taken_where_the_model_suits_it(tmp_path):
    model = load_model(tiny_model(tmp_path))
    assert isinstance(runner_of(model, 4, compiled=True), CompiledRunner)
    assert isinstance(runner_of(model, 4, compiled=False), TorchRunner)
    odd = Shape(hidden_size=24, intermediate_size=40, num_layers=1, num_heads=2, num_kv_heads=1)
    small = Llama(LlamaConfig(odd, 32, 64, 10000.0))
    initialize(small, 0.1, 0)
    assert isinstance(runner_of(small, 4, compiled=True), TorchRunner)


def test_without_the_kernel_the_engine_answers_the_same_on_torch(tmp_path, monkeypatch):
    folder = tiny_model(tmp_path)
    params = SamplingParams(max_tokens=12)
    prompts = [[5, 6, 7, number] for number in range(20, 24)]
    settings = {"cache_tokens": 1024, "compiled": True, "dtype": torch.bfloat16}
    one = TorchEngine.from_folder(folder, **settings).complete(prompts, params)
    monkeypatch.setattr(build, "library", lambda: None)
    engine = TorchEngine.from_folder(folder, **settings)
    assert isinstance(engine._runner, TorchRunner)
    assert engine.model.embed_tokens.weight.dtype == torch.float32
    two = engine.complete(prompts, params)
    assert [answer.tokens for answer in one] == [answer.tokens for answer in two]
