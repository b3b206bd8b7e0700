"""The languages whose imports are read: one row a language. Adding one is its module and a row here."""

from collections.abc import Mapping

from gristmill.corpus.imports import c, go, java, javascript, python
from gristmill.corpus.imports.model import LanguageRules

FAMILIES: tuple[LanguageRules, ...] = (
    python.RULES,
    javascript.RULES,
    java.RULES,
    go.RULES,
    c.RULES,
)
RULES: Mapping[str, LanguageRules] = {
    language: rules for rules in FAMILIES for language in rules.languages
}
