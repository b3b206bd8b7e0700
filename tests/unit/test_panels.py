import ctypes

import pytest
import torch

from gristmill.inference.native import build
from gristmill.inference.native.panels import Arena, alternating, joined, panels_of
from gristmill.inference.packing import Int4Linear, Int8Linear

pytestmark = pytest.mark.toolchain


def _linear(
    kind: str, num_out: int, num_in: int, seed: int
) -> tuple[torch.nn.Module, torch.Tensor]:
    """Return a layer and the matrix that it stands for, in fp32."""
    generator = torch.Generator().manual_seed(seed)
    plain = torch.nn.Linear(num_in, num_out, bias=False)
    with torch.no_grad():
        plain.weight.copy_(torch.randn(num_out, num_in, generator=generator))
    if kind == "bf16":
        plain = plain.bfloat16()
    if kind == "int8":
        packed = Int8Linear(plain.weight)
        return packed, packed.weight.float() * packed.scale[:, None]
    if kind == "int4":
        four = Int4Linear(plain.weight)
        return four, four.wide()
    return plain, plain.weight.detach().float()


def _product(panels, x: torch.Tensor, num_out: int) -> torch.Tensor:
    library = build.library()
    assert library is not None
    arena = Arena(2 * panels.data.nbytes + 2**16)
    matrix = arena.place(panels)
    out = torch.full((len(x), matrix.panels * 16), torch.nan)
    team = library.team_open(2)
    library.team_product(team, ctypes.addressof(matrix), x.data_ptr(), len(x), out.data_ptr())
    library.team_close(team)
    return out[:, :num_out]


@pytest.mark.parametrize("kind", ["fp32", "bf16", "int8", "int4"])
@pytest.mark.parametrize(("num_out", "num_in"), [(16, 32), (48, 64), (50, 96), (208, 32)])
def test_rows_times_a_matrix_in_panels(kind, num_out, num_in):
    linear, matrix = _linear(kind, num_out, num_in, 3)
    for num in (1, 2, 3, 4, 5, 6, 7, 13, 40):
        x = torch.randn(num, num_in, generator=torch.Generator().manual_seed(num))
        found = _product(panels_of(linear), x, num_out)
        torch.testing.assert_close(found, x @ matrix.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["bf16", "int8", "int4"])
def test_matrices_put_together(kind):
    one, first = _linear(kind, 32, 64, 1)
    two, second = _linear(kind, 32, 64, 2)
    x = torch.randn(5, 64)
    both = _product(joined([panels_of(one), panels_of(two)]), x, 64)
    torch.testing.assert_close(both, x @ torch.cat((first, second)).T, rtol=1e-4, atol=1e-4)
    mixed = _product(alternating(panels_of(one), panels_of(two)), x, 64)
    wanted = torch.stack((first.view(2, 16, 64), second.view(2, 16, 64)), 1).flatten(0, 2)
    torch.testing.assert_close(mixed, x @ wanted.T, rtol=1e-4, atol=1e-4)
