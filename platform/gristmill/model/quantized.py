"""Quantised blocks of a GGUF file as fp32: ggml's formats, by their published layout.

A format packs 32 or 256 weights in a block with one or two scales. `wide` takes the raw bytes of a
tensor, whole blocks of them, and returns its weights in order. Formats below four bits are left out:
who continues training from one has lost more than a tokenizer's worth of the model already.

Axes: B blocks, the rest as the format says.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def wide(kind: int, raw: Bytes) -> Floats:
    """Return the weights behind a tensor's bytes. `kind` is one of FORMATS."""
    _, size, _, unpack = FORMATS[kind]
    return unpack(raw.reshape(-1, size)).reshape(-1)


def _half(raw: Bytes) -> Floats:
    return np.ascontiguousarray(raw).view(np.float16).astype(np.float32)


def _f32(raw: Bytes) -> Floats:
    return np.ascontiguousarray(raw).view(np.float32)


def _bf16(raw: Bytes) -> Floats:
    return (np.ascontiguousarray(raw).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _nibbles(raw: Bytes) -> Floats:
    """Return the low nibbles of a block's bytes, then the high ones."""
    return np.concatenate((raw & 15, raw >> 4), axis=1).astype(np.float32)


def _fifth_bits(raw: Bytes) -> Floats:
    """Return 16 for every weight whose bit is set in the four bytes, else 0."""
    return np.unpackbits(raw, axis=1, bitorder="little").astype(np.float32) * 16


def _q8_0(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * np.ascontiguousarray(raw[:, 2:]).view(np.int8)


def _q4_0(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * (_nibbles(raw[:, 2:]) - 8)


def _q4_1(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * _nibbles(raw[:, 4:]) + _half(raw[:, 2:4])


def _q5_0(raw: Bytes) -> Floats:
    return _half(raw[:, :2]) * (_nibbles(raw[:, 6:]) + _fifth_bits(raw[:, 2:6]) - 16)


def _q5_1(raw: Bytes) -> Floats:
    quants = _nibbles(raw[:, 8:]) + _fifth_bits(raw[:, 4:8])
    return _half(raw[:, :2]) * quants + _half(raw[:, 2:4])


def _scales(raw: Bytes) -> tuple[Floats, Floats]:
    """Return the eight 6-bit scales and minima of a block of 256, packed in twelve bytes."""
    low, middle, high = raw[:, 0:4], raw[:, 4:8], raw[:, 8:12]
    scales = np.concatenate((low & 63, (high & 15) | (low >> 6 << 4)), axis=1)
    minima = np.concatenate((middle & 63, (high >> 4) | (middle >> 6 << 4)), axis=1)
    return scales.astype(np.float32), minima.astype(np.float32)


def _q4_k(raw: Bytes) -> Floats:
    return _eighths(raw, _pairs(raw[:, 16:]))


def _q5_k(raw: Bytes) -> Floats:
    bits = raw[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[None, :, None] & 1
    return _eighths(raw, _pairs(raw[:, 48:]) + bits.astype(np.float32) * 16)


def _pairs(raw: Bytes) -> Floats:
    """Return the nibbles [B, 8, 32] of four runs of 32 bytes: each run's low ones, then its high ones."""
    runs = raw.reshape(-1, 4, 32)
    return np.stack((runs & 15, runs >> 4), axis=2).reshape(-1, 8, 32).astype(np.float32)


def _eighths(raw: Bytes, quants: Floats) -> Floats:
    """Scale [B, 8, 32] by each eighth's own scale and subtract its minimum."""
    scales, minima = _scales(raw[:, 4:16])
    scales, minima = scales * _half(raw[:, 0:2]), minima * _half(raw[:, 2:4])
    return scales[:, :, None] * quants - minima[:, :, None]


def _q6_k(raw: Bytes) -> Floats:
    low = raw[:, :128].reshape(-1, 2, 1, 64)
    low = np.concatenate((low & 15, low >> 4), axis=2).reshape(-1, 2, 4, 32)
    shifts = np.array([0, 2, 4, 6], np.uint8)[None, None, :, None]
    high = (raw[:, 128:192].reshape(-1, 2, 1, 32) >> shifts) & 3
    quants = (low | high << 4).astype(np.float32) - 32
    scales = np.ascontiguousarray(raw[:, 192:208]).view(np.int8).astype(np.float32)
    scales = (_half(raw[:, 208:210]) * scales)[:, :, None]
    return quants.reshape(-1, 16, 16) * scales


FORMATS: dict[int, tuple[str, int, int, Callable[[Bytes], Floats]]] = {
    0: ("F32", 4, 1, _f32),
    1: ("F16", 2, 1, _half),
    2: ("Q4_0", 18, 32, _q4_0),
    3: ("Q4_1", 20, 32, _q4_1),
    6: ("Q5_0", 22, 32, _q5_0),
    7: ("Q5_1", 24, 32, _q5_1),
    8: ("Q8_0", 34, 32, _q8_0),
    12: ("Q4_K", 144, 256, _q4_k),
    13: ("Q5_K", 176, 256, _q5_k),
    14: ("Q6_K", 210, 256, _q6_k),
    30: ("BF16", 2, 1, _bf16),
}
"""ggml's number of a format: its name, bytes of a block, weights of a block, and how to widen it."""
