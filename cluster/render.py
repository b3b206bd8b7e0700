"""One entry to the renderings: a target's name to text, and a check of all of them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import yaml

from cluster import render_kuberay, render_launcher
from cluster.definition import ClusterDefinition
from gristmill.errors import ClusterError

Target = Literal["launcher", "raycluster", "rayjob", "rayservice"]


def document(definition: ClusterDefinition, target: str) -> dict[str, Any]:
    """Return the document that a target reads. Raises ClusterError for an unknown target."""
    if target == "launcher":
        return render_launcher.render(definition)
    if target == "raycluster":
        return render_kuberay.render_cluster(definition)
    if target == "rayjob":
        return render_kuberay.render_job(definition)
    if target == "rayservice":
        return render_kuberay.render_service(definition)
    raise ClusterError(f"no rendering '{target}'; there are {', '.join(get_args(Target))}")


def render(definition: ClusterDefinition, target: str) -> str:
    """Return the YAML text that a target reads. Raises ClusterError."""
    text = yaml.safe_dump(document(definition, target), sort_keys=False)
    return f"# Rendered from the cluster definition '{definition.name}'; change that, not this.\n{text}"


def check(definition: ClusterDefinition) -> list[str]:
    """Return one line a pool saying what it is in every rendering, after rendering all of them.

    Raises ClusterError when a rendering cannot be made.
    """
    for target in get_args(Target):
        document(definition, target)
    lines = [f"{definition.name}: ray {definition.ray}, head {definition.head.memory_gib:g} GiB"]
    for name, pool in definition.pools.items():
        gpus = f", {pool.gpus} x {pool.accelerator}" if pool.gpus else ""
        market = "spot" if pool.spot else "on demand"
        lines.append(
            f"{name}: {pool.min_workers} to {pool.max_workers} nodes of {pool.cpus} CPUs{gpus}, "
            f"{pool.memory_gib:g} GiB, {market}, {pool.price_per_hour:g} an hour each"
        )
    return lines
