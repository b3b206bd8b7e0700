"""A run made ready: overrides, host, precision, port."""

import socket

import pytest

from gristmill.errors import ClusterError
from gristmill.recipe import parse
from jobs.launch import check_port, prepare, reach

TEXT = "name: r\ncorpus: {sources: [{kind: installed, names: [rich]}]}\n"


def test_a_prepared_recipe_is_definite() -> None:
    recipe = prepare("smoke", ["seed=9"], gpu=True, host="0.0.0.0")
    assert recipe.seed == 9
    assert recipe.serve and recipe.serve.host == "0.0.0.0" and recipe.serve.precision == "bf16"
    assert recipe.pretrain and recipe.pretrain.precision == "bf16"


def test_ports_are_checked_before_anything_starts() -> None:
    check_port(parse(TEXT))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        recipe = parse(TEXT + f"serve: {{port: {port}}}")
        with pytest.raises(ClusterError, match=rf"port {port} on 127\.0\.0\.1 is taken"):
            check_port(recipe)
    check_port(recipe)
    with pytest.raises(ClusterError, match="give an address of this machine with --host"):
        check_port(parse(TEXT + "serve: {host: 192.0.2.1}"))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_dead_address_is_one_sentence(address: str) -> None:
    with pytest.raises(ClusterError, match=r"no cluster answers at http://127\.0\.0\.1:9"):
        reach(address)


def test_rays_own_kinds_of_address_are_refused() -> None:
    with pytest.raises(ClusterError, match="give the dashboard's address"):
        reach("ray://127.0.0.1:10001")
