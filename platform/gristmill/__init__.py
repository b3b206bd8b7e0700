"""Gristmill: repositories in, a code model out.

The library knows what a code model is made of and nothing about where it is made: it imports
neither ray nor anything above it (`actors`, `jobs`, `cluster`), so every rule can be tested in
milliseconds and used from a notebook. The folders follow the DeepSeek-Coder paper, in its order.
"""

__version__ = "0.1.0"
