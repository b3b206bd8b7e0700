"""The renderings against each other, through Ray's own parsers."""

import ast
import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import definition as definitions
from cluster.definition import ClusterDefinition
from cluster.local import ROOT
from cluster.render import check, document, render
from gristmill.errors import ClusterError
from tests.ray_parsers import read_kuberay, read_launcher

SHIPPED = definitions.load()
COMPARED = ("resources", "labels", "min_workers", "max_workers", "priority", "idle_timeout_s")


def agree(definition: ClusterDefinition) -> None:
    launcher = read_launcher(copy.deepcopy(document(definition, "launcher")))
    kuberay = read_kuberay(document(definition, "raycluster"))
    for name in definition.pools:
        ours = launcher["available_node_types"][name]
        theirs = kuberay["available_node_types"][name]
        for key in COMPARED:
            assert ours[key] == theirs[key], (name, key)
        assert ours["labels"]["pool"] == name
    assert launcher["max_workers"] == kuberay["max_workers"]
    assert kuberay["available_node_types"]["headgroup"]["resources"]["CPU"] == 0
    assert launcher["available_node_types"]["head"]["resources"]["CPU"] == 0


def test_shipped_definition_is_one_cluster() -> None:
    agree(SHIPPED)


@settings(deadline=None, max_examples=25)
@given(
    cpus=st.integers(1, 512),
    gpus=st.integers(0, 16),
    memory_gib=st.integers(1, 4096),
    workers=st.tuples(st.integers(0, 5), st.integers(0, 50)),
    spot=st.booleans(),
    priority=st.integers(0, 9),
    idle=st.integers(1, 10_000),
)
def test_any_pool_is_the_same_pool(
    cpus: int,
    gpus: int,
    memory_gib: int,
    workers: tuple[int, int],
    spot: bool,
    priority: int,
    idle: int,
) -> None:
    values = SHIPPED.model_dump(mode="json")
    values["pools"]["train"] |= {
        "cpus": cpus,
        "gpus": gpus,
        "memory_gib": memory_gib,
        "min_workers": workers[0],
        "max_workers": sum(workers),
        "spot": spot,
        "priority": priority,
        "idle_timeout_s": idle,
    }
    agree(definitions.parse(yaml.safe_dump(values)))


def test_ray_refuses_a_key_it_does_not_know() -> None:
    wrong = document(SHIPPED, "launcher") | {"typo": 1}
    with pytest.raises(Exception, match="typo"):
        read_launcher(wrong)


def test_job_and_service_hold_the_same_cluster() -> None:
    spec = document(SHIPPED, "raycluster")["spec"]
    job, service = document(SHIPPED, "rayjob")["spec"], document(SHIPPED, "rayservice")["spec"]
    assert job["rayClusterSpec"] == spec == service["rayClusterConfig"]
    assert spec["autoscalerOptions"]["version"] == "v2"
    assert spec["authOptions"] == {"mode": "token", "secretName": "gristmill-token"}
    assert job["preRunningDeadlineSeconds"] == 3600
    [application] = yaml.safe_load(service["serveConfigV2"])["applications"]
    module, _, name = application["import_path"].partition(":")
    source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
    assert name in {
        node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)
    }
    assert application["args"] == {"recipe": "1.3b", "store": "s3://bucket/store", "gpu": True}


@pytest.mark.parametrize("target", ["launcher", "raycluster", "rayjob", "rayservice"])
def test_text_is_the_document_and_holds_no_token(target: str) -> None:
    text = render(SHIPPED, target)
    assert yaml.safe_load(text) == document(SHIPPED, target)
    assert "RAY_AUTH_TOKEN=" not in text


@pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`:DeprecationWarning")
def test_serve_reads_the_application_that_the_service_names() -> None:
    from ray.serve.schema import ServeDeploySchema

    text = document(SHIPPED, "rayservice")["spec"]["serveConfigV2"]
    schema = ServeDeploySchema.model_validate(yaml.safe_load(text))
    assert schema.applications[0].import_path == "jobs.serve:build"


def test_spot_in_the_providers_words() -> None:
    types = document(SHIPPED, "launcher")["available_node_types"]
    assert types["data"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in types["train"]["node_config"]


def test_unknown_target_and_provider() -> None:
    with pytest.raises(ClusterError, match="no rendering 'nomad'; there are launcher"):
        render(SHIPPED, "nomad")
    values = SHIPPED.model_dump(mode="json")
    values["vm"]["provider"] = {"type": "vsphere"}
    with pytest.raises(ClusterError, match="'vsphere' has no spot machines"):
        check(definitions.parse(yaml.safe_dump(values)))


def test_check_says_every_pool() -> None:
    lines = check(SHIPPED)
    assert [line.split(":")[0] for line in lines] == ["gristmill", "data", "train", "serve"]
    assert "8 x A100-80GB" in lines[2]
