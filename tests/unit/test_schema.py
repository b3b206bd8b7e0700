import json

import pytest

from gristmill.serving.app import build_app
from gristmill.serving.local import LocalBackend
from gristmill.serving.schema import openapi

OURS_ONLY = {"/page/{name}", "/openapi.json"}
"""The page's own files, and the document itself."""
ALSO_KNOWN_AS = {"/chat/completions", "/completions"}


def test_every_route_is_described_and_nothing_else():
    routes = {
        (route.path.replace("{name:path}", "{name}"), method.lower())
        for route in build_app(LocalBackend([])).routes
        for method in route.methods or ()  # type: ignore[attr-defined]
        if route.path not in OURS_ONLY | ALSO_KNOWN_AS  # type: ignore[attr-defined]
    }
    told = {(path, method) for path, found in openapi()["paths"].items() for method in found}
    assert told <= routes
    assert {path for path, _ in routes} == {path for path, _ in told}


def test_every_reference_leads_somewhere():
    document = openapi()
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    wanted = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert wanted <= set(schemas) and {"CompletionBody", "InfillBody", "TabbyBody"} <= wanted


@pytest.mark.parametrize("path", ["/v1/completions", "/infill", "/v1/fim/completions"])
def test_a_stream_may_be_answered_and_errors_are_told(path):
    operation = openapi()["paths"][path]["post"]
    assert "text/event-stream" in operation["responses"]["200"]["content"]
    assert {"400", "401", "408", "429", "503"} <= set(operation["responses"])
    assert operation["requestBody"]["required"] is True
