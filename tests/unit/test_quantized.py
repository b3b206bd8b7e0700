"""Quantised blocks against ggml's own Python: any bytes, every format that is read."""

import gguf
import numpy as np
import pytest
from gguf import quants

from gristmill.model.quantized import FORMATS, wide


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_any_block_widens_as_ggml_says(kind: int) -> None:
    name, size, weights, _ = FORMATS[kind]
    theirs = gguf.GGMLQuantizationType(kind)
    assert theirs.name == name
    if kind not in (0, 1):  # its table counts an element of plain floats as a block too
        assert gguf.GGML_QUANT_SIZES[theirs] == (weights, size)
    raw = np.random.default_rng(kind).integers(0, 256, (300, size), np.uint8)
    if kind in (0, 1):
        wanted = raw.view(np.float32 if kind == 0 else np.float16).astype(np.float32)
    else:
        with np.errstate(all="ignore"):
            wanted = quants.dequantize(raw, theirs)
    with np.errstate(all="ignore"):
        found = wide(kind, raw)
    # scales of random bytes may be infinite; what is a number is the same number
    assert np.array_equal(found, wanted.reshape(-1), equal_nan=True)
