"""Licences as package metadata declares them: Python, npm, Cargo, Composer, gems, Maven, Debian."""

import configparser
import json
import re
import tomllib
from collections.abc import Callable
from email.message import Message
from email.parser import HeaderParser
from typing import Any

from gristmill.corpus.licence_texts import classified, licence_of_text, spelled
from gristmill.corpus.licences import UNKNOWN, joined, normalised

METADATA = re.compile(
    r"^(?:pyproject\.toml|setup\.cfg|PKG-INFO|METADATA|package\.json|Cargo\.toml|composer\.json|"
    r"[\w.-]+\.gemspec|pom\.xml)$"
)


def licence_of_metadata(fields: Message) -> str:
    """Return the licence of a distribution: License-Expression, then License, then classifiers."""
    expression = normalised(str(fields.get("License-Expression", "")))
    if expression is not None:
        return expression
    stated = str(fields.get("License", ""))
    return (
        spelled(stated)
        or _known(classified(fields.get_all("Classifier") or []))
        or _known(licence_of_text(stated))
        or UNKNOWN
    )


def stated_in(name: str, text: str) -> str:
    """Return the licence that a metadata file declares; unknown when it declares none or is broken."""
    reader = _gemspec if name.endswith(".gemspec") else _READERS.get(name)
    try:
        return reader(text) if reader is not None else UNKNOWN
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError, configparser.Error):
        return UNKNOWN  # metadata that cannot be read declares nothing


def _known(licence: str) -> str | None:
    return None if licence == UNKNOWN else licence


def _named(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("type") or value.get("text") or value.get("name") or ""
    return (spelled(str(value)) or licence_of_text(str(value))) if value else UNKNOWN


def _pkg_info(text: str) -> str:
    return licence_of_metadata(HeaderParser().parsestr(text))


def _pyproject(text: str) -> str:
    parsed = tomllib.loads(text)
    project = parsed.get("project", {})
    poetry = parsed.get("tool", {}).get("poetry", {})
    for table in (project, poetry):
        licence = _named(table.get("license"))
        if licence == UNKNOWN:
            licence = classified(list(table.get("classifiers", [])))
        if licence != UNKNOWN:
            return licence
    return UNKNOWN


def _setup_cfg(text: str) -> str:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    if not parser.has_section("metadata"):
        return UNKNOWN
    licence = _named(parser.get("metadata", "license", fallback=""))
    if licence != UNKNOWN:
        return licence
    lines = parser.get("metadata", "classifiers", fallback="").splitlines()
    return classified([line.strip() for line in lines if line.startswith("License ::")])


def _package_json(text: str) -> str:
    parsed = json.loads(text)
    value = parsed.get("license")
    if value is None and isinstance(parsed.get("licenses"), list):
        return joined((_named(item) for item in parsed["licenses"]), "OR")
    return "LicenseRef-proprietary" if value == "UNLICENSED" else _named(value)


def _cargo(text: str) -> str:
    return _named(tomllib.loads(text).get("package", {}).get("license"))


def _composer(text: str) -> str:
    value = json.loads(text).get("license")
    names = value if isinstance(value, list) else [value]
    return joined((_named(name) for name in names if name != "proprietary"), "OR")


def _gemspec(text: str) -> str:
    line = re.search(r"\.licenses?\s*=\s*(.+)", text)
    names = re.findall(r"[\"']([^\"']+)[\"']", line[1]) if line else []
    return joined(map(_named, names), "OR")


def _pom(text: str) -> str:
    block = re.search(r"<licenses>(.*?)</licenses>", text, re.S)
    names = re.findall(r"<name>\s*([^<]+?)\s*</name>", block[1]) if block else []
    return joined(map(_named, names), "OR")


def _debian(text: str) -> str:
    """Read the paragraph for all files (`Files: *`) of a machine-readable copyright file."""
    for paragraph in re.split(r"\n\s*\n", text):
        if re.search(r"^Files:[^\n]*(?:^|\s)\*(?:\s|$)", paragraph, re.M):
            line = re.search(r"^License:[ \t]*(.+)$", paragraph, re.M)
            return _debian_name(line[1].strip()) if line else UNKNOWN
    return UNKNOWN


def _debian_name(name: str) -> str:
    words = {"Expat": "MIT", "BSD-3-clause": "BSD-3-Clause", "BSD-2-clause": "BSD-2-Clause"}
    parts = re.split(r"\s+(?:or|and)\s+", name)
    word = "OR" if " or " in name else "AND"
    known = []
    for part in parts:
        short = words.get(part, part)
        gnu = re.fullmatch(r"((?:L|A)?GPL|GFDL)-(\d)(\.\d)?(\+)?", short)
        if gnu is not None:
            ending = "or-later" if gnu[4] else "only"
            short = f"{gnu[1]}-{gnu[2]}{gnu[3] or '.0'}-{ending}"
        known.append(normalised(short) or UNKNOWN)
    return UNKNOWN if UNKNOWN in known else joined(known, "OR" if word == "OR" else "AND")


_READERS: dict[str, Callable[[str], str]] = {
    "PKG-INFO": _pkg_info,
    "METADATA": _pkg_info,
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "package.json": _package_json,
    "Cargo.toml": _cargo,
    "composer.json": _composer,
    "pom.xml": _pom,
    "copyright": _debian,
}
