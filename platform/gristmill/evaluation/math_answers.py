"""Is one mathematical answer the same as another?

Texts are brought to one form (units, `\\text`, `\\left`, thousands' commas and the like gone), then compared
as text, as numbers (within 1e-4 of each other), and at last as expressions, in the sandbox: a model's
text is never handed to an evaluator here. Strict grading is that. The paper's own is lenient: an answer
that is off by a factor of 100 counts too, since a percentage may be meant.
"""

from __future__ import annotations

import math
import re

from gristmill.evaluation.sandbox import Limits, ProgramError, Sandbox

LIMITS = Limits(wall_s=10, cpu_s=5)
_SAFE = re.compile(r"[0-9a-zA-Z+\-*/().,^!= ]{1,200}")
_KNOWN = {"sqrt", "pi", "oo", "I", "E", "sin", "cos", "tan", "log", "exp"}
_GONE = (
    "\\!", "\\ ", "\\left", "\\right", "^{\\circ}", "^\\circ", "\\$", "$", "\\%", "%", "\\mathbf",
    "x\\in",
)  # fmt: skip
_PROVE = """
from sympy import simplify, N
from sympy.parsing.sympy_parser import parse_expr
def same(first, second):
    a, b = parse_expr(first), parse_expr(second)
    if simplify(a - b) == 0:
        return True
    return abs(complex(N(a)) - complex(N(b))) <= 1e-3 * abs(complex(N(b)))
"""


def equal(answer: str, wanted: str, *, lenient: bool, sandbox: Sandbox | None = None) -> bool:
    """Say whether two answers are the same."""
    first, second = normal(answer), normal(wanted)
    a, b = _number(first), _number(second)
    if a is not None and b is not None:
        scales = (1.0, 0.01, 100.0) if lenient else (1.0,)
        return any(math.isclose(a, b * scale, rel_tol=1e-4) for scale in scales)
    if not first:
        return False
    if _bare(first) == _bare(second):
        return True
    left, right = _parts(first), _parts(second)
    if left and right and len(left) == len(right) > 1:
        pairs = zip(left, right, strict=True)
        return all(equal(x, y, lenient=lenient, sandbox=sandbox) for x, y in pairs)
    return sandbox is not None and _proved(first, second, sandbox)


def normal(text: str) -> str:
    """Return an answer without units, formatting and spaces; fractions and roots in one form."""
    found = text.strip().replace("\n", "").rstrip(".")
    for mark in _GONE:
        found = found.replace(mark, "")
    found = found.replace("\\\\", "\\").replace("tfrac", "frac").replace("dfrac", "frac")
    without = re.sub(r"\\(text|mbox)\{.*?\}\s*$", "", found).strip()
    found = re.sub(r"\\(text|mbox)\{(.*?)\}", r"\2", without or found)
    found = re.sub(r"(\d+)\.0+(?!\d)", r"\1", found)
    if found.count("=") == 1 and len(found.split("=")[0].strip()) <= 2:
        found = found.split("=")[1]
    found = re.sub(r"\\sqrt(\w)", r"\\sqrt{\1}", found.replace(" ", ""))
    found = re.sub(r"\\frac(\w)(\w)", r"\\frac{\1}{\2}", found)
    found = re.sub(r"\\frac(\w)\{", r"\\frac{\1}{", found)
    return "0" + found if found.startswith(".") else found


def boxed(text: str) -> str:
    """Return what stands in the last `\\boxed{}` of a solution; "" when there is none."""
    at = text.rfind("boxed")
    if at < 0:
        return ""
    rest = text[at + 5 :]
    if not rest.startswith("{"):
        return rest.split("$")[0].strip()
    depth = 0
    for place, character in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return rest[1:place]
    return rest[1:]


def _number(text: str) -> float | None:
    try:
        found = float(text.replace(",", ""))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _bare(text: str) -> str:
    return re.sub(r"[(){}\[\]]", "", text)


def _parts(text: str) -> list[str]:
    ends = text[:1] + text[-1:]
    return text[1:-1].split(",") if ends in ("()", "[]", "(]", "[)") else []


def expression(text: str) -> str | None:
    """Return LaTeX or Python as an expression of known names alone, or None."""
    for _ in range(8):
        text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))", text)
        text = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", text)
    text = text.replace("\\pi", "pi").replace("\\infty", "oo").replace("\\cdot", "*")
    text = text.replace("{", "(").replace("}", ")").replace("^", "**")
    text = re.sub(r"(\d)(?=[a-zA-Z(])", r"\1*", text)
    text = re.sub(r"\)(?=[\w(])", ")*", text)
    words = re.findall(r"[A-Za-z_]\w*", text)
    if not _SAFE.fullmatch(text) or any(len(word) > 1 and word not in _KNOWN for word in words):
        return None
    small = all(int(power) < 100 for power in re.findall(r"\*\*\(?(\d+)", text))
    return text if small and text.count("**") < 4 else None


def _proved(first: str, second: str, sandbox: Sandbox) -> bool:
    a, b = expression(first), expression(second)
    if a is None or b is None:
        return False
    try:
        with sandbox.session(_PROVE, LIMITS) as session:
            return session.call("same", a, b) is True
    except ProgramError:
        return False
