"""The front over tiny models in this process, on a free port of the loopback address, without Ray."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from gristmill.serving.access import FrontSettings
from gristmill.serving.app import build_app
from gristmill.serving.host import HostLimits, ModelHost
from gristmill.serving.local import LocalBackend
from gristmill.serving.provenance import Watcher
from gristmill.serving.repositories import Repositories
from tests.model_folder import tiny_model

LINEAGE = {
    "artifacts": [
        {"stage": "pretrain", "name": "tiny", "version": "1", "counts": {"steps": 600}},
        {"stage": "tokens", "name": "tiny-tokens", "version": "2", "counts": {"rows": 2048}},
        {"stage": "corpus", "name": "tiny-corpus", "version": "3", "counts": {"documents": 512}},
    ],
    "repositories": [
        {"repository": "alpha", "revision": "1.0", "licence": "MIT"},
        {"repository": "beta", "revision": "2.1", "licence": "Apache-2.0"},
        {"repository": "gamma", "revision": "0.3", "licence": "MIT"},
    ],
    "licences": {"MIT": 2, "Apache-2.0": 1},
    "complete": True,
}


@dataclass(frozen=True)
class Served:
    """An endpoint that runs."""

    url: str
    completion: ModelHost
    chat: ModelHost


@contextmanager
def served(
    folder: Path,
    limits: HostLimits | None = None,
    settings: FrontSettings | None = None,
    watcher: Watcher | None = None,
    repositories: Repositories | None = None,
) -> Iterator[Served]:
    """Serve a completion model `tiny` and a chat model `tiny-chat`; end them on leaving."""
    limits = limits or HostLimits(max_batch=4, max_queued=4, cache_tokens=8192, threads=1)
    completion = ModelHost("tiny", "completion", limits)
    completion.exchange(
        tiny_model(folder / "completion"), "tiny@1", LINEAGE,
        watcher=watcher, repositories=repositories,
    )  # fmt: skip
    chat = ModelHost("tiny-chat", "chat", limits)
    chat.exchange(tiny_model(folder / "chat", seed=7, max_position=1024), "tiny-chat@1", LINEAGE)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = build_app(LocalBackend([completion, chat]), settings)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            port = listening.getsockname()[1]
            yield Served(f"http://127.0.0.1:{port}", completion, chat)
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            completion.close()
            chat.close()
