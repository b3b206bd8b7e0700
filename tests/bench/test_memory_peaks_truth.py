"""What the loss head, and taking a large checkpoint in and out, hold at most.

pytest tests/bench/test_memory_peaks_truth.py -m truth -s

Each figure is of a process of its own, over what it held before. The head in pieces may hold its two
gradients and one piece of logits; import and export one weight at a time, however large the model is.
"""

from pathlib import Path

import pytest

from gristmill.training.cross_entropy import CPU_ROWS
from tests.bench.peak_memory import LARGE, ROWS, measured, write_large

pytestmark = [pytest.mark.truth, pytest.mark.timeout(1200)]

MB = 1_000_000
SLACK = 60 * MB
"""What the allocator and the matrix library keep of their own."""


@pytest.mark.parametrize(("targets", "hidden", "rows"), [(2048, 512, 32256), (8192, 512, 32256)])
def test_the_head_holds_a_piece_of_the_logits(targets: int, hidden: int, rows: int) -> None:
    shape = (str(targets), str(hidden), str(rows))
    pieces, plain = (
        measured("head", "pieces", *shape)["own"],
        measured("head", "plain", *shape)["own"],
    )
    gradients = 4 * hidden * (targets + rows)
    piece = 2 * 4 * CPU_ROWS * rows
    print(f"head, {targets} x {hidden} -> {rows}: {pieces / MB:.0f} MB in pieces, "
          f"{plain / MB:.0f} MB plain; gradients alone {gradients / MB:.0f} MB")  # fmt: skip
    assert pieces <= gradients + piece + SLACK
    assert pieces < plain


def test_a_large_checkpoint_passes_one_weight_at_a_time(tmp_path: Path) -> None:
    source = tmp_path / "large"
    size = write_large(source)
    largest = 4 * ROWS * LARGE.hidden_size
    print(f"checkpoint of {size / MB:.0f} MB in bf16; largest weight {largest / MB:.0f} MB in fp32")
    for way in ("import", "export"):
        found = measured("folder", way, str(source), str(tmp_path / way))
        print(
            f"{way} to fp32: {found['own'] / MB:.0f} MB, with mapped files {found['peak'] / MB:.0f}"
        )
        assert found["own"] <= 3 * largest + SLACK
    found = measured("folder", "load", str(source), "")
    print(f"load: {found['own'] / MB:.0f} MB, with mapped files {found['peak'] / MB:.0f}")
    assert found["own"] <= 1.1 * size + SLACK
