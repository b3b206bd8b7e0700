from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from gristmill.inference.stats import EngineStats
from gristmill.serving.calls import Call
from gristmill.serving.exchange import Generation, Piece, Source
from gristmill.serving.metrics import Metrics


def stats(**values: Any) -> EngineStats:
    given = {
        "num_waiting": 1, "num_running": 2, "num_held_blocks": 25, "num_blocks": 100,
        "num_steps": 9, "num_prompt_tokens": 0, "num_cached_tokens": 0, "num_output_tokens": 0,
    }  # fmt: skip
    return EngineStats(**{**given, **values})


def scraped(metrics: Metrics, *loads: EngineStats) -> dict[str, float]:
    text = metrics.render({"tiny": list(loads)} if loads else {}).decode()
    return {
        sample.name
        + "".join(f"[{v}]" for k, v in sorted(sample.labels.items()) if k != "model_name"): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def call() -> Call:
    made = Call("POST", "/v1/completions")
    made.model, made.status, made.generation = "tiny", 200, Generation(prompts=("x",))
    made.add(Piece(0, "a", 1, num_prompt=10, num_cached=6, queued_s=0.0))
    made.add(
        Piece(0, "b", 3, "stop", num_prompt=10, sources=(Source("r", "1", "MIT", "p", 70, 0, 9),))
    )
    return made


def test_a_call_is_counted_under_vllm_s_names():
    metrics = Metrics()
    metrics.record(call())
    found = scraped(metrics)
    assert found["vllm:prompt_tokens_total"] == found["vllm:prefix_cache_queries_total"] == 10
    assert found["vllm:generation_tokens_total"] == 4
    assert found["vllm:prefix_cache_hits_total"] == 6
    assert found["vllm:request_success_total[stop]"] == 1
    assert found["vllm:time_to_first_token_seconds_count"] == 1
    assert found["vllm:inter_token_latency_seconds_count"] == 3
    assert found["vllm:request_generation_tokens_sum"] == 4
    assert found["gristmill_repeated_total"] == 1
    assert found["gristmill_calls_total[/v1/completions][200]"] == 1


def test_a_call_that_made_nothing_is_only_counted():
    metrics = Metrics()
    metrics.record(Call("GET", "/v1/models", status=200))
    found = scraped(metrics)
    assert found["gristmill_calls_total[/v1/models][200]"] == 1
    assert "vllm:time_to_first_token_seconds_count" not in found


def test_engines_are_added_up_and_their_cache_use_is_of_all():
    metrics = Metrics()
    found = scraped(metrics, stats(), stats(num_held_blocks=75, num_preemptions=3))
    assert found["vllm:num_requests_running"] == 4 and found["vllm:num_requests_waiting"] == 2
    assert found["vllm:kv_cache_usage_perc"] == 0.5
    assert found["vllm:num_preemptions_total"] == 3


def test_refusals_and_events_have_their_reasons():
    metrics = Metrics()
    metrics.refused("tiny", "load")
    metrics.event("tiny", "select")
    found = scraped(metrics)
    assert found["vllm:admission_rejections_total[load]"] == 1
    assert found["gristmill_completion_events_total[select]"] == 1
