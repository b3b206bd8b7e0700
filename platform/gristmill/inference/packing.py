"""Matrices packed into int8 or int4, for CPUs: a half to an eighth of the memory that decoding has to read.

    int8    each row of a matrix keeps one scale, its largest magnitude over 127
    int4    each 32 weights of a row keep a scale and a middle, both bfloat16: weight = (q - 8) * scale
            + middle, q from 0 to 15, so that the least and the largest of the 32 are met

Activations stay as they are. Decoding one request is bound by memory, so it gains most; a large prefill is
bound by arithmetic and loses a little. Packing rounds: answers are close to the unpacked model's, not equal,
hence it is a choice (`serve.weights`) and never made silently; docs/engine.md has what it costs. The
embedding stays as it is; a head that is tied to it is packed apart.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gristmill.errors import ModelError
from gristmill.model.llama import Llama

Weights = Literal["plain", "int8", "int4"]
GROUP = 32
"""Weights that share a scale in int4."""


class Int8Linear(nn.Module):
    """A linear layer without bias over packed rows."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight_OC: Tensor) -> None:
        super().__init__()
        largest = weight_OC.float().abs().amax(dim=1).clamp(min=1e-12)
        scale = largest / 127
        packed = torch.round(weight_OC.float() / scale[:, None]).to(torch.int8)
        self.register_buffer("weight", packed.contiguous())
        self.register_buffer("scale", scale.to(weight_OC.dtype))

    def forward(self, x_NC: Tensor) -> Tensor:
        """Return x times the matrix, NO."""
        out: Tensor = torch.ops.aten._weight_int8pack_mm(x_NC, self.weight, self.scale)
        return out


class Int4Linear(nn.Module):
    """A linear layer without bias over groups of 32 packed weights. Raises ModelError for other widths."""

    weight: Tensor
    scale: Tensor
    middle: Tensor

    def __init__(self, weight_OC: Tensor) -> None:
        super().__init__()
        if weight_OC.shape[1] % GROUP:
            raise ModelError(
                f"int4 weights come in groups of {GROUP} and this matrix has {weight_OC.shape[1]} "
                "inputs; serve the model with serve.weights: int8"
            )
        packed, scale, middle = quantize_int4(weight_OC)
        self.register_buffer("weight", pack_nibbles(packed))
        self.register_buffer("scale", scale)
        self.register_buffer("middle", middle)
        self._wide: Tensor | None = None

    def forward(self, x_NC: Tensor) -> Tensor:
        """Return x times the matrix, NO; torch alone widens it, once (the compiled kernel does not)."""
        if self._wide is None:
            self._wide = self.wide().to(x_NC.dtype)
        return nn.functional.linear(x_NC, self._wide)

    def wide(self) -> Tensor:
        """Return the matrix in fp32, OC, as it is after packing."""
        return dequantize_int4(unpack_nibbles(self.weight), self.scale, self.middle)


def quantize_int4(weight_OC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return values 0 to 15, OC, and each group's scale and middle in bfloat16, OG."""
    groups_OGW = weight_OC.float().view(len(weight_OC), -1, GROUP)
    least_OG, most_OG = groups_OGW.aminmax(dim=-1)
    scale_OG = ((most_OG - least_OG) / 15).clamp(min=1e-12).to(torch.bfloat16)
    middle_OG = (least_OG + 8 * scale_OG.float()).to(torch.bfloat16)
    steps_OGW = (groups_OGW - middle_OG.float()[..., None]) / scale_OG.float()[..., None]
    packed_OGW = torch.round(steps_OGW + 8).clamp(0, 15).to(torch.uint8)
    return packed_OGW.flatten(1), scale_OG, middle_OG


def dequantize_int4(values_OC: Tensor, scale_OG: Tensor, middle_OG: Tensor) -> Tensor:
    """Return (value - 8) * scale + middle in fp32, OC."""
    steps_OGW = values_OC.float().view(len(values_OC), -1, GROUP) - 8
    wide_OGW = steps_OGW * scale_OG.float()[..., None] + middle_OG.float()[..., None]
    return wide_OGW.flatten(1)


def pack_nibbles(values_OC: Tensor) -> Tensor:
    """Return two values below 16 in each byte, the first in the low half."""
    return values_OC[:, ::2] | values_OC[:, 1::2] << 4


def unpack_nibbles(packed_OX: Tensor) -> Tensor:
    """Return the values that `pack_nibbles` was given."""
    return torch.stack((packed_OX & 15, packed_OX >> 4), dim=-1).flatten(1)


def pack(model: Llama, weights: Weights) -> Llama:
    """Pack every matrix but the embedding, in place, and return the model. Raises ModelError off a CPU."""
    if weights == "plain":
        return model
    device = model.embed_tokens.weight.device
    if device.type != "cpu":
        raise ModelError(
            f"weights are packed into {weights} for a CPU, and this model is on {device}; "
            "serve it with serve.weights: plain"
        )
    layer = Int8Linear if weights == "int8" else Int4Linear
    with torch.no_grad():
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, layer(child.weight))
    return model
