"""Secrets by what they are assigned to; placeholders and references are none."""

import pytest

from gristmill.corpus.config import Redact
from gristmill.corpus.redaction import redact

DRAWN = "q8Zr2LmX" + "w7TnK4vB" + "p1"
BODY = "MIIEpAIBAAKCAQEA7" + "Xb3kQ9mZ2rT8vLw" * 3


def clean(text: str, language: str = "Python") -> str:
    return redact(text, language, Redact())[0]


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        (f'api_key = "{DRAWN}"', "Python", 'api_key = "REDACTED_KEY"'),
        (f'{{"clientSecret": "{DRAWN}"}}', "JSON", '{"clientSecret": "REDACTED_KEY"}'),
        (f"API_TOKEN={DRAWN}", "Shell", "API_TOKEN=REDACTED_KEY"),
        ("password: 'tR7" + "#mk2!pw'", "YAML", "password: 'REDACTED_KEY'"),
        ("password=tR7" + "#mk2!pw", "INI", "password=REDACTED_KEY"),
        (
            "u = 'amqp://app:" + DRAWN + "@mq.corp.io/v'",
            "Python",
            "u = 'amqp://app:REDACTED_KEY@mq.corp.io/v'",
        ),
        (f"AccountKey={DRAWN * 4};", "C#", "AccountKey=REDACTED_KEY;"),
    ],
)
def test_a_secret_gives_way_to_a_word(text: str, language: str, wanted: str) -> None:
    assert clean(text, language) == wanted


def test_a_key_in_armour_keeps_its_lines_and_quotes() -> None:
    armour = "-----{} " + "PRIVATE KEY-----"
    text = (
        f'"{armour.format("BEGIN")}\\n" +\n"{BODY}\\n" +\n"{BODY}\\n" +\n"{armour.format("END")}"'
    )
    assert clean(text) == text.replace(BODY, "REDACTED_KEY")


@pytest.mark.parametrize(
    "text",
    [
        'password = "changeme123!"',
        'password = os.environ["DB_PASSWORD_1"]',
        'password = "${DB_PASSWORD_2}"',
        'token = "organizations_list_members_v2"',
        'secret_path = "/run/secrets/db1_password"',
        'api_key = "YOUR_API_KEY_2_GOES_HERE"',
        'token_class = "DistilBertTokenizerFast2"',
        'passwords = ["hunter2"]',
        'token: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"',
        'url = "https://user:password@host.com"',
        "password=hunter2hunter2!",
        'etag = "d41d8cd98f00b204e9800998ecf8427e"',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean(text) == text
