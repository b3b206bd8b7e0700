"""The definition as KubeRay's custom resources (`ray.io/v1`): RayCluster, RayJob, RayService.

A worker group is a pool, with its resources, labels, limits and priority; autoscaler v2, because only
that honours priority; token authentication from a Secret. A RayJob brings its own cluster, waits a
bounded time for machines, and takes the cluster down after it; its driver is `gristmill run` on the head. A RayService keeps an endpoint up across upgrades.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from cluster.definition import POOL_LABEL, ClusterDefinition, Pool, PoolName

API_VERSION = "ray.io/v1"
SERVE_APPLICATION = "jobs.serve:build"


def render_cluster(definition: ClusterDefinition) -> dict[str, Any]:
    """Return the RayCluster."""
    return _resource(definition, "RayCluster", cluster_spec(definition))


def render_job(
    definition: ClusterDefinition, recipe: str = "1.3b", store: str = "s3://bucket/store"
) -> dict[str, Any]:
    """Return a RayJob that carries out a recipe on a cluster of its own."""
    command = (
        f"python -m jobs run {shlex.quote(recipe)} --store {shlex.quote(store)} "
        "--on http://127.0.0.1:8265"
    )
    kubernetes = definition.kubernetes
    return _resource(
        definition,
        "RayJob",
        {
            "entrypoint": command,
            "entrypointNumCpus": 0,
            "submissionMode": "SidecarMode",
            "runtimeEnvYAML": json.dumps(_runtime_env()),
            "backoffLimit": 0,  # each retry is a new cluster; the run goes on from the store instead
            "preRunningDeadlineSeconds": kubernetes.prerunning_deadline_s,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": kubernetes.finished_ttl_s,
            "rayClusterSpec": cluster_spec(definition),
        },
    )


def render_service(
    definition: ClusterDefinition, recipe: str = "1.3b", store: str = "s3://bucket/store"
) -> dict[str, Any]:
    """Return a RayService that serves the models which a recipe left in a store."""
    gpu = definition.pools["train"].gpus > 0
    application: dict[str, Any] = {
        "name": "gristmill",
        "route_prefix": "/",
        "import_path": SERVE_APPLICATION,
        "runtime_env": _runtime_env(),
        "args": {"recipe": recipe, "store": store, "gpu": gpu},
    }
    config = {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        "applications": [application],
    }
    return _resource(
        definition,
        "RayService",
        {
            "serveConfigV2": json.dumps(config, indent=1),  # JSON is YAML
            "upgradeStrategy": {"type": "NewCluster"},
            "rayClusterConfig": cluster_spec(definition),
        },
    )


def cluster_spec(definition: ClusterDefinition) -> dict[str, Any]:
    """Return the spec that all three resources share."""
    return {
        "rayVersion": definition.ray,
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"version": "v2", "upscalingMode": "Default"},
        "authOptions": {"mode": "token", "secretName": definition.kubernetes.token_secret},
        "headGroupSpec": {
            "labels": {POOL_LABEL: "head"},
            "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
            "template": _template(
                definition.image,
                {
                    "cpu": str(definition.head.machine_cpus),
                    "memory": _memory(definition.head.memory_gib),
                },
                ports=(
                    ("gcs", 6379),
                    ("dashboard", 8265),
                    ("client", 10001),
                    ("metrics", 8080),
                    ("serve", 8000),
                ),
            ),
        },
        "workerGroupSpecs": [
            _group(definition, name, pool) for name, pool in definition.pools.items()
        ],
    }


def _group(definition: ClusterDefinition, name: PoolName, pool: Pool) -> dict[str, Any]:
    limits = {"cpu": str(pool.cpus), "memory": _memory(pool.memory_gib)}
    if pool.gpus:
        limits["nvidia.com/gpu"] = str(pool.gpus)
    template = _template(definition.image_of(name), limits, shm_gib=pool.shm_gib)
    spec = template["spec"]
    if pool.node_selector:
        spec["nodeSelector"] = dict(pool.node_selector)
    if pool.gpus:
        spec["tolerations"] = [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
        ]
    if pool.spot:
        spec.setdefault("tolerations", []).append(
            {"key": "gristmill.dev/spot", "operator": "Exists", "effect": "NoSchedule"}
        )
        spec["terminationGracePeriodSeconds"] = 60
    return {
        "groupName": name,
        "replicas": pool.min_workers,
        "minReplicas": pool.min_workers,
        "maxReplicas": pool.max_workers,
        "priority": pool.priority,
        "idleTimeoutSeconds": pool.idle_timeout_s,
        "labels": definition.labels(name),
        "rayStartParams": {},
        "template": template,
    }


def _template(
    image: str,
    limits: dict[str, str],
    *,
    ports: Sequence[tuple[str, int]] = (),
    shm_gib: float | None = None,
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "ray",
        "image": image,
        "env": [{"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}],
        "resources": {"limits": dict(limits), "requests": dict(limits)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
        },
    }
    if ports:
        container["ports"] = [{"name": name, "containerPort": port} for name, port in ports]
    spec: dict[str, Any] = {"containers": [container]}
    if shm_gib is not None:
        container["volumeMounts"] = [{"name": "shm", "mountPath": "/dev/shm"}]
        spec["volumes"] = [
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": _memory(shm_gib)}}
        ]
    return {"spec": spec}


def _resource(definition: ClusterDefinition, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": definition.name, "namespace": definition.kubernetes.namespace},
        "spec": spec,
    }


def _memory(gib: float) -> str:
    return f"{gib:g}Gi" if gib == int(gib) else f"{round(gib * 1024)}Mi"


def _runtime_env() -> dict[str, Any]:
    return {
        "working_dir": "local:///opt/gristmill",
        "py_modules": ["local:///opt/gristmill/platform"],
    }
