"""What Prometheus and Grafana need to watch a cluster, beside what Ray writes itself.

Ray writes its own part into the folder that RAY_METRICS_OUTPUT_ROOT names: `prometheus/prometheus.yml`
(its targets are a file that Ray keeps current) and `grafana/` with a data source and Ray's dashboards.
`write` adds one dashboard of ours: the pools, the work, the engines. Start Grafana with
`--config FOLDER/grafana/grafana.ini` and Prometheus with `--config.file FOLDER/prometheus/prometheus.yml`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PANELS: tuple[tuple[str, str, str, str], ...] = (
    (
        "CPUs in use",
        'sum(ray_resources{Name="CPU",State="USED"}) by (instance)',
        "{{instance}}",
        "none",
    ),
    (
        "GPUs in use",
        'sum(ray_resources{Name="GPU",State="USED"}) by (instance)',
        "{{instance}}",
        "none",
    ),
    ("Node CPU", "ray_node_cpu_utilization", "{{instance}}", "percent"),
    ("Node memory", "ray_node_mem_used", "{{instance}}", "bytes"),
    ("GPU utilisation", "ray_node_gpus_utilization", "{{instance}} {{GpuIndex}}", "percent"),
    ("Object store in use", "sum(ray_object_store_memory) by (Location)", "{{Location}}", "bytes"),
    ("Tasks by state", "sum(ray_tasks) by (State)", "{{State}}", "none"),
    ("Actors by state", "sum(ray_actors) by (State)", "{{State}}", "none"),
    ("Sequences running", "sum(ray_gristmill_engine_num_running) by (model)", "{{model}}", "none"),
    ("Sequences waiting", "sum(ray_gristmill_engine_num_waiting) by (model)", "{{model}}", "none"),
    (
        "Cache blocks held",
        "sum(ray_gristmill_engine_num_held_blocks) by (model)",
        "{{model}}",
        "none",
    ),
    (
        "Tokens a second",
        "sum(rate(ray_gristmill_engine_num_output_tokens[1m])) by (model)",
        "{{model}}",
        "none",
    ),
)
"""Title, query, legend, unit."""


def dashboard() -> dict[str, Any]:
    """Return our Grafana dashboard, two panels a row."""
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": title,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "targets": [{"expr": query, "legendFormat": legend, "refId": "A"}],
        }
        for number, (title, query, legend, unit) in enumerate(PANELS)
    ]
    return {
        "uid": "gristmill",
        "title": "Gristmill",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "panels": panels,
    }


def write(folder: Path) -> Path:
    """Write our dashboard beside Ray's under a metrics folder and return its path."""
    path = folder / "grafana" / "dashboards" / "gristmill.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dashboard(), indent=1), encoding="utf-8")
    return path
