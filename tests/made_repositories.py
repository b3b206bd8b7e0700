"""Small repositories written to a folder, for tests of the corpus stage from end to end."""

import random
from pathlib import Path
from string import ascii_lowercase

from gristmill.corpus.config import CorpusSection, Dedup, FolderSource, HeldOut

LICENCE = "Permission is hereby granted, free of charge, to any person obtaining a copy\n"


def module(seed: int, imports: str = "", num_functions: int = 12) -> str:
    """Return a module of plain functions that no other seed's resembles."""
    rng = random.Random(seed)
    lines = [imports] if imports else []
    for _ in range(num_functions):
        name, argument = ("".join(rng.choices(ascii_lowercase, k=9)) for _ in range(2))
        lines.append(f"def {name}({argument}):\n    return {argument} + {rng.randrange(100)}\n")
    return "\n".join(lines)


def write_repositories(root: Path, num_repositories: int = 6) -> Path:
    """Write packages whose modules import each other, copies, and files that must go."""
    for number in range(num_repositories):
        package = root / f"repo{number}" / "pkg"
        package.mkdir(parents=True)
        (package.parent / "LICENSE").write_text(LICENCE)
        (package / "__init__.py").write_text("")
        for i in range(6):
            imports = f"from pkg.m{i - 1} import *\n" if i else ""
            (package / f"m{i}.py").write_text(module(number * 100 + i, imports))
        (package / "alone.c").write_text(f"int alone{number}(void) {{ return {number}; }}\n" * 8)
        (package / "shared.py").write_text(module(9999))
        (package / "nearly.py").write_text(module(5555, num_functions=40) + f"\n# {number}\n")
        (package / "wide.py").write_text("a = '" + "x" * 2000 + "'\n")
        (package / "data.bin").write_bytes(b"\0\1\2")
        (package / "nul.py").write_bytes(b"a = 1\0\n")
    return root


def section_of(root: Path, **changes: object) -> CorpusSection:
    """Return a corpus section that reads the folder."""
    values: dict[str, object] = {
        "sources": (FolderSource(kind="folder", path=str(root)),),
        "decontaminate": ("humaneval",),
        "dedup": Dedup(),
        "held_out": HeldOut(share=0.2, max_files=5),
        **changes,
    }
    return CorpusSection(**values)  # type: ignore[arg-type]
