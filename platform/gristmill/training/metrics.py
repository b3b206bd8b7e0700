"""What a run says of itself: `metrics.jsonl`, one line a step, and the same for TensorBoard.

Written by rank 0 as it goes; after a crash, lines past the checkpoint are dropped, so that the file
reads as if there had been none. In a remote store both are uploaded at checkpoints and at the end.
Figures are plain:

    loss                 mean cross-entropy of the global batch's targets, in nats, without z-loss
    fim_middle_loss      the same of middles that are filled in (after fim_end), left_to_right_loss of the rest
    bits_per_byte        entropy in bits over the bytes of the targets' text
    learning_rate, gradient_norm (before clipping), tokens (so far), skipped (updates left out so far)
    tokens_per_s, step_s, data_wait_s (samples not ready), loop_s (neither samples, forward, backward nor update)
    mfu, mfu_full        FLOPs over the peak: causal inside documents, and full rows (see `throughput`)
    memory_bytes         the most that rank 0 has held

and after a held-out measure l2r_bits_per_byte, the same by language (l2r_bits_per_byte/Python),
fim_bits_per_byte and infilling_exact_match.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gristmill.storage import Storage

FILE = "metrics.jsonl"
TENSORBOARD = "tensorboard"


class MetricsLog:
    """The writer, on rank 0."""

    def __init__(self, storage: Storage, from_step: int) -> None:
        """Begin, or go on after `from_step` updates."""
        from torch.utils.tensorboard import SummaryWriter

        self._storage = storage
        self._aside = tempfile.TemporaryDirectory() if storage.local() is None else None
        self._folder = storage.local() or Path(self._aside.name if self._aside else "")
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_metrics(storage) if line["step"] <= from_step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        (self._folder / FILE).write_text(text, encoding="utf-8")
        self._file = (self._folder / FILE).open("a", encoding="utf-8")
        board = self._folder / TENSORBOARD
        if self._aside is None and from_step == 0:
            storage.delete(TENSORBOARD)
        self._board: Any = SummaryWriter(board, purge_step=from_step + 1, flush_secs=10)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Add one line; `step` counts from 1."""
        self._file.write(json.dumps({"step": step, **figures}) + "\n")
        self._file.flush()
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)

    def upload(self) -> None:
        """Make what was written visible in a remote store."""
        if self._aside is not None:
            self._board.flush()
            self._storage.upload(self._folder / FILE, FILE)
            self._storage.upload(self._folder / TENSORBOARD, TENSORBOARD)

    def close(self) -> None:
        """End the log."""
        self._file.close()
        self._board.close()
        self.upload()
        if self._aside is not None:
            self._aside.cleanup()


def read_metrics(storage: Storage) -> list[dict[str, Any]]:
    """Return the lines of `metrics.jsonl`; a line that a crash cut short is left out."""
    if not storage.exists(FILE):
        return []
    found = []
    for line in storage.read_bytes(FILE).decode(errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def summarize(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Return loss_first and loss_last (means of up to ten steps) and the median tokens_per_s."""
    steps = [line for line in lines if "loss" in line]
    if not steps:
        return {}
    width = max(1, min(10, len(steps) // 5))
    losses = [line["loss"] for line in steps]
    rates = sorted(line["tokens_per_s"] for line in steps)
    return {
        "loss_first": sum(losses[:width]) / width,
        "loss_last": sum(losses[-width:]) / width,
        "tokens_per_s": rates[len(rates) // 2],
    }
