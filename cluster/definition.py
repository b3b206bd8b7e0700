"""The cluster definition: pools of machines, their labels, prices and limits, read from one YAML file.

A definition says what a cluster is, not where it runs: `cluster/local.py` cuts it to this machine,
`render_launcher.py` and `render_kuberay.py` turn it into what `ray up` and KubeRay read, and the plan
takes its prices and speeds. Every pool carries the label `pool: <name>` in every rendering; that label
is the only thing a job knows of a machine. The models are frozen and strict; an unknown key is an
error that names the nearest one.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from gristmill.errors import ClusterError, RecipeError
from gristmill.recipe import parse_yaml
from gristmill.section import Section

DEFAULT = Path(__file__).parent / "cluster.yaml"
PoolName = Literal["data", "train", "serve"]
POOL_LABEL = "pool"
SPOT_LABEL = "gristmill.dev/spot"
ACCELERATOR_LABEL = "gristmill.dev/accelerator"


class Head(Section):
    """The node that runs Ray's own services and the jobs' drivers; it offers no CPUs."""

    memory_gib: float = Field(gt=0)
    machine_cpus: int = Field(4, ge=1)
    """Cores of the machine; what Ray may schedule on it is always 0."""
    price_per_hour: float = Field(0.0, ge=0)
    vm: dict[str, Any] = Field(default_factory=dict)
    """The provider's own words for the machine (`node_config`)."""


class LocalPool(Section):
    """How a pool is cut to a laptop."""

    cpus_per_core: float = Field(1.0, gt=0)
    """Logical CPUs for each core of this machine; the pools share the cores, their stages take turns."""


class Pool(Section):
    """Machines of one kind."""

    cpus: int = Field(ge=1)
    gpus: int = Field(0, ge=0)
    memory_gib: float = Field(gt=0)
    accelerator: str | None = None
    min_workers: int = Field(0, ge=0)
    max_workers: int = Field(1, ge=0)
    spot: bool = False
    priority: int = 0
    """The autoscaler prefers the pool with the higher number where a request fits several."""
    idle_timeout_s: int = Field(300, ge=1)
    price_per_hour: float = Field(0.0, ge=0)
    """Of one machine, in the currency of your bill."""
    peak_flops: float = Field(1e11, gt=0)
    """Dense bf16 FLOP/s of one GPU, or fp32 FLOP/s of the whole machine where it has none."""
    shared_memory_gib: float | None = None
    """Size of /dev/shm in a pod; None takes 30 % of the memory, Ray's own share."""
    labels: dict[str, str] = Field(default_factory=dict)
    vm: dict[str, Any] = Field(default_factory=dict)
    """The provider's own words for the machine (`node_config`)."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Kubernetes node labels that the pool's pods need."""
    local: LocalPool = LocalPool()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_workers > self.max_workers:
            raise ValueError(
                f"min_workers {self.min_workers} is above max_workers {self.max_workers}"
            )
        if self.gpus and not self.accelerator:
            raise ValueError("a pool with gpus needs an accelerator, e.g. A100-80GB")
        return self

    @property
    def shm_gib(self) -> float:
        """Size of /dev/shm in a pod, in GiB."""
        return self.shared_memory_gib or round(self.memory_gib * 0.3, 1)


class Vm(Section):
    """What `ray up` needs beside the pools."""

    provider: dict[str, Any]
    ssh_user: str = "ubuntu"
    token_file: str = "~/.gristmill/token"
    """Ray's authentication token on the machine that runs `ray up`; copied to every node."""


class Kubernetes(Section):
    """What KubeRay needs beside the pools."""

    namespace: str = "gristmill"
    token_secret: str = "gristmill-token"
    """Name of the Secret whose key `auth_token` holds Ray's token."""
    prerunning_deadline_s: int = 3600
    """A job that has no machines after so long is ended rather than left waiting."""
    finished_ttl_s: int = 600


class Local(Section):
    """Limits of the local rendering, a node each."""

    object_store_mib: int = Field(300, ge=80)
    memory_gib: float = Field(2.0, gt=0)
    """Free memory that a start asks for; less is refused."""


class ClusterDefinition(Section):
    """A cluster: one head and three pools, and what each rendering needs beside them."""

    name: str = Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")
    ray: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    image: str
    gpu_image: str
    head: Head
    pools: dict[PoolName, Pool]
    vm: Vm
    kubernetes: Kubernetes = Kubernetes()
    local: Local = Local()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [name for name in get_args(PoolName) if name not in self.pools]
        if missing:
            raise ValueError(f"pools lacks {', '.join(missing)}; every stage needs its pool")
        for image in (self.image, self.gpu_image):
            if ":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest"):
                raise ValueError(f"image {image} needs a tag that is not 'latest'")
        return self

    def labels(self, name: PoolName) -> dict[str, str]:
        """Return the labels that a pool's nodes carry in every rendering."""
        pool = self.pools[name]
        labels = {POOL_LABEL: name, SPOT_LABEL: "true" if pool.spot else "false"}
        if pool.accelerator:
            labels[ACCELERATOR_LABEL] = pool.accelerator
        return labels | pool.labels

    def image_of(self, name: PoolName) -> str:
        """Return the container image of a pool."""
        return self.gpu_image if self.pools[name].gpus else self.image


def load(path: str | Path = DEFAULT) -> ClusterDefinition:
    """Read a definition file. Raises ClusterError naming the key and the nearest known one."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ClusterError(f"cluster definition {path} cannot be read: {error.strerror}") from error
    return parse(text, origin=str(path))


def parse(text: str, origin: str = "cluster definition") -> ClusterDefinition:
    """Build a definition from YAML text. Raises ClusterError."""
    try:
        values = parse_yaml(text)
    except RecipeError as error:
        raise ClusterError(f"{origin}: {error}") from error
    if not isinstance(values, dict):
        raise ClusterError(f"{origin}: expected a mapping, found {type(values).__name__}")
    try:
        return ClusterDefinition.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        lines = [f"{origin}: {_explain(item)}" for item in error.errors()]
        raise ClusterError("\n".join(lines)) from error


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"] if part != "[key]"]
    where = ".".join(path) or "definition"
    if item["type"] == "missing":
        return f"missing key '{where}'"
    if item["type"] in {"extra_forbidden", "literal_error"}:
        known = _known_at(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return f"unknown key '{where}'; {hint}"
    message = item["msg"].removeprefix("Value error, ")
    return f"'{where}': {message}"


def _known_at(path: list[str]) -> list[str]:
    model: type[BaseModel] = ClusterDefinition
    for part in path:
        if part == "pools":
            model = Pool
        elif part in model.model_fields:
            inner = model.model_fields[part].annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    if path == ["pools"]:
        return list(get_args(PoolName))
    return sorted(model.model_fields)
