"""A small linter for the Dockerfiles: what hadolint would say, for the rules that matter here."""

import re
from pathlib import Path

import pytest

from cluster import definition as definitions
from cluster.local import ROOT

FILES = sorted((ROOT / "cluster" / "images").glob("Dockerfile.*"))
KNOWN = {"FROM", "SHELL", "RUN", "USER", "WORKDIR", "ENV", "ARG", "COPY", "ENTRYPOINT", "CMD"}


def instructions(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, rest) for name, rest in pairs]


def complaints(text: str) -> list[str]:
    found = []
    steps = instructions(text)
    found += [f"unknown instruction {name}" for name, _ in steps if name not in KNOWN]
    for name, rest in steps:
        if name == "FROM" and (":" not in rest or rest.endswith(":latest")):
            found.append(f"base image {rest} is not pinned")
        if name == "RUN" and "apt-get install" in rest:
            if "--no-install-recommends" not in rest or "-y" not in rest:
                found.append("apt-get install without -y --no-install-recommends")
            if "rm -rf /var/lib/apt/lists" not in rest or "apt-get update" not in rest:
                found.append("apt lists are not made and removed in one layer")
        if name == "RUN":
            for command in re.findall(r"pip install[^&]*", rest):
                if "--no-cache-dir" not in command or "--constraint constraints.txt" not in command:
                    found.append("pip install without --no-cache-dir and the constraints")
        if name == "RUN" and re.search(r"\bsudo\b|curl[^|]*\|\s*(ba)?sh", rest):
            found.append("sudo or a script from the network")
    users = [rest for name, rest in steps if name == "USER"]
    if not users or users[-1] in {"root", "0"}:
        found.append("the last user is root")
    if [name for name, _ in steps].count("CMD") != 1:
        found.append("not exactly one CMD")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dockerfile_is_clean(path: Path) -> None:
    text = path.read_text()
    assert complaints(text) == []
    for _, rest in [step for step in instructions(text) if step[0] == "COPY"]:
        for source in [part for part in rest.split()[:-1] if not part.startswith("--")]:
            if source != "constraints.txt":
                assert (ROOT / source).exists(), source
    copied = " ".join(rest for name, rest in instructions(text) if name == "COPY")
    assert all(part in copied for part in ("platform", "actors", "jobs", "cluster"))


def test_images_are_those_of_the_definition() -> None:
    shipped = definitions.load()
    for path, image in ((FILES[0], shipped.image), (FILES[1], shipped.gpu_image)):
        assert f"-t {image} ." in path.read_text()


def test_both_images_have_one_python() -> None:
    versions = {tuple(re.findall(r"python3\.\d+ -m venv", path.read_text())) for path in FILES}
    assert len(FILES) == 2 and len(versions) == 1 and versions != {()}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("FROM ubuntu\nUSER ray\nCMD x\n", "not pinned"),
        ("FROM a:latest\nUSER ray\nCMD x\n", "not pinned"),
        ("FROM a:1\nCMD x\n", "the last user is root"),
        ("FROM a:1\nRUN pip install x\nUSER ray\nCMD x\n", "pip install without"),
        ("FROM a:1\nRUN apt-get install -y x\nUSER ray\nCMD x\n", "without -y"),
        ("FROM a:1\nRUNN x\nUSER ray\nCMD x\n", "unknown instruction"),
    ],
)
def test_the_linter_can_complain(text: str, complaint: str) -> None:
    assert any(complaint in line for line in complaints(text))
