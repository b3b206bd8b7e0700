"""The endpoint seen from a client, against a real HTTP server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gristmill.errors import GristmillError
from gristmill.recipe import parse
from jobs.endpoint import check_completion, endpoint_of, healthy, models


class _Answers(BaseHTTPRequestHandler):
    def _send(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._send({"data": [{"id": "small", "artifact": "small-pretrain@abc"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send({"choices": [{"text": f"return {asked['suffix'][:1]!r}"}]})

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_completion_is_asked_for_with_prefix_and_suffix(address: str) -> None:
    assert healthy(address)
    assert models(address)[0]["artifact"] == "small-pretrain@abc"
    assert "is completed with" in check_completion(address)


def test_nobody_there() -> None:
    address = "http://127.0.0.1:1"
    assert not healthy(address)
    with pytest.raises(GristmillError, match="no endpoint answers at http://127"):
        models(address)


def test_the_address_follows_the_recipe() -> None:
    text = "name: r\ncorpus: {sources: [{kind: installed, names: [rich]}]}\n"
    assert endpoint_of(parse(text)) == ""
    everywhere = parse(text + "serve: {host: 0.0.0.0, port: 9000}")
    assert endpoint_of(everywhere) == "http://127.0.0.1:9000"
