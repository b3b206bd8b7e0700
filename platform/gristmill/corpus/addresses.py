"""Addresses of people and machines: e-mail, IPv4, IPv6.

Left alone are addresses that belong to nobody: the names and ranges reserved for documentation,
private and local networks, the public resolvers that half of all tutorials name, and what only looks
like an address: `logo@2x.png`, a matrix product, a version of four numbers, an object identifier.
"""

import ipaddress
import re

from gristmill.corpus.scanning import Candidate, Rule

_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs "
    "bt bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee "
    "eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm "
    "hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb "
    "lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz "
    "na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs "
    "ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl "
    "tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_GENERIC = (
    "com org net edu gov mil int info biz name pro aero coop museum mobi asia cat jobs tel travel "
    "xyz app dev page cloud online site tech blog shop store email zone team group systems network "
    "company agency digital software solutions technology consulting engineering codes expert guru "
    "ninja rocks world today live life social media news one top club link space website works "
    "foundation institute university academy school berlin london paris nyc tokyo hamburg wien koeln "
    "bayern vegas moscow swiss scot cymru wales quebec bzh eus gal ist istanbul ovh google amazon "
    "apple microsoft ibm bmw sap"
)
_TOP_LEVEL = frozenset((_COUNTRIES + " " + _GENERIC).split())
_RESERVED_DOMAIN = re.compile(
    r"(?:^|\.)(?:example\.(?:com|org|net|edu|co\.\w+)|[\w-]*example|(?:my)?(?:domain|company|server"
    r"|site|host|email|mail)\.(?:com|org|net)|localhost|invalid|test|local|foo\.(?:com|bar)"
    r"|bar\.com|foobar\.com|acme\.(?:com|org))$"
)
_FILE_ENDINGS = frozenset(["py", "rs", "sh", "md", "so", "cc", "pl", "ps", "tf"])
_IN_URL = re.compile(r"://[^\s\"'<>/]*:$")
_NOBODY = frozenset(["git", "hg", "svn", "you", "user", "username", "someone", "name", "your.name"])

_EMAIL = re.compile(
    r"(?<![\w.+\-/@%])(?P<hit>[A-Za-z0-9_](?:[A-Za-z0-9._+\-]{0,62}[A-Za-z0-9_+\-])?"
    r"@(?P<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,6}(?P<top>[A-Za-z]{2,24})))"
    r"(?![\w\-@(\[]|\.\w|:\w)",
    re.ASCII,
)


def _is_email(candidate: Candidate) -> bool:
    top, domain = candidate.match["top"], candidate.match["domain"].lower()
    if top.lower() not in _TOP_LEVEL or not (top.islower() or top.isupper() or top.istitle()):
        return False
    local = candidate.value.partition("@")[0].lower()
    if local in _NOBODY or ".." in local:
        return False
    if top in _FILE_ENDINGS and domain.count(".") == 1:
        return False
    if _IN_URL.search(candidate.line_before()):
        return False  # a password before a host: a secret, if anything
    return _RESERVED_DOMAIN.search(domain) is None


_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\w.\-])(?P<hit>(?:{_OCTET}\.){{3}}{_OCTET})(?![\w\-+]|\.\d)", re.ASCII)
_RESOLVERS = frozenset(
    [
        "8.8.8.8",
        "8.8.4.4",
        "1.1.1.1",
        "1.0.0.1",
        "9.9.9.9",
        "149.112.112.112",
        "208.67.222.222",
        "208.67.220.220",
        "4.2.2.1",
        "4.2.2.2",
        "114.114.114.114",
        "223.5.5.5",
        "223.6.6.6",
        "1.2.3.4",
        "5.6.7.8",
        "2001:4860:4860::8888",
        "2001:4860:4860::8844",
        "2606:4700:4700::1111",
        "2606:4700:4700::1001",
    ]
)
_VERSION_BEFORE = re.compile(
    r"(?i)(?:version\w*|\bv\d?\b|release\w*|ver|revision|build|oid|objectidentifier|since|upgrade\w*|updat\w+|tag|python|"
    r"driver|firmware|sdk|changelog|sections?|chapters?|rfc|clause|figure|table|step)\b[^\n]{0,60}$"
    r"|[A-Za-z]/$|[=~<>!]=\s*[\"']?$|[<>~^]\s*[\"']?$|^\s*[#*=]+\s*\[?v?$|\u00a7\s*$"
)
_ADDRESS_BEFORE = re.compile(
    r"(?i)(?:\bip\b|\bip_?|_ip\b|host|addr|server|dns|ping|connect|listen|bind|proxy|subnet|gateway"
    r"|peer|client|remote|://|ssh|telnet|route|allow|deny|ntp|redis|endpoint|@)[^\n]{0,60}$"
)
_NUMBERS_BEFORE = re.compile(r"(?<![\d.:/])(?!(?:\d{1,3}\.){3}\d{1,3}[ ,]$)[\d.]*\d[ ,]$")
"""A number among numbers, as in the path of a drawing."""
_NUMBERS_BEHIND = re.compile(r"[ ,](?:[01]|-?\.\d+)[ ,]|-\.\d")
_SECTION_BEHIND = re.compile(r"\.\s+[A-Z]")
_OPENING = re.compile(r"(?:^|[\"'>])\s*$")
_SMALL = 20
_OBJECT_IDENTIFIERS = ("1.3.6.", "2.5.4.", "2.5.29.", "2.16.")


def _is_ipv4(candidate: Candidate) -> bool:
    value = candidate.value
    address = ipaddress.IPv4Address(value)
    if not address.is_global or address.is_multicast or value in _RESOLVERS:
        return False
    before = candidate.line_before()
    if _VERSION_BEFORE.search(before) or _NUMBERS_BEFORE.search(before):
        return False
    if _NUMBERS_BEHIND.match(candidate.text, candidate.end):
        return False
    if _OPENING.search(before) and _SECTION_BEHIND.match(candidate.text, candidate.end):
        return False
    octets = value.split(".")
    small = all(int(octet) <= _SMALL for octet in octets) or octets[1:] == ["0", "0", "0"]
    if small or value.startswith(_OBJECT_IDENTIFIERS):
        return _ADDRESS_BEFORE.search(before) is not None
    return True


_IPV6 = re.compile(r"(?<![\w:.])(?P<hit>[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34})(?![\w:]|\.\d)")
_DOCUMENTATION = (ipaddress.IPv6Network("2001:db8::/32"), ipaddress.IPv6Network("3fff::/20"))


def _is_ipv6(candidate: Candidate) -> bool:
    try:
        address = ipaddress.IPv6Address(candidate.value)
    except ValueError:
        return False
    documented = any(address in network for network in _DOCUMENTATION)
    return address.is_global and not documented and str(address) not in _RESOLVERS


EMAIL_RULES = (
    Rule("email", "email", r"[a-z0-9_+\-]@[a-z0-9\-]+\.[a-z][a-z]", _EMAIL, _is_email, 140, 340),
)
IP_RULES = (
    Rule("ipv4", "ipv4", r"\d\.\d{1,3}\.\d{1,3}\.\d", _IPV4, _is_ipv4, 18, 8),
    Rule("ipv6", "ipv6", r"[23][0-9a-f]{3}:[0-9a-f]{0,4}:[0-9a-f:]", _IPV6, _is_ipv6, 20, 44),
)
