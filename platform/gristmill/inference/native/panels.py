"""Matrices as the CPU kernel reads them: panels of 16 outputs, in the order in which they are used.

All panels of a model lie in one piece of memory with large pages, so that a token's pass over the weights
is one walk through it. See `step.cpp` for the layouts; `Matrix` is its struct.
"""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gristmill.inference.packing import Int4Linear, Int8Linear, unpack_nibbles

WIDE = 16
KINDS = {"fp32": 0, "bf16": 1, "int8": 2, "int4": 3}
HUGE_PAGE = 2 * 2**20


class Matrix(ctypes.Structure):
    """A matrix in panels; the memory is somebody else's."""

    _fields_: ClassVar = [
        ("data", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("kind", ctypes.c_int32),
        ("panels", ctypes.c_int32),
        ("depth", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    ]


@dataclass(frozen=True)
class Panels:
    """One matrix's panels [P, ...] and their scales [P, ...] or none."""

    kind: str
    depth: int
    data: Tensor
    scales: Tensor | None = None


def panels_of(linear: nn.Module) -> Panels:
    """Return a layer's matrix in panels, its outputs padded to whole ones with zeros."""
    if isinstance(linear, Int8Linear):
        scale_O = _padded(linear.scale.float())
        return Panels("int8", linear.weight.shape[1], _rows(linear.weight), scale_O.view(-1, WIDE))
    if isinstance(linear, Int4Linear):
        values = _rows(unpack_nibbles(linear.weight))
        middle = torch.stack((linear.scale, linear.middle), dim=-1)  # O, group, 2
        pairs = _paired(_rows(middle.flatten(1)))
        return Panels("int4", values.shape[1], values[..., :8] | values[..., 8:] << 4, pairs)
    assert isinstance(linear, nn.Linear)
    weight = linear.weight.detach()
    if weight.dtype == torch.bfloat16:
        return Panels("bf16", weight.shape[1], _paired(_rows(weight)))
    return Panels("fp32", weight.shape[1], _rows(weight.float()))


def joined(parts: list[Panels]) -> Panels:
    """Return one matrix with the outputs of all parts, one after the other."""
    scales = [part.scales for part in parts if part.scales is not None]
    data = torch.cat([part.data for part in parts])
    return Panels(parts[0].kind, parts[0].depth, data, torch.cat(scales) if scales else None)


def alternating(first: Panels, second: Panels) -> Panels:
    """Return one matrix with a panel of the first, one of the second, and so on."""
    scales = None
    if first.scales is not None and second.scales is not None:
        scales = torch.stack((first.scales, second.scales), 1).flatten(0, 1)
    data = torch.stack((first.data, second.data), 1).flatten(0, 1)
    return Panels(first.kind, first.depth, data, scales)


class Arena:
    """One piece of memory with large pages, filled from its beginning."""

    def __init__(self, num_bytes: int) -> None:
        self._map = mmap.mmap(-1, num_bytes + 2 * HUGE_PAGE, flags=mmap.MAP_PRIVATE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self._memory = torch.frombuffer(self._map, dtype=torch.uint8)
        self._at = -self._memory.data_ptr() % HUGE_PAGE

    def place(self, panels: Panels) -> Matrix:
        """Copy a matrix in and return where it lies; it lives as long as the arena."""
        data = self._copied(panels.data)
        scales = None if panels.scales is None else self._copied(panels.scales)
        return Matrix(data, scales, KINDS[panels.kind], len(panels.data), panels.depth, 0)

    def _copied(self, values: Tensor) -> int:
        flat = values.contiguous().view(torch.uint8).flatten()
        place = self._memory[self._at : self._at + len(flat)]
        place.copy_(flat)
        self._at += -(-len(flat) // 64) * 64
        return place.data_ptr()


def _padded(weight_OX: Tensor) -> Tensor:
    short = -len(weight_OX) % WIDE
    if not short:
        return weight_OX
    return torch.cat((weight_OX, weight_OX.new_zeros((short, *weight_OX.shape[1:]))))


def _rows(weight_OK: Tensor) -> Tensor:
    """Return panels [P, K, 16]."""
    padded = _padded(weight_OK)
    return padded.view(-1, WIDE, padded.shape[1]).transpose(1, 2).contiguous()


def _paired(panels_PKO: Tensor) -> Tensor:
    """Put output i + 8 behind output i."""
    halves = panels_PKO.view(*panels_PKO.shape[:-1], 2, WIDE // 2)
    return halves.transpose(-1, -2).contiguous().flatten(-2)
