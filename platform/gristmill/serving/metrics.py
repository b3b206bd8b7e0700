"""`/metrics`: what the front saw and what the engines say, under the names that vLLM's dashboards read.

Histograms and token counters are the front's own, of every call that generated; gauges and the engines'
counters are asked of all replicas at each scrape and added up by model. One front is one process, so a
scrape sees everything; with several fronts Prometheus adds them up by `model_name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import Metric

from gristmill.inference.stats import EngineStats
from gristmill.serving.calls import Call

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)  # fmt: skip
GAPS = (.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5)  # fmt: skip
TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
MODEL = ("model_name",)
Stats = Sequence[EngineStats]


class Metrics:
    """The front's counters; `record` a call when it is over, `render` at a scrape."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._engines = _Engines()
        registry.register(self._engines)
        self._registry = registry

        def histogram(name: str, what: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(f"vllm:{name}", what, MODEL, buckets=buckets, registry=registry)

        def counter(name: str, what: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(name, what, (*MODEL, *labels), registry=registry)

        self._first = histogram("time_to_first_token_seconds", "Time to the first text.", SECONDS)
        self._gap = histogram("inter_token_latency_seconds", "Time between tokens.", GAPS)
        self._per_token = histogram(
            "request_time_per_output_token_seconds", "A call's mean time between tokens.", GAPS
        )
        self._whole = histogram("e2e_request_latency_seconds", "Time of a whole call.", SECONDS)
        self._queued = histogram("request_queue_time_seconds", "Time before any work.", SECONDS)
        self._prefill = histogram(
            "request_prefill_time_seconds", "From the first work to the first text.", SECONDS
        )
        self._decode = histogram(
            "request_decode_time_seconds", "From the first text to the last.", SECONDS
        )
        self._inference = histogram("request_inference_time_seconds", "Prefill, decode.", SECONDS)
        self._prompt = histogram("request_prompt_tokens", "Tokens of a call's prompts.", TOKENS)
        self._output = histogram("request_generation_tokens", "Tokens of its answers.", TOKENS)
        self._prompts = counter("vllm:prompt_tokens", "Tokens of prompts.")
        self._outputs = counter("vllm:generation_tokens", "Tokens of answers.")
        self._queries = counter("vllm:prefix_cache_queries", "Prompt tokens looked up.")
        self._hits = counter("vllm:prefix_cache_hits", "Prompt tokens found in the cache.")
        self._success = counter("vllm:request_success", "Answers.", ("finished_reason",))
        self._refused = counter("vllm:admission_rejections", "Calls refused.", ("reason",))
        self._calls = counter("gristmill_calls", "Calls.", ("path", "status"))
        self._events = counter("gristmill_completion_events", "What became of them.", ("type",))
        self._sources = counter("gristmill_repeated", "Answers that repeat the corpus.")

    def record(self, call: Call) -> None:
        """Count a call that is over."""
        model = call.model
        self._calls.labels(model, call.path, str(call.status)).inc()
        if call.first_s is None or call.last_s is None:
            return
        first_s = call.first_s - call.began_s
        inference_s = call.last_s - call.began_s - call.queued_s
        self._first.labels(model).observe(first_s)
        self._whole.labels(model).observe(call.last_s - call.began_s)
        self._queued.labels(model).observe(call.queued_s)
        self._prefill.labels(model).observe(max(0.0, first_s - call.queued_s))
        self._decode.labels(model).observe(call.last_s - call.first_s)
        self._inference.labels(model).observe(max(0.0, inference_s))
        for gap_s in call.gaps_s:
            self._gap.labels(model).observe(gap_s)
        if call.gaps_s:
            self._per_token.labels(model).observe(sum(call.gaps_s) / len(call.gaps_s))
        self._prompt.labels(model).observe(call.num_prompt)
        self._output.labels(model).observe(call.num_output)
        self._prompts.labels(model).inc(call.num_prompt)
        self._outputs.labels(model).inc(call.num_output)
        self._queries.labels(model).inc(call.num_prompt)
        self._hits.labels(model).inc(call.num_cached)
        for reason in call.finish_reasons:
            self._success.labels(model, reason).inc()
        if call.sources:
            self._sources.labels(model).inc()

    def refused(self, model: str, reason: str) -> None:
        """Count a call that was not let in."""
        self._refused.labels(model, reason).inc()

    def event(self, model: str, kind: str) -> None:
        """Count what became of a suggestion: view, select, dismiss."""
        self._events.labels(model, kind).inc()

    def render(self, loads: Mapping[str, Sequence[EngineStats]]) -> bytes:
        """Return the text of a scrape."""
        self._engines.loads = loads
        return generate_latest(self._registry)


class _Engines:
    """What the engines said last, as metric families."""

    def __init__(self) -> None:
        self.loads: Mapping[str, Sequence[EngineStats]] = {}

    def collect(self) -> Iterable[Metric]:
        """Yield a family for each figure."""
        yield self._gauge("num_requests_running", "Requests being answered.", _running)
        yield self._gauge("num_requests_waiting", "Requests that wait.", _waiting)
        yield self._gauge("kv_cache_usage_perc", "Share of the cache that is held.", _used)
        yield self._counter("num_preemptions", "Requests thrown back to wait.")
        yield self._counter("num_drafts", "Guesses that were checked.", "spec_decode_")
        yield self._counter("num_draft_tokens", "Tokens of guesses.", "spec_decode_")
        yield self._counter("num_accepted_tokens", "Those that held.", "spec_decode_")

    def _gauge(self, name: str, what: str, value: Callable[[Stats], float]) -> Metric:
        family = Metric(f"vllm:{name}", what, "gauge")
        for model, stats in self.loads.items():
            family.add_sample(family.name, {"model_name": model}, value(stats))
        return family

    def _counter(self, name: str, what: str, group: str = "") -> Metric:
        family = Metric(f"vllm:{group}{name}", what, "counter")
        for model, stats in self.loads.items():
            total = sum(getattr(one, name) for one in stats)
            family.add_sample(f"{family.name}_total", {"model_name": model}, total)
        return family


def _running(stats: Stats) -> float:
    return sum(one.num_running for one in stats)


def _waiting(stats: Stats) -> float:
    return sum(one.num_waiting for one in stats)


def _used(stats: Stats) -> float:
    held = sum(one.num_held_blocks for one in stats)
    return held / max(sum(one.num_blocks for one in stats), 1)
