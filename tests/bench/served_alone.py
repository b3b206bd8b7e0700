"""The front over a small model in a process of its own, so that its memory and files can be watched.

python -m tests.bench.served_alone FOLDER      prints its address, serves until its input ends
"""

import sys
from pathlib import Path

from gristmill.serving.host import HostLimits
from tests.model_folder import tiny_model
from tests.served_app import served

LIMITS = HostLimits(max_batch=32, max_queued=64, cache_tokens=65536, threads=1)


def main(folder: Path) -> None:
    """Serve until standard input ends."""
    with served(folder, LIMITS) as running:
        running.completion.exchange(tiny_model(folder / "long", max_position=2048), "tiny@2")
        print(running.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
