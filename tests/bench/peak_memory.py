"""How much memory a piece of work takes on top of what was held: `python peak_memory.py CASE ...`.

Each case runs in a process of its own, which prints a JSON line: `peak` is the most of the process's
resident memory over what it held before, `own` the same without mapped files, which the system may drop.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from gristmill.model.config import Shape
from gristmill.model.folder import load_model, save_model, save_weights, saved_name
from gristmill.model.importing import import_model
from gristmill.model.llama import Llama, LlamaConfig
from gristmill.training.cross_entropy import summed_cross_entropy
from tests.model_folder import tiny_tokenizer

LARGE = Shape(
    hidden_size=2048, intermediate_size=5504, num_layers=12, num_heads=16, num_kv_heads=16
)
"""Half of the paper's 1.3B: 0.74 billion weights with 32,256 rows."""
ROWS = 32256


def measured(case: str, *arguments: str) -> dict[str, Any]:
    """Run a case in a process and return what it printed."""
    command = [sys.executable, "-m", "tests.bench.peak_memory", case, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth(act: Callable[[], object]) -> dict[str, int]:
    """Return how much memory `act` took at most, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    before, own_before = _status("VmRSS"), _status("RssAnon")
    ended, most = threading.Event(), [own_before]

    def watch() -> None:
        while not ended.wait(0.002):
            most[0] = max(most[0], _status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    kept = act()
    ended.set()
    watcher.join()
    del kept
    return {"peak": _status("VmHWM") - before, "own": most[0] - own_before}


def _status(key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024


def write_large(folder: Path) -> int:
    """Write a large bf16 checkpoint with a tokenizer, in files of 500 MB; return its bytes."""
    config = LlamaConfig(LARGE, ROWS, 4096, 10000.0)
    with torch.device("meta"):
        named = dict(Llama(config).named_parameters())
    made = (
        (saved_name(n), torch.full(p.shape, 0.01, dtype=torch.bfloat16)) for n, p in named.items()
    )
    save_weights(folder, config, made, torch.bfloat16, max_shard_bytes=500_000_000)
    tiny_tokenizer().save(folder, 4096)
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def head(way: str, targets: str, hidden: str, rows: str) -> dict[str, int]:
    """The loss head, forward and backward, `plain` or in `pieces`."""
    size = int(hidden)
    hidden_LC = torch.randn(int(targets), size, requires_grad=True)
    head_VC = (torch.randn(int(rows), size) * 0.05).requires_grad_()
    targets_L = torch.randint(0, int(rows), (int(targets),))
    # filled, not zeros: those take memory only once they are written to
    hidden_LC.grad, head_VC.grad = torch.full_like(hidden_LC, 0.0), torch.full_like(head_VC, 0.0)

    def plain() -> None:
        cross_entropy(hidden_LC @ head_VC.T, targets_L, reduction="sum").backward()

    def pieces() -> None:
        summed_cross_entropy(hidden_LC, head_VC, targets_L, 0.0)[0].backward()

    return growth(plain if way == "plain" else pieces)


def folder(way: str, source: str, target: str) -> dict[str, int]:
    """Take a large folder in (`import`), `load` it, or `export` it once it is loaded."""
    if way == "import":
        return growth(lambda: import_model(Path(source), Path(target)))
    if way == "load":
        return growth(lambda: load_model(Path(source), torch.bfloat16))
    model = load_model(Path(source), torch.bfloat16)
    return growth(lambda: save_model(Path(target), model, None, dtype=torch.float32))


if __name__ == "__main__":
    torch.set_num_threads(1)
    case, *arguments = sys.argv[1:]
    print(json.dumps({"head": head, "folder": folder}[case](*arguments)))
