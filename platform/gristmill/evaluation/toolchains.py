"""How a program of each language is built and run in the sandbox, where this machine has its tools.

A language whose tools are missing is reported as not run, with the Debian package that has them; its
score is never zero for that. Runtimes that reserve more memory than they use are limited by control
group or watcher alone.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gristmill.evaluation.benchmark import Verdict
from gristmill.evaluation.sandbox import Limits, ProgramError, Ran, Sandbox

_BIG = Limits(
    wall_s=60, cpu_s=30, memory_bytes=3 << 30, address_space=False, processes=64,
    file_bytes=64 << 20, open_files=256,
)  # fmt: skip
_HEAP = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@dataclass(frozen=True)
class Toolchain:
    """One language."""

    language: str
    file: str
    run: tuple[str, ...]
    tools: tuple[str, ...]
    package: str
    build: tuple[str, ...] = ()
    limits: Limits = field(default=_BIG)
    silent: bool = False
    """Passing means that nothing was printed, too."""
    never_says: tuple[str, ...] = ()
    """Texts on standard error that mean a failed test, whatever the exit status."""

    def missing(self) -> str:
        """Return what this machine lacks, or ""."""
        lacking = [tool for tool in self.tools if _path(tool) is None]
        if not lacking:
            return ""
        return f"{', '.join(lacking)} is not installed (Debian: apt-get install {self.package})"


def _path(tool: str) -> str | None:
    found = shutil.which(tool, path="/usr/bin:/bin")
    return found


TOOLCHAINS = {
    chain.language: chain
    for chain in (
        Toolchain("C++", "a.cpp", ("/tmp/a.out",), ("g++",), "g++",
                  ("/usr/bin/g++", "-std=c++17", "-O1", "-o", "/tmp/a.out", "a.cpp", "-lcrypto", "-lssl")),
        Toolchain("Java", "Problem.java", ("/usr/bin/java", *_HEAP, "-ea", "-cp", "/tmp", "Problem"),
                  ("javac", "java"), "default-jdk-headless",
                  ("/usr/bin/javac", "-J-Xmx1g", "-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1",
                   "-d", "/tmp", "Problem.java")),
        Toolchain("PHP", "a.php", ("/usr/bin/php", "a.php"), ("php",), "php-cli"),
        Toolchain("JavaScript", "a.js", ("/usr/bin/node", "a.js"), ("node",), "nodejs", silent=True),
        Toolchain("TypeScript", "a.ts", ("/usr/bin/node", "a.js"), ("node", "tsc"), "node-typescript",
                  ("/usr/bin/tsc", "--target", "es2020", "--module", "commonjs", "a.ts")),
        Toolchain("Python", "a.py", ("/usr/bin/python3", "-I", "a.py"), ("python3",), "python3"),
        Toolchain("Bash", "a.sh", ("/bin/bash", "a.sh"), ("bash",), "bash"),
        Toolchain("C#", "a.cs", ("/usr/bin/mono", "a.exe"), ("mcs", "mono"), "mono-mcs",
                  ("/usr/bin/mcs", "-d:DEBUG", "-out:a.exe", "a.cs"), never_says=("Fail", "Unhandled")),
        Toolchain("Go", "a.go", ("/tmp/t",), ("go",), "golang-go",
                  ("/usr/bin/env", "GO111MODULE=off", "GOPATH=/tmp/go", "CGO_ENABLED=0",
                   "/usr/bin/go", "test", "-c", "-vet=off", "-o", "/tmp/t", ".")),
        Toolchain("Rust", "a.rs", ("/tmp/a.out",), ("rustc",), "rustc",
                  ("/usr/bin/rustc", "--edition", "2018", "--cap-lints", "allow", "-C", "opt-level=1",
                   "-o", "/tmp/a.out",
                   "a.rs")),
    )
}  # fmt: skip


def run(
    chain: Toolchain, files: Mapping[str, str], mark: str, sandbox: Sandbox, wall_s: float = 20.0
) -> Verdict:
    """Build and run a program that holds its own tests and prints `mark` after the last of them.

    Ending early with status 0 is no pass. The tests share the program's process, so a program that
    reads its own text could find the mark: verdicts of Python's benchmarks do not rest on one.
    """
    lacking = chain.missing()
    if lacking:
        return Verdict(False, lacking, "broken")
    try:
        with sandbox.session("", chain.limits) as session:
            session.files(files)
            if chain.build:
                built = session.run(chain.build, wall_s=90.0)
                written = chain.language == "TypeScript" and not built.late  # in any case
                if built.status != 0 and not written:
                    return Verdict(False, (built.err or built.out)[-300:].strip(), "compile")
            ran = session.run(chain.run, wall_s=wall_s)
    except ProgramError as error:
        return Verdict(False, str(error), error.kind)
    return _verdict(chain, ran, mark)


def run_inputs(
    chain: Toolchain,
    program: str,
    tests: Sequence[tuple[str, str]],
    sandbox: Sandbox,
    same: Callable[[str, str], bool],
    argv: Sequence[str],
    wall_s: float = 20.0,
) -> Verdict:
    """Build a program, run it by `argv` on each input, and compare what it prints here, outside."""
    lacking = chain.missing()
    if lacking:
        return Verdict(False, lacking, "broken")
    try:
        with sandbox.session("", chain.limits) as session:
            session.files({chain.file: program})
            if chain.build:
                built = session.run(chain.build, wall_s=90.0)
                if built.status != 0:
                    return Verdict(False, (built.err or built.out)[-300:].strip(), "compile")
            for number, (given, wanted) in enumerate(tests, 1):
                ran = session.run(argv, given, wall_s=wall_s)
                if ran.late:
                    return Verdict(False, f"input {number}: time limit", "time")
                if ran.cut or ran.status != 0:
                    text = (ran.err or ran.out)[-300:].strip() or f"exit status {ran.status}"
                    return Verdict(
                        False, f"input {number}: {text}", "output" if ran.cut else "error"
                    )
                if not same(ran.out, wanted):
                    return Verdict(False, f"input {number}: wrong output", "wrong")
    except ProgramError as error:
        return Verdict(False, str(error), error.kind)
    return Verdict(True)


def _verdict(chain: Toolchain, ran: Ran, mark: str) -> Verdict:
    if ran.late:
        return Verdict(False, "time limit", "time")
    if ran.cut:
        return Verdict(False, "output limit", "output")
    failed = any(text in ran.err for text in chain.never_says)
    said = ran.out.strip()
    noisy = chain.silent and (said.removesuffix(mark).strip() or ran.err.strip())
    if failed or noisy or ran.status != 0:
        text = ran.err or ran.out or f"exit status {ran.status}"
        return Verdict(False, text[-300:].strip(), "wrong")
    if not said.endswith(mark):
        return Verdict(False, "ended before the last test", "ended")
    return Verdict(True)


@cache
def version(tool: str) -> str:
    """Return the first line that a tool says about itself."""
    path = _path(tool)
    if path is None:
        return ""
    flag = "version" if tool == "go" else "--version"
    found = subprocess.run([path, flag], capture_output=True, text=True, timeout=30, check=False)
    lines = (found.stdout or found.stderr).strip().splitlines()
    return f"{Path(path).name}: {lines[0]}" if lines else ""
