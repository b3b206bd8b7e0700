from types import SimpleNamespace
from typing import Any

import pytest
from ray import cloudpickle

from actors.token_scaling import TokenScaling


def context(requests: float, tokens: dict[str, float], cache: dict[str, float]) -> Any:
    metrics = {"queued_tokens": tokens, "cache_use": cache}
    return SimpleNamespace(total_num_requests=requests, aggregated_metrics=metrics)


POLICY = TokenScaling(target_queued_tokens=1000, target_ongoing=8, target_cache=0.8)


@pytest.mark.parametrize(
    ("requests", "tokens", "cache", "wanted"),
    [
        (0, {"a": 900.0}, {"a": 0.5}, 0),
        (16, {"a": 0.0}, {"a": 0.0}, 2),
        (1, {"a": 2500.0, "b": 500.0}, {"a": 0.1, "b": 0.1}, 3),
        (1, {"a": 10.0, "b": 0.0}, {"a": 0.8, "b": 0.8}, 2),
        (4, {}, {}, 0.5),
    ],
)
def test_the_largest_wish_counts(requests, tokens, cache, wanted):
    number, state = POLICY(context(requests, tokens, cache))
    assert number == pytest.approx(wanted) and state == {}


def test_metrics_that_have_not_come_yet_are_none():
    asked = SimpleNamespace(total_num_requests=3, aggregated_metrics=None)
    assert POLICY(asked)[0] == pytest.approx(3 / 8)


def test_serve_s_controller_needs_nothing_of_ours():
    import actors.token_scaling as module

    cloudpickle.register_pickle_by_value(module)
    try:
        packed = cloudpickle.dumps(TokenScaling)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert b"_make_skeleton_class" in packed and b"gristmill" not in packed
    policy = cloudpickle.loads(packed)(1000, 8, 0.8)
    assert policy(context(16, {}, {})) == (2.0, {})
