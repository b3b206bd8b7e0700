"""Real near copies for the dedup benches: successive versions of packages, read as texts."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench import repositories

VERSIONS = (
    "networkx==3.1", "networkx==3.3",
    "requests==2.25.0", "requests==2.31.0",
    "click==7.1.2", "click==8.0.1", "click==8.1.7",
    "flask==1.1.4", "flask==2.3.3",
    "jinja2==2.11.3", "jinja2==3.1.4",
    "werkzeug==1.0.1", "werkzeug==2.3.8",
    "httpx==0.20.0", "httpx==0.27.0",
    "rich==10.0.0", "rich==13.7.0",
    "attrs==20.3.0", "attrs==23.2.0",
    "sqlalchemy==1.4.50", "sqlalchemy==2.0.25",
    "pip==20.3.4", "pip==23.3.2",
)  # fmt: skip
SUFFIXES = (".py", ".pyi", ".js", ".rst", ".c", ".h")


def texts(requirements: Sequence[str] = VERSIONS) -> list[str]:
    """Return the texts of all these distributions' files, of 200 to 200,000 characters."""
    found = []
    for requirement in requirements:
        root: Path = repositories.pypi(requirement)
        for path in sorted(root.rglob("*")):
            if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink():
                text = path.read_text(encoding="utf-8", errors="replace")
                if 200 <= len(text) <= 200_000:
                    found.append(text)
    return found
