"""The definition as the YAML that `ray up` reads: virtual machines of a cloud or of your own.

Every node type is a pool, with its resources, label, limits and priority; the head offers no CPUs.
Ray runs in the definition's images with token authentication; the token is a file that `ray up` copies,
it never stands in the YAML. Machine types come from the pools' `vm`, spot is added in the provider's
own words.
"""

from __future__ import annotations

from typing import Any

from cluster.definition import POOL_LABEL, ClusterDefinition, Pool
from gristmill.errors import ClusterError

REMOTE_TOKEN = "/home/ray/.gristmill/token"
HEAD_TYPE = "head"
_AUTH = f"RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={REMOTE_TOKEN} RAY_USAGE_STATS_ENABLED=0"
_SPOT: dict[str, dict[str, Any]] = {
    "aws": {"InstanceMarketOptions": {"MarketType": "spot"}},
    "gcp": {"scheduling": [{"preemptible": True}]},
    "azure": {"azure_arm_parameters": {"priority": "Spot"}},
}
_NO_SPOT = frozenset({"local"})
"""Providers without a market: the label says what the definition wants, nothing else can."""


def render(definition: ClusterDefinition) -> dict[str, Any]:
    """Return the cluster launcher's document. Raises ClusterError for a provider without spot."""
    types: dict[str, Any] = {
        HEAD_TYPE: {
            "resources": {"CPU": 0},
            "labels": {POOL_LABEL: HEAD_TYPE},
            "node_config": dict(definition.head.vm),
        }
    }
    for name, pool in definition.pools.items():
        types[name] = _node_type(definition, pool, definition.labels(name))
        if definition.image_of(name) != definition.image:
            types[name]["docker"] = {"worker_image": definition.image_of(name)}
    longest_s = max(pool.idle_timeout_s for pool in definition.pools.values())
    return {
        "cluster_name": definition.name,
        "provider": dict(definition.vm.provider),
        "auth": {"ssh_user": definition.vm.ssh_user},
        "max_workers": sum(pool.max_workers for pool in definition.pools.values()),
        "idle_timeout_minutes": longest_s / 60,
        "docker": {
            "image": definition.image,
            "container_name": "gristmill",
            "pull_before_run": True,
            "run_options": ["--ulimit nofile=65536:65536", "--network host"],
        },
        "head_node_type": HEAD_TYPE,
        "available_node_types": types,
        "file_mounts": {REMOTE_TOKEN: definition.vm.token_file},
        "head_start_ray_commands": [
            "ray stop",
            f"ulimit -n 65536; {_AUTH} ray start --head --port=6379 --num-cpus=0 "
            "--dashboard-host=127.0.0.1 --autoscaling-config=~/ray_bootstrap_config.yaml",
        ],
        "worker_start_ray_commands": [
            "ray stop",
            f"ulimit -n 65536; {_AUTH} ray start --address=$RAY_HEAD_IP:6379",
        ],
    }


def _node_type(definition: ClusterDefinition, pool: Pool, labels: dict[str, str]) -> dict[str, Any]:
    resources = {"CPU": pool.cpus, "memory": round(pool.memory_gib * 2**30)}
    if pool.gpus:
        resources["GPU"] = pool.gpus
    return {
        "min_workers": pool.min_workers,
        "max_workers": pool.max_workers,
        "priority": pool.priority,
        "idle_timeout_s": pool.idle_timeout_s,
        "resources": resources,
        "labels": labels,
        "node_config": dict(pool.vm) | (_spot(definition) if pool.spot else {}),
    }


def _spot(definition: ClusterDefinition) -> dict[str, Any]:
    provider = str(definition.vm.provider.get("type"))
    if provider in _NO_SPOT:
        return {}
    if provider not in _SPOT:
        raise ClusterError(
            f"provider '{provider}' has no spot machines that Gristmill knows ({', '.join(_SPOT)} "
            "have); set spot: false in the pools"
        )
    return _SPOT[provider]
