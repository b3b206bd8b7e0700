"""Our dashboard is one that Grafana reads, and asks for metrics that exist."""

import json
from pathlib import Path

from cluster import dashboards
from cluster.local import ROOT


def test_panels_tile_the_page_without_overlap(tmp_path: Path) -> None:
    path = dashboards.write(tmp_path)
    assert path == tmp_path / "grafana" / "dashboards" / "gristmill.json"
    read = json.loads(path.read_text())
    assert read["uid"] == "gristmill"
    cells = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in read["panels"]}
    assert len(cells) == len(read["panels"]) == len({panel["id"] for panel in read["panels"]})


def test_engine_metrics_are_the_replicas_own() -> None:
    gauges = (ROOT / "actors" / "engine_gauges.py").read_text()
    for _, query, _, _ in dashboards.PANELS:
        if "ray_gristmill_engine_" in query:
            name = query.split("ray_gristmill_engine_")[1].split(")")[0].split("[")[0]
            assert f'"{name}"' in gauges, name
