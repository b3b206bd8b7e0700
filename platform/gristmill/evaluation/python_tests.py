"""Tests of Python programs, run here, with the program in the sandbox as what they call.

The test code is the benchmark's own and trusted; the program is not, and only plain data of its answers
reaches the tests. Three forms: a `check(candidate)` function (HumanEval), a list of assert statements
(MBPP), and inputs whose answers must equal those of the reference (EvalPlus).
"""

from __future__ import annotations

import ast
import builtins
import importlib
from collections.abc import Sequence
from typing import Any

from gristmill.evaluation.benchmark import Verdict
from gristmill.evaluation.sandbox import Limits, ProgramError, Sandbox, Session

LIMITS = Limits()
MODULES = ("math", "cmath", "re", "collections", "datetime", "heapq", "itertools", "sys", "copy")
"""What a test may name without importing it: the judge's own modules, never the program's."""
IMPORTS = """\
import math
import re
import sys
import copy
import datetime
import itertools
import collections
import heapq
import functools
import hashlib
import string
from typing import *
from collections import *
"""
"""The paper's block before a program, which rescues completions that forget theirs."""
NUMPY = "try:\n    import numpy, numpy as np\nexcept ImportError:\n    pass\n"
"""Part of the paper's block; only programs that name it pay for it, where the interpreter has it."""


def with_imports(program: str) -> str:
    """Return a program after the paper's block of imports."""
    numpy = NUMPY if "np." in program or "numpy" in program else ""
    return f"{IMPORTS}{numpy}{program}"


def failed(error: Exception) -> Verdict:
    """Return the verdict of what a test raised."""
    if isinstance(error, ProgramError):
        return Verdict(False, str(error), error.kind)
    if isinstance(error, AssertionError):
        return Verdict(False, "wrong answer", "wrong")
    return Verdict(False, f"wrong answer ({type(error).__name__})", "wrong")


def check_function(
    program: str,
    entry_point: str,
    test: str,
    sandbox: Sandbox,
    *,
    before: str = "",
    limits: Limits = LIMITS,
) -> Verdict:
    """Run the test's `check` on the program's function; `before` stands above the test code."""
    try:
        with sandbox.session(program, limits) as session:

            def candidate(*arguments: Any, **named: Any) -> Any:
                return session.call(entry_point, *arguments, named=named)

            space: dict[str, Any] = {"__name__": "judge"}
            exec(compile(f"{IMPORTS}{before}", "<prompt>", "exec"), space)
            space[entry_point] = candidate  # some tests call it by its name
            exec(compile(test, "<test>", "exec"), space)
            space[entry_point] = candidate
            space["check"](candidate)
    except (Exception, RecursionError) as error:
        return failed(error)
    return Verdict(True)


def check_asserts(
    program: str, asserts: Sequence[str], sandbox: Sandbox, *, limits: Limits = LIMITS
) -> Verdict:
    """Run assert statements that name the program's functions and classes."""
    try:
        with sandbox.session(program, limits, objects=True) as session:
            text = "\n".join(asserts)
            space = _names_in(ast.parse(text), session)
            exec(compile(text, "<test>", "exec"), space)
    except (Exception, RecursionError) as error:
        return failed(error)
    return Verdict(True)


def _names_in(tree: ast.Module, session: Session) -> dict[str, Any]:
    """Return what each free name of a test means: the judge's module, or the program's value."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    bound = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    space: dict[str, Any] = {"__name__": "judge"}
    inside = session.names()
    for name in sorted(used - bound):
        if name in MODULES:
            space[name] = importlib.import_module(name)
        elif name in inside and not (hasattr(builtins, name) and name != "sum"):
            space[name] = session.get(name)
    return space


def run_inputs(
    program: str,
    entry_point: str,
    inputs: Sequence[Sequence[Any]],
    sandbox: Sandbox,
    wall_s: Sequence[float] | float,
    limits: Limits = LIMITS,
) -> list[Any]:
    """Return the answer to each input, ProgramErrors among them; shorter when the program ended."""
    try:
        with sandbox.session(program, limits, objects=True) as session:
            return list(session.calls(entry_point, inputs, wall_s))
    except ProgramError as error:
        return [error]
