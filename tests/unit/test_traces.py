import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gristmill.serving.access import Key
from gristmill.serving.calls import Call
from gristmill.serving.exchange import Generation, Piece
from gristmill.serving.traces import Traces

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def over(status: int = 200) -> Call:
    call = Call("POST", "/v1/completions", key=Key("alice", "0" * 64))
    call.model, call.label, call.status = "tiny", "tiny@1", status
    call.generation = Generation(prompts=("secret = ",), temperature=0.5)
    call.traceparent = PARENT
    call.add(Piece(0, "a", 1, None, num_prompt=7, num_cached=4, queued_s=0.0))
    time.sleep(0.002)
    call.add(Piece(0, "b", 2, "stop", num_prompt=7))
    return call


def test_a_call_is_a_span_below_the_client_s_with_its_three_parts():
    exporter = InMemorySpanExporter()
    traces = Traces(SimpleSpanProcessor(exporter))
    traces.record(over())
    traces.close()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"POST /v1/completions", "queue", "prefill", "decode"}
    whole = spans["POST /v1/completions"]
    assert whole.parent is not None and f"{whole.parent.span_id:016x}" == PARENT.split("-")[2]
    assert f"{whole.context.trace_id:032x}" == PARENT.split("-")[1]
    found = whole.attributes or {}
    assert found["gen_ai.usage.input_tokens"] == 7 and found["gen_ai.usage.output_tokens"] == 3
    assert found["gen_ai.usage.cache_read.input_tokens"] == 4
    assert found["gen_ai.response.finish_reasons"] == ("stop",)
    assert found["enduser.id"] == "alice"
    assert "secret" not in str(found)
    for name in ("queue", "prefill", "decode"):
        part = spans[name]
        assert part.parent is not None and part.parent.span_id == whole.context.span_id
        assert whole.start_time <= part.start_time <= part.end_time <= whole.end_time
    decode = spans["decode"]
    assert decode.end_time - decode.start_time >= 2e6


def test_a_call_that_made_nothing_is_one_span_and_a_failed_one_says_so():
    exporter = InMemorySpanExporter()
    traces = Traces(SimpleSpanProcessor(exporter))
    traces.record(Call("GET", "/v1/models", status=200))
    failed = Call("POST", "/infill", status=503, traceparent="no such thing")
    traces.record(failed)
    traces.close()
    fine, bad = exporter.get_finished_spans()
    assert fine.status.is_ok and fine.parent is None
    assert not bad.status.is_ok and bad.parent is None


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
        server.shutdown()
        thread.join()


def test_a_collector_gets_the_spans(collector):
    address, bodies = collector
    traces = Traces.to(address)
    traces.record(over())
    traces.close()
    sent = ExportTraceServiceRequest.FromString(bodies[0])
    assert {
        span.name
        for resource in sent.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    } == {"POST /v1/completions", "queue", "prefill", "decode"}
