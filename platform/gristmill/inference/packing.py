"""Matrices packed into bytes, for CPUs: half or a quarter of the memory that decoding has to read.

Each row of a matrix keeps one scale, its largest magnitude over 127, and int8 values; activations stay
bfloat16 or float32. Decoding one request is bound by memory, so it gains most; a large prefill is bound
by arithmetic and loses a little. Packing rounds: answers are close to the unpacked model's, not equal,
hence it is a choice (`serve.weights: int8`) and never made silently. The embedding stays as it is; a head
that is tied to it is packed apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gristmill.errors import ModelError
from gristmill.model.llama import Llama


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


def pack(model: Llama) -> Llama:
    """Pack every matrix but the embedding, in place, and return the model. Raises ModelError off a CPU."""
    device = model.embed_tokens.weight.device
    if device.type != "cpu":
        raise ModelError(
            f"weights are packed into int8 for a CPU, and this model is on {device}; "
            "serve it with serve.weights: plain"
        )
    with torch.no_grad():
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, Int8Linear(child.weight))
    return model
