"""What an engine does, as gauges of Ray's dashboard."""

from ray.util.metrics import Gauge

from gristmill.inference.stats import EngineStats

SHOWN = ("num_running", "num_waiting", "num_held_blocks", "num_output_tokens")


class EngineGauges:
    """The gauges of one model's engine."""

    def __init__(self, model: str) -> None:
        self._tags = {"model": model}
        self._gauges = {
            name: Gauge(f"gristmill_engine_{name}", f"Engine: {name}.", ("model",))
            for name in SHOWN
        }

    def set(self, stats: EngineStats) -> None:
        """Show the engine's state."""
        for name, gauge in self._gauges.items():
            gauge.set(getattr(stats, name), self._tags)
