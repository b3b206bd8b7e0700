"""The cluster definition: read, cut to a machine, refused in plain words."""

import pytest
import yaml
from pydantic import ValidationError

from cluster import definition as definitions
from cluster.local import cores, local_pools, train_slots
from gristmill.errors import ClusterError
from gristmill.pipeline import POOLS

SHIPPED = definitions.load()


def changed(path: str, value: object) -> str:
    values = SHIPPED.model_dump(mode="json")
    at = values
    *parents, last = path.split(".")
    for parent in parents:
        at = at[parent]
    at[last] = value
    return yaml.safe_dump(values)


def test_shipped_has_every_pool_that_a_stage_asks_for() -> None:
    assert set(POOLS.values()) == set(SHIPPED.pools)
    for name in SHIPPED.pools:
        assert SHIPPED.labels(name)["pool"] == name
    assert SHIPPED.image_of("train") == SHIPPED.gpu_image
    assert SHIPPED.image_of("data") == SHIPPED.image


def test_dump_reads_back_to_the_same_definition() -> None:
    assert definitions.parse(yaml.safe_dump(SHIPPED.model_dump(mode="json"))) == SHIPPED


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("pools.train.gpu", 8, r"unknown key 'pools.train.gpu'; did you mean 'gpus'\?"),
        ("pools.trian", {}, r"unknown key 'pools.trian'; did you mean 'train'\?"),
        ("pols", {}, r"unknown key 'pols'; did you mean 'pools'\?"),
        ("head.memory", 1, r"unknown key 'head.memory'; did you mean 'memory_gib'\?"),
        ("pools.data.min_workers", 9, "min_workers 9 is above max_workers 8"),
        ("pools.data.gpus", 1, "a pool with gpus needs an accelerator"),
        ("pools.data.cpus", 0, "'pools.data.cpus': Input should be greater than or equal to 1"),
        ("image", "gristmill:latest", "needs a tag that is not 'latest'"),
        ("image", "registry:5000/gristmill", "needs a tag that is not 'latest'"),
        ("name", "Mill!", "'name': String should match pattern"),
    ],
)
def test_a_wrong_definition_says_where_and_what(path: str, value: object, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        definitions.parse(changed(path, value))


def test_a_missing_pool_or_key() -> None:
    values = SHIPPED.model_dump(mode="json")
    del values["pools"]["serve"]
    with pytest.raises(ClusterError, match="pools lacks serve"):
        definitions.parse(yaml.safe_dump(values))
    del values["pools"]["data"]["cpus"]
    with pytest.raises(ClusterError, match=r"missing key 'pools\.data\.cpus'"):
        definitions.parse(yaml.safe_dump(values))


def test_no_file_and_no_mapping() -> None:
    with pytest.raises(ClusterError, match=r"nowhere\.yaml cannot be read"):
        definitions.load("nowhere.yaml")
    with pytest.raises(ClusterError, match="expected a mapping, found list"):
        definitions.parse("[1]")
    with pytest.raises(ClusterError, match="not valid YAML"):
        definitions.parse("a: [")


def test_a_definition_is_frozen() -> None:
    with pytest.raises(ValidationError):
        SHIPPED.pools["data"].cpus = 3


def test_cut_to_two_cores_and_to_a_gpu_box() -> None:
    small = {node["name"]: node for node in local_pools(SHIPPED, 2, 0)}
    assert {name: node["cpus"] for name, node in small.items()} == {
        "data": 2,
        "train": 4,
        "serve": 2,
    }
    assert all(node["gpus"] == 0 for node in small.values())
    assert "gristmill.dev/accelerator" not in small["train"]["labels"]
    large = {node["name"]: node for node in local_pools(SHIPPED, 16, 2)}
    assert (large["data"]["gpus"], large["train"]["gpus"], large["serve"]["gpus"]) == (0, 2, 1)
    assert large["train"]["labels"]["gristmill.dev/accelerator"] == "A100-80GB"
    assert all(node["cpus"] >= 2 for node in local_pools(SHIPPED, 1, 0))


def test_the_train_pool_takes_a_worker_a_gpu_or_a_core() -> None:
    pool = SHIPPED.pools["train"]
    assert train_slots(SHIPPED, local=False) == pool.max_workers * pool.gpus
    without = SHIPPED.model_copy(
        update={"pools": {**SHIPPED.pools, "train": pool.model_copy(update={"gpus": 0})}}
    )
    assert train_slots(without, local=False) == pool.max_workers * pool.cpus
    assert train_slots(without, local=True) == max(2, round(cores() * pool.local.cpus_per_core))
