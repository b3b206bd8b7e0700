"""The engine's compiled CPU kernel: its source, and how it is built and called."""
