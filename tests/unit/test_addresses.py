"""Which addresses belong to somebody, and what only looks like one."""

import pytest

from gristmill.corpus.addresses import EMAIL_RULES, IP_RULES
from gristmill.corpus.scanning import Scanner

SCANNER = Scanner([*EMAIL_RULES, *IP_RULES])
AT = "@"


def found(text: str) -> list[str]:
    return [hit.value for _, hit in SCANNER.find(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"Jane <jane.doe{AT}gmail.com>", f"jane.doe{AT}gmail.com"),
        (f'<a href="mailto:o.x{AT}uni-bonn.de">', f"o.x{AT}uni-bonn.de"),
        (f"write to a+b{AT}mail.corp.fr.", f"a+b{AT}mail.corp.fr"),
        ("host = '93.184.216.34'", "93.184.216.34"),
        ("http://54.12.33.1:80/", "54.12.33.1"),
        ("ssh 2.4.6.8", "2.4.6.8"),
        ("12:30:01 93.184.216.34 - - GET /", "93.184.216.34"),
        ("93.184.216.34 www.corp.de", "93.184.216.34"),
        ("We ask 93.184.216.34. The answer", "93.184.216.34"),
        ("dig [2a00:1450:4001:81b::200e]:53", "2a00:1450:4001:81b::200e"),
    ],
)
def test_addresses_of_somebody(text: str, wanted: str) -> None:
    assert found(text) == [wanted]


@pytest.mark.parametrize(
    "text",
    [
        f"you{AT}example.com",
        f"jane{AT}sub.example.org",
        f"root{AT}localhost",
        f"git{AT}github.com:a/b.git",
        f"logo{AT}2x.png",
        "y = w@x.to(device)",
        "y = a@b.T",
        "@app.route('/')",
        f"https://me:word{AT}host.com/",
        f"doc{AT}module.py",
        "npm i left-pad@1.2.3.4",
        "127.0.0.1 10.1.2.3 192.168.0.1 172.16.3.4 0.0.0.0 255.255.255.0",
        "192.0.2.7 198.51.100.9 203.0.113.5 8.8.8.8 224.0.0.1",
        "version 4.19.23.7",
        "Chrome/99.0.48.51",
        "pkg==1.22.33.44",
        "foo-12.34.56.78",
        "1.2.3.4.5",
        "OID 2.5.29.15",
        "300.1.2.3",
        '{"v8":"9.4.146.24"}',
        'd="M6.75 2.5a6.75 6.75 0 1 0 6.75 6.75.75.75 0 0 0-.75"',
        "0 0 0 8 9.5a4.5 4.5 0 0 1 3.898 2.25.5.5 0 1 1-.866.5",
        'd="M12 6c2.45 0 4.71.2 7.29.64.47 1.78.71 3.58"',
        '<h4 title="34.5.1.3. Error Handling">',
        "2001:db8::1 fe80::1 ::1",
        "std::vector a::b 2020:01:02",
        "2001:4860:4860::8888",
    ],
)
def test_addresses_of_nobody(text: str) -> None:
    assert found(text) == []
