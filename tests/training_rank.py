"""One rank of a training group without Ray: `python training_rank.py PLAN.json RANK`.

PLAN holds `world`, `port` and `runs`: a list of {request, stop_after?, leave_after?}. The runs are
carried out one after the other in one process group; with `stop_after` a run is given up once that step
is drawn, with `leave_after` the last rank is told that its machine goes once it has made so many steps.
`start` runs all ranks of a plan and returns their exit codes.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def start(folder: Path, runs: list[dict[str, Any]], world: int = 1) -> list[int]:
    """Carry out `runs` on `world` ranks; the ranks' output lies in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"world": world, "port": port, "runs": runs}))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
    }
    ranks = []
    for rank in range(world):
        with (folder / f"rank-{rank}.log").open("w") as output:
            command = [sys.executable, str(Path(__file__)), str(plan), str(rank)]
            ranks.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
    codes = [0] * world
    while any(rank.poll() is None for rank in ranks):
        for number, rank in enumerate(ranks):
            try:
                codes[number] = rank.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            if codes[number] != 0:  # the others would wait for it
                for other in ranks:
                    other.kill()
    return [rank.wait() for rank in ranks]


def logs(folder: Path) -> str:
    """Return what the ranks printed."""
    return "\n".join(path.read_text() for path in sorted(folder.glob("rank-*.log")))


def write_rows(folder: Path, rows: int, length: int, *, masked: bool = False) -> None:
    """Write `tokenizer/` and `tokens/`: rows of two ragged documents, some padded, some masked."""
    import numpy as np

    from gristmill.storage import Storage
    from gristmill.tokens.shards import Manifest, ShardWriter
    from tests.model_folder import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.save(folder / "tokenizer")
    random = np.random.default_rng(5)
    pieces, masks = [], []
    for _ in range(rows):
        first = int(random.integers(4, length - 6))
        lengths = [first, length - first - int(random.integers(0, 4))]
        pieces.append([random.integers(0, 300, size) for size in lengths])
        masks.append([random.random(size) < 0.7 for size in lengths])
    storage = Storage.open(str(folder / "tokens"))
    writer = ShardWriter(storage, length, tokenizer.vocab_rows, tokenizer.special.pad)
    shard = writer.write("epoch-0/shard-00000", pieces, masks if masked else None)
    Manifest(
        sequence_length=length,
        dtype="uint16",
        vocab_rows=tokenizer.vocab_rows,
        pad=tokenizer.special.pad,
        tokenizer=tokenizer.digest,
        rows=rows,
        tokens=sum(len(piece) for row in pieces for piece in row),
        shards=(shard,),
    ).write(storage)


def main(plan_path: str, rank: str) -> None:
    """Be one rank."""
    from gristmill.training.loop import Preempted, run
    from gristmill.training.request import TrainRequest

    plan = json.loads(Path(plan_path).read_text())
    os.environ.update(
        RANK=rank,
        LOCAL_RANK=rank,
        WORLD_SIZE=str(plan["world"]),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(plan["port"]),
    )

    class Given(Exception):
        """The run was given up."""

    class Fuse:
        def __init__(self, stop_after: int | None) -> None:
            self.stop_after = stop_after

        def update(
            self, done: float, total: float | None = None, unit: str = "items", **figures: float
        ) -> None:
            if done == self.stop_after:
                raise Given

    class Notice:
        """The word that the machine goes, in the step with this number."""

        def __init__(self, step: int | None) -> None:
            self.step, self.asked = step, 0

        def __call__(self) -> bool:
            self.asked += 1
            return self.asked == self.step

    last = int(rank) == plan["world"] - 1
    for item in plan["runs"]:
        request = TrainRequest.model_validate(item["request"], strict=False)
        with contextlib.suppress(Given, Preempted):
            run(
                request,
                progress=Fuse(item.get("stop_after")),
                leaving=Notice(item.get("leave_after")) if last else None,
            )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
