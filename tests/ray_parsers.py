"""Ray's own parsers of the two renderings: the only place that knows their private names."""

from typing import Any

from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.util import prepare_config, validate_config


def read_launcher(document: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration as `ray up` understands it; raises on what it would refuse."""
    prepared = prepare_config(document)
    validate_config(prepared)
    return dict(prepared)


def read_kuberay(document: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration as the autoscaler in the head's pod understands it."""
    return dict(_derive_autoscaling_config_from_ray_cr(document))
