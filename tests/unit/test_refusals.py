import logging

import pytest

from gristmill.errors import ModelError, RequestError
from gristmill.serving.refusals import body_of, headers_of, told

ERROR = RequestError("'n' is 0: too small", status=400, param="n", code="bad")


def test_each_protocol_has_its_own_form():
    plain = {"message": str(ERROR), "type": "invalid_request_error", "param": "n", "code": "bad"}
    assert body_of("/v1/completions", ERROR) == {"error": plain}
    assert body_of("/v1/fim/completions", ERROR) == {"object": "error", **plain}
    native = {"code": 400, "message": str(ERROR), "type": "invalid_request_error"}
    assert body_of("/infill", ERROR) == body_of("/completion", ERROR) == {"error": native}


@pytest.mark.parametrize(
    ("status", "openai", "native"),
    [
        (401, "invalid_request_error", "authentication_error"),
        (404, "not_found_error", "not_found_error"),
        (408, "timeout_error", "server_error"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "server_error", "server_error"),
        (501, "server_error", "not_supported_error"),
        (503, "unavailable_error", "unavailable_error"),
    ],
)
def test_types_by_status(status, openai, native):
    error = RequestError("x", status=status)
    assert body_of("/v1/completions", error)["error"]["type"] == openai
    assert body_of("/v1/fim/completions", error)["type"] == openai
    assert body_of("/infill", error)["error"]["type"] == native


@pytest.mark.parametrize(
    ("wait_s", "seconds", "ms"), [(None, 1, 1000), (0.2, 1, 200), (2.5, 3, 2500)]
)
def test_the_time_to_come_back_is_said_in_both_units(wait_s, seconds, ms):
    for status in (429, 503):
        error = RequestError("busy", status=status, retry_after_s=wait_s)
        headers = headers_of(error, is_infilling=True)
        assert headers["Retry-After"] == str(seconds) and headers["retry-after-ms"] == str(ms)
        assert headers["x-should-retry"] == "false"
        assert "x-should-retry" not in headers_of(error, is_infilling=False)


def test_other_errors_have_no_such_headers():
    assert headers_of(ERROR, is_infilling=True) == {}
    assert headers_of(RequestError("?", status=401), is_infilling=False) == {
        "WWW-Authenticate": "Bearer"
    }


def test_what_nobody_meant_is_logged_and_is_a_500(caplog):
    assert told(ERROR) is ERROR
    with caplog.at_level(logging.ERROR):
        named, other = told(ModelError("the file is cut")), told(KeyError("x"))
    assert (str(named), named.status) == ("the file is cut", 500)
    assert other.status == 500 and "KeyError" in str(other)
    assert len(caplog.records) == 2
