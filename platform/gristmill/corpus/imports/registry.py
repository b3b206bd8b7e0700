"""The languages whose imports are read: every module of `imports/languages`, found by looking."""

import importlib
import pkgutil
from collections.abc import Mapping

from gristmill.corpus.imports import languages
from gristmill.corpus.imports.model import LanguageRules

FAMILIES: tuple[LanguageRules, ...] = tuple(
    importlib.import_module(f"{languages.__name__}.{module.name}").RULES
    for module in sorted(pkgutil.iter_modules(languages.__path__), key=lambda module: module.name)
)
RULES: Mapping[str, LanguageRules] = {
    language: rules for rules in FAMILIES for language in rules.languages
}
CONFIG_NAMES: frozenset[str] = frozenset(name for rules in FAMILIES for name in rules.config_names)
