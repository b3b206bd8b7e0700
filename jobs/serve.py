"""Stage `serve`: models -> an OpenAI-compatible endpoint with a page, on Ray Serve; leaves no artifact.

    laptop    gristmill run laptop serve
    cluster   ray job submit --working-dir . -- python -m jobs.serve --recipe R --store S

One front, and one autoscaled deployment of engines a model, in the pool `serve`. The job ends with exit
code 0 when a real completion was made; the endpoint stays up with the cluster. The cluster has one such
endpoint: serving another recipe replaces what it answers with, without closing the port.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import (
    AutoscalingConfig,
    AutoscalingPolicy,
    HTTPOptions,
    ProxyLocation,
    RequestRouterConfig,
)
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from actors.affinity_router import AffinityRouter
from actors.ingress import Ingress
from actors.replica import Replica, ReplicaSettings
from actors.token_scaling import TokenScaling
from gristmill.artifacts import Artifact, Store
from gristmill.corpus.sources import resolve_sources
from gristmill.errors import ClusterError, RecipeError
from gristmill.pipeline import POOLS, steps_of
from gristmill.serving.access import FrontSettings, read_keys
from gristmill.serving.config import ServeSection
from gristmill.serving.exchange import Kind
from gristmill.serving.following import Follower
from gristmill.serving.host import HostLimits
from gristmill.serving.lookups import Repeats
from jobs.endpoint import check_completion, check_free, endpoint_of
from jobs.pool import Pool
from jobs.recipe_files import load_recipe
from jobs.stage import JobContext, find_inputs, present_inputs, run_service

log = logging.getLogger(__name__)

APPLICATION = "gristmill"
MARK = "@endpoint "
COMPLETES = ("extend", "pretrain")
"""Stages whose models complete, the better first; finetune's chats."""


@dataclass(frozen=True)
class Served:
    """One model to be served."""

    kind: Kind
    artifact: Artifact


def work(context: JobContext) -> None:
    """Put the models up, check them with one completion, and say where they answer."""
    section = context.recipe.serve
    assert section is not None
    models = choose(context.inputs, section)
    context.progress.update(0, 3, "steps")
    if not ray.is_initialized():
        ray.init()
    _start(section)
    context.progress.update(1, 3, "steps")
    selector = Pool.of(context.label_selector).selector
    try:
        serve.run(
            application(models, section, context.store.storage.url, selector),
            name=APPLICATION,
            route_prefix="/",
        )
    except (RuntimeError, RayServeException) as error:
        raise ClusterError(
            f"the endpoint did not come up: {error}; the replicas' logs are in the dashboard under "
            "Serve, and the model's folder may be the cause"
        ) from error
    context.progress.update(2, 3, "steps")
    address = endpoint_of(context.recipe)
    log.info("%s", check_completion(address))
    context.progress.update(3, 3, "steps")
    labels = {model.kind: model.artifact.label for model in models}
    print(MARK + json.dumps({"address": address, "models": labels}), flush=True)
    print(f"serve: {address} answers; its page is at {address}/", flush=True)


def choose(inputs: Mapping[str, Artifact], section: ServeSection) -> list[Served]:
    """Return the completion model, then the chat model, of those there are. Raises RecipeError."""
    wanted: list[str] = [stage for stage in section.models if stage in inputs]
    found: list[Served] = []
    completes = [stage for stage in wanted if stage in COMPLETES]
    completes += [stage for stage in COMPLETES if stage in inputs]
    if completes:
        found.append(Served("completion", inputs[completes[0]]))
    if "finetune" in wanted:
        found.append(Served("chat", inputs["finetune"]))
    if not found:
        raise RecipeError(
            f"serve.models is {', '.join(section.models)}, and none of them is made; "
            "add a pretrain, extend or finetune section, or run the stage"
        )
    return found


def application(
    models: Sequence[Served],
    section: ServeSection,
    store_url: str,
    label_selector: Mapping[str, str],
) -> serve.Application:
    """Return the Serve application: the front over one deployment a model."""
    replicas = {
        model.artifact.record.name: _replica(model, section, store_url, label_selector)
        for model in models
    }
    front: Any = serve.deployment(
        Ingress,
        name="front",
        max_ongoing_requests=1000,
        max_surge_percent=100,  # it asks for no CPU: there is always room for both
        health_check_period_s=section.health_s,
        graceful_shutdown_timeout_s=section.request_timeout_s,
        ray_actor_options={"num_cpus": 0, "label_selector": dict(label_selector)},
    )
    built: serve.Application = front.bind(replicas, front_settings(section))
    return built


def front_settings(section: ServeSection) -> FrontSettings:
    """Return what the front is told; keys are read here and go on as digests. Raises RecipeError."""
    return FrontSettings(
        keys=read_keys(Path(section.keys).expanduser()) if section.keys else (),
        max_body_bytes=section.max_body_bytes,
        cors_origins=section.cors_origins,
        audit=section.audit,
        aliases=dict(section.aliases),
        lenient=section.lenient,
        traces=section.traces,
    )


def build(arguments: Mapping[str, Any]) -> serve.Application:
    """Return the application for `serve deploy` and RayService: `recipe`, `store`, `gpu` say which.

    Raises RecipeError when the recipe serves nothing or its models are not in the store.
    """
    recipe = load_recipe(arguments["recipe"])
    if recipe.serve is None:
        raise RecipeError(f"recipe {recipe.name} has no serve section")
    store = Store.open(arguments["store"])
    steps = steps_of(recipe, resolve_sources(recipe.corpus), gpu=bool(arguments.get("gpu")))
    step = steps["serve"]
    found = present_inputs(step, steps, store) or find_inputs(step, steps, store)
    models = choose(found, recipe.serve)
    return application(models, recipe.serve, store.storage.url, {"pool": POOLS["serve"]})


def _replica(
    model: Served, section: ServeSection, store_url: str, label_selector: Mapping[str, str]
) -> DeploymentHandle[Any]:
    limits = HostLimits(
        max_batch=section.max_batch,
        step_tokens=section.step_tokens,
        cache_tokens=section.cache_tokens,
        max_queued=section.max_queued,
        max_new_tokens=section.max_new_tokens,
        timeout_s=section.request_timeout_s,
        bf16=section.precision == "bf16",
        threads=section.threads,
        weights=section.weights,
        compiled=section.compiled,
        overcommit=section.overcommit,
        draft_tokens=section.draft_tokens,
    )
    cache = Path(tempfile.gettempdir()) / "gristmill" / "models"
    settings = ReplicaSettings(
        name=model.artifact.record.name,
        kind=model.kind,
        follower=Follower(store_url, model.artifact.label, cache),
        follow_s=section.follow_s,
        limits=limits,
        repeats=Repeats(section.repeats, section.repeat_words),
    )
    deployment: Any = serve.deployment(
        Replica,
        name=model.kind,
        # the engine does admission itself, so that a full queue is a 429 in OpenAI's form
        max_ongoing_requests=section.max_batch + section.max_queued + 16,
        autoscaling_config=_scaling(section),
        request_router_config=_routing(section),
        max_surge_percent=section.surge_percent,
        health_check_period_s=section.health_s,
        graceful_shutdown_timeout_s=section.request_timeout_s,
        ray_actor_options={
            "num_cpus": section.replica_cpus,
            "num_gpus": section.replica_gpus,
            "label_selector": dict(label_selector),
        },
    )
    bound: DeploymentHandle[Any] = deployment.bind(settings)
    return bound


def _routing(section: ServeSection) -> RequestRouterConfig:
    router: Any = AffinityRouter
    fallbacks = {"num_fallback_replicas": section.max_replicas}
    return RequestRouterConfig(request_router_class=router, request_router_kwargs=fallbacks)


def _scaling(section: ServeSection) -> AutoscalingConfig:
    policy: Any = AutoscalingPolicy
    return AutoscalingConfig(
        min_replicas=section.min_replicas,
        max_replicas=section.max_replicas,
        target_ongoing_requests=section.target_ongoing,
        upscale_delay_s=section.upscale_delay_s,
        downscale_delay_s=section.downscale_delay_s,
        look_back_period_s=section.metrics_window_s,
        policy=policy(
            policy_function=TokenScaling,
            policy_kwargs={
                "target_queued_tokens": section.target_queued_tokens,
                "target_ongoing": section.target_ongoing,
                "target_cache": section.target_cache_use,
            },
        ),
    )


def _start(section: ServeSection) -> None:
    """Start Serve at the recipe's address, or find it there. Raises ClusterError."""
    client = _get_global_client(raise_if_no_controller_running=False)
    if client is not None:
        running = client.http_config
        if (running.host, running.port) == (section.host, section.port):
            return
        others = set(serve.status().applications) - {APPLICATION}
        if others:
            raise ClusterError(
                f"this cluster serves {', '.join(sorted(others))} at {running.host}:{running.port}, "
                f"and one cluster has one address; use it: --set serve.port={running.port}"
            )
        if running.port != section.port:
            check_free(section.host, section.port)  # before anything that answers is ended
        serve.shutdown()  # type: ignore[no-untyped-call]
    check_free(section.host, section.port)  # the job's driver runs on the head, as HTTP does
    proxies = ProxyLocation.HeadOnly if section.proxies == "head" else ProxyLocation.EveryNode
    serve.start(
        proxy_location=proxies,
        http_options=HTTPOptions(
            host=section.host,
            port=section.port,
            request_timeout_s=section.request_timeout_s + 10,
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage as a job."""
    return run_service("serve", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.serve`, but nothing of `__main__`.
    from jobs.serve import main as main_by_name

    raise SystemExit(main_by_name())
