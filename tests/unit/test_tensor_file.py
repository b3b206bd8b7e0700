"""Tensor files: what safetensors reads of them is what was added, whatever the order, types and shapes."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from gristmill.model.tensor_file import TYPES, TensorFile


@settings(max_examples=30, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), max_size=6),
    dtype=st.sampled_from(list(TYPES)),
    left_out=st.integers(0, 3),
)
def test_safetensors_reads_what_was_added(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[list[int]],
    dtype: torch.dtype,
    left_out: int,
) -> None:
    path = tmp_path_factory.mktemp("file") / "x.safetensors"
    wanted = {f"b\u00e9.{i}": torch.randn(shape).to(dtype) for i, shape in enumerate(shapes)}
    with TensorFile(path, [*wanted, *(f"other.{i}" for i in range(left_out))]) as file:
        for name, tensor in wanted.items():
            file.add(name, tensor)
    found = load_file(path)
    assert set(found) == set(wanted) == set(file.names)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert file.num_bytes == sum(tensor.nbytes for tensor in wanted.values())
    with safe_open(path, framework="pt") as reader:
        assert reader.metadata() == {"format": "pt"}


def test_parts_of_a_tensor_are_written_in_reading_order(tmp_path: Path) -> None:
    table = torch.arange(12.0).view(3, 4)
    with TensorFile(tmp_path / "x", ["a"]) as file:
        file.add("a", table.T)
    assert torch.equal(load_file(tmp_path / "x")["a"], table.T)


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), TensorFile(tmp_path / "x", ["a"]) as file:
        file.add("a", torch.ones(2))
        raise KeyError
    assert not list(tmp_path.iterdir())
