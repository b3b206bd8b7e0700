"""What the local cluster refuses before it starts anything."""

import socket
from pathlib import Path

import pytest
import yaml

from cluster import definition as definitions
from cluster import local
from cluster.local import LocalCluster
from gristmill.errors import ClusterError

SHIPPED = definitions.load()


def with_local(**values: object) -> definitions.ClusterDefinition:
    plain = SHIPPED.model_dump(mode="json")
    plain["local"] |= values
    return definitions.parse(yaml.safe_dump(plain))


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ClusterError, match=f"port {port} on 127.0.0.1 is taken"):
            LocalCluster.start(SHIPPED, state=tmp_path, port=port)


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="a local cluster wants 100000"):
        LocalCluster.start(with_local(memory_gib=100000.0), state=tmp_path)


def test_another_ray_is_refused(tmp_path: Path) -> None:
    other = SHIPPED.model_copy(update={"ray": "2.1.0"})
    with pytest.raises(ClusterError, match=r"defined for ray 2\.1\.0, installed is"):
        LocalCluster.start(other, state=tmp_path)


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(ClusterError, match="cannot be written"):
        LocalCluster.start(SHIPPED, state=blocker)


def test_nothing_is_found_where_nothing_runs(tmp_path: Path) -> None:
    assert LocalCluster.find(tmp_path) is None
    folder = tmp_path / "cluster"
    folder.mkdir()
    (folder / "state.json").write_text('{"pid": 1, "started": -1}')  # a pid that is another's now
    assert LocalCluster.find(tmp_path) is None


def test_gpus_follow_the_visible_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert local.gpus() == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert local.gpus() == 0
    assert local.cores() >= 1
