"""How each family of models is asked to fill in the middle through a plain completion.

Our engine and endpoints with a `suffix` field do this themselves; the table is for servers that take a
prompt and nothing else. Spaces matter: CodeLlama's are part of its sentinels.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Sentinels of one family, and which texts end a middle."""

    begin: str
    hole: str
    end: str
    ends: tuple[str, ...] = ()

    def render(self, prefix: str, suffix: str) -> str:
        """Return the prompt that asks for what lies between prefix and suffix."""
        return f"{self.begin}{prefix}{self.hole}{suffix}{self.end}"


FAMILIES = {
    "deepseek": Family(
        "<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>"
    ),
    "qwen": Family(
        "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", ("<|fim_pad|>", "<|file_sep|>")
    ),
    "starcoder": Family("<fim_prefix>", "<fim_suffix>", "<fim_middle>", ("<file_sep>",)),
    "santacoder": Family("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    "codellama": Family("<PRE> ", " <SUF>", " <MID>", ("<EOT>", " <EOT>")),
    "codegemma": Family(
        "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", ("<|file_separator|>",)
    ),
}
