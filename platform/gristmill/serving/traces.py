"""OpenTelemetry spans of calls, made from what a call was seen to do, when it is over.

One span a call, a child of the client's where the client names one (`traceparent`); below it, of a call
that generated, `queue`, `prefill` and `decode`. Names and figures are those of OpenTelemetry's conventions
for generative models, and vLLM's for latencies; there is no text and no code in a span. Spans are sent by
a thread, many at once; a collector that is away costs its spans and nothing else.
"""

from __future__ import annotations

import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from gristmill import __version__
from gristmill.serving.calls import Call

SERVICE = "gristmill"


class Traces:
    """Turns calls that are over into spans."""

    def __init__(self, processor: SpanProcessor) -> None:
        """`processor` is told of every span."""
        resource = Resource.create({"service.name": SERVICE, "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE, __version__)
        self._parents = TraceContextTextMapPropagator()

    @staticmethod
    def to(address: str) -> Traces:
        """Return traces that go to an OTLP collector over HTTP."""
        return Traces(BatchSpanProcessor(OTLPSpanExporter(endpoint=address, timeout=5)))

    def record(self, call: Call) -> None:
        """Make the spans of a call."""
        now = time.monotonic()
        shift = time.time() - now

        def at(seconds: float) -> int:
            return int((seconds + shift) * 1e9)

        carrier = {"traceparent": call.traceparent} if call.traceparent else {}
        whole = self._tracer.start_span(
            f"{call.method} {call.path}",
            self._parents.extract(carrier),
            SpanKind.SERVER,
            _attributes(call),
            start_time=at(call.began_s),
        )
        if call.status >= 500:
            whole.set_status(StatusCode.ERROR)
        if call.first_s is not None and call.last_s is not None:
            started_s = min(call.began_s + call.queued_s, call.first_s)
            inside = set_span_in_context(whole)
            for name, start_s, end_s in (
                ("queue", call.began_s, started_s),
                ("prefill", started_s, call.first_s),
                ("decode", call.first_s, call.last_s),
            ):
                part = self._tracer.start_span(name, inside, start_time=at(start_s))
                part.end(at(end_s))
        whole.end(at(now))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _attributes(call: Call) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        "http.request.method": call.method,
        "url.path": call.path,
        "http.response.status_code": call.status,
        "gen_ai.request.id": call.number,
    }
    if call.key is not None:
        found["enduser.id"] = call.key.name
    if not call.model:
        return found
    found["gen_ai.request.model"] = call.model
    found["gen_ai.response.model"] = call.label
    if call.generation is not None:
        found["gen_ai.request.temperature"] = call.generation.temperature
        found["gen_ai.request.top_p"] = call.generation.top_p
        found["gen_ai.operation.name"] = "chat" if call.generation.messages else "text_completion"
    if call.first_s is not None and call.last_s is not None:
        found["gen_ai.usage.input_tokens"] = call.num_prompt
        found["gen_ai.usage.output_tokens"] = call.num_output
        found["gen_ai.usage.cache_read.input_tokens"] = call.num_cached
        found["gen_ai.response.finish_reasons"] = tuple(call.finish_reasons)
        found["gen_ai.latency.time_in_queue"] = call.queued_s
        found["gen_ai.latency.time_to_first_token"] = call.first_s - call.began_s
        found["gen_ai.latency.e2e"] = call.last_s - call.began_s
    return found
