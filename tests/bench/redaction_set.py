"""A labelled set for redaction: made secrets in made contexts, and real code that holds none.

The values are drawn from a seed by the issuers' published formats, so that no file here holds one. The
contexts are how people leave them in code: an assignment, a dictionary, a header, a shell line, YAML, a
comment, a URL, a test. What must stay are lines of installed packages that look like secrets or addresses:
digests, UUIDs, base64 data, commit names, versions, colours, long names.
"""

import base64
import random
import re
import string
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URLSAFE = ALNUM + "-_"
B64 = ALNUM + "+/"


@dataclass(frozen=True)
class Sample:
    """A text in a language, and what in it is to be found: (start, end) of one value, or nothing."""

    kind: str
    text: str
    language: str
    span: tuple[int, int] | None


Draw = Callable[[random.Random], str]


def of(alphabet: str, length: int) -> Draw:
    return lambda rng: "".join(rng.choices(alphabet, k=length))


def after(prefix: str, alphabet: str, length: int) -> Draw:
    return lambda rng: prefix + "".join(rng.choices(alphabet, k=length))


def urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(rng: random.Random) -> str:
    header = urlsafe(b'{"alg":"HS256","typ":"JWT"}')
    body = urlsafe(f'{{"sub":"{rng.randrange(10**9)}","iat":{rng.randrange(10**9)}}}'.encode())
    return f"{header}.{body}.{urlsafe(rng.randbytes(32))}"


def slack(rng: random.Random) -> str:
    numbers = "-".join(str(rng.randrange(10**11, 10**12)) for _ in range(2))
    return f"xoxb-{numbers}-{of(ALNUM, 24)(rng)}"


def openai(rng: random.Random) -> str:
    head = rng.choice(["sk-", "sk-proj-"])
    return f"{head}{of(ALNUM, 20)(rng)}T3Blbk" + "FJ" + of(ALNUM, 20)(rng)


def discord(rng: random.Random) -> str:
    head = urlsafe(str(rng.randrange(10**17, 10**18)).encode())
    return f"{head}.{of(URLSAFE, 6)(rng)}.{of(ALNUM, 27)(rng)}"


def password(rng: random.Random) -> str:
    signs = "!#%&*+?@^~"
    drawn = rng.choices(ALNUM, k=rng.randrange(7, 14)) + rng.choices(signs, k=2)
    drawn += [rng.choice(string.digits), rng.choice(string.ascii_uppercase), rng.choice("abcdef")]
    rng.shuffle(drawn)
    return "".join(drawn)


def word_password(rng: random.Random) -> str:
    words = ["Winter", "Dragon", "monkey", "Falcon", "berlin", "Summer", "Kitten", "purple"]
    return f"{rng.choice(words)}{rng.choice(words)}{rng.randrange(100, 9999)}{rng.choice('!#$%')}"


def email(rng: random.Random) -> str:
    first = rng.choice(["jane", "ravi", "li.wei", "o.mueller", "k_brandt", "sofia+git", "t-hansen"])
    host = rng.choice(
        ["gmail.com", "web.de", "uni-bonn.de", "corp.acquia.com", "mail.ru", "inria.fr"]
    )
    return f"{first}{rng.choice(['', str(rng.randrange(99))])}@{host}"


def ipv4(rng: random.Random) -> str:
    first = rng.choice([23, 34, 52, 54, 81, 93, 104, 134, 151, 185, 193, 212, 217])
    return ".".join(map(str, (first, *(rng.randrange(1, 255) for _ in range(3)))))


def ipv6(rng: random.Random) -> str:
    groups = [f"{rng.randrange(1, 65536):x}" for _ in range(7)]
    head = rng.choice(["2a00", "2a02", "2003", "2607", "2400"])
    if rng.random() < 0.5:
        return f"{head}:{groups[0]}:{groups[1]}::{groups[2]}"
    return ":".join([head, *groups])


DRAWS: dict[str, tuple[Draw, ...]] = {
    "aws_key": (after("AKIA", string.ascii_uppercase + "234567", 16),),
    "github_token": (
        after("ghp_", ALNUM, 36),
        after("ghs_", ALNUM, 36),
        lambda rng: f"github_pat_{of(ALNUM, 22)(rng)}_{of(ALNUM, 59)(rng)}",
    ),
    "gitlab_token": (after("glpat-", URLSAFE, 20),),
    "slack_token": (slack,),
    "stripe_key": (after("sk_live_", ALNUM, 24), after("rk_live_", ALNUM, 99)),
    "google_key": (after("AIza", URLSAFE, 35), after("GOCSPX-", URLSAFE, 28)),
    "openai_key": (openai,),
    "anthropic_key": (lambda rng: f"sk-ant-api03-{of(URLSAFE, 93)(rng)}AA",),
    "huggingface_token": (after("hf_", string.ascii_letters, 34),),
    "npm_token": (after("npm_", ALNUM, 36),),
    "pypi_token": (after("pypi-AgEIcHlwaS5vcmc", URLSAFE, 130),),
    "mail_key": (
        lambda rng: f"SG.{of(URLSAFE, 22)(rng)}.{of(URLSAFE, 43)(rng)}",
        after("key-", HEX, 32),
    ),
    "twilio_key": (after("SK", HEX, 32),),
    "chat_token": (
        lambda rng: f"{rng.randrange(10**8, 10**10)}:AA{of(URLSAFE, 33)(rng)}",
        discord,
    ),
    "cloud_token": (after("dop_v1_", HEX, 64), after("dapi", HEX, 32)),
    "shop_token": (after("shpat_", HEX, 32), after("sq0csp-", URLSAFE, 43)),
    "jwt": (jwt,),
    "password": (password, word_password),
    "assigned_key": (of(ALNUM, 32), of(HEX, 40), of(B64, 44), of(URLSAFE, 27)),
    "email": (email,),
    "ipv4": (ipv4,),
    "ipv6": (ipv6,),
}
NUM_EACH = 24
ANY_KEY = (
    ("Python", 'client = Client(token="{}")\n'),
    ("Python", "API_KEY = '{}'  # staging\n"),
    ("JavaScript", "const options = {{ headers: {{ Authorization: `Bearer {}` }} }};\n"),
    ("JSON", '{{"name": "deploy", "credential": "{}"}}\n'),
    ("YAML", "env:\n  - name: TOKEN\n    value: {}\n"),
    ("Shell", "export DEPLOY_TOKEN={}\ncurl -s $URL\n"),
    ("Go", 'var key = "{}" // do not commit\n'),
    ("Java", 'private static final String KEY = "{}";\n'),
    ("Markdown", "Log in with `{}` and go on.\n"),
    ("PHP", "define('SERVICE_KEY', '{}');\n"),
)
NAMED = {
    "password": (
        ("Python", 'db.connect(user="app", password="{}")\n'),
        ("Python", "PASSWORD = '{}'\n"),
        ("Python", 'config["db_password"] = "{}"\n'),
        ("Java", 'props.setProperty("password", "{}");\n'),
        ("YAML", "database:\n  password: {}\n  port: 5432\n"),
        ("INI", "[mysql]\npassword={}\n"),
        ("JSON", '{{"user": "app", "passwd": "{}"}}\n'),
        ("PHP", "$cfg['password'] = '{}';\n"),
        ("C#", 'var dbPassword = "{}";\n'),
    ),
    "assigned_key": (
        ("Python", 'SECRET_KEY = "{}"\n'),
        ("JavaScript", "  clientSecret: '{}',\n"),
        ("JSON", '{{"api_key": "{}"}}\n'),
        ("Ruby", 'config.access_token = "{}"\n'),
        ("Go", 'apiKey := "{}"\n'),
        ("Shell", "export API_TOKEN={}\n"),
        ("YAML", "auth_token: {}\n"),
        ("Java", 'map.put("apiKey", "{}");\n'),
    ),
    "email": (
        ("Python", "# Author: Jane Doe <{}>\n"),
        ("Python", '__email__ = "{}"\n'),
        ("JSON", '{{"author": {{"name": "J", "email": "{}"}}}}\n'),
        ("Markdown", "Please write to {}.\n"),
        ("C", " * Copyright (C) 2011 J. Doe ({})\n"),
        ("JavaScript", "// @author {} 2014\n"),
        ("HTML", '<a href="mailto:{}">write</a>\n'),
        ("Go", 'to := []string{{"{}", other}}\n'),
    ),
    "ipv4": (
        ("Python", 'HOST = "{}"\n'),
        ("Shell", "ssh deploy@{} uptime\n"),
        ("YAML", "servers:\n  - {}\n"),
        ("Go", 'addr := "{}:8080"\n'),
        ("JavaScript", "fetch('http://{}/api')\n"),
        ("Text", "allow {}/32;\n"),
        ("C", 'inet_addr("{}");\n'),
    ),
    "ipv6": (
        ("Python", 'HOST = "{}"\n'),
        ("Shell", "ping6 {}\n"),
        ("Go", 'addr := "[{}]:8080"\n'),
        ("YAML", "dns: {}\n"),
    ),
}


def positives(seed: int = 20_260) -> Iterator[Sample]:
    """Yield `NUM_EACH` samples a kind, and the kinds that have a place of their own."""
    rng = random.Random(seed)
    for kind, draws in DRAWS.items():
        contexts = NAMED.get(kind, ANY_KEY)
        for number in range(NUM_EACH):
            language, context = contexts[number % len(contexts)]
            yield _placed(kind, language, context, draws[number % len(draws)](rng))
    for _ in range(NUM_EACH):
        yield _placed("private_key", "Python", _pem(rng), of(B64, 64)(rng))
        secret = of(B64, 40)(rng)
        yield _placed("aws_key", "INI", "[default]\naws_secret_access_key = {}\n", secret)
        value = of(B64, 86)(rng) + "=="
        context = '"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};"\n'
        yield _placed("azure_key", "C#", context, value)
        context = 'DATABASE_URL = "postgres://app:{}@db.internal.acquia.com:5432/app"\n'
        yield _placed("url_password", "Python", context, of(ALNUM, 16)(rng))
        path = f"T{of(ALNUM, 8)(rng)}/B{of(ALNUM, 8)(rng)}/{of(ALNUM, 24)(rng)}".upper()
        hook = f"hooks.slack.com/services/{path}"
        yield _placed("webhook", "Python", 'post("https://{}", data)\n', hook)


def _placed(kind: str, language: str, context: str, value: str) -> Sample:
    text = "import os\n\n" + context.format(value)
    at = text.index(value)
    return Sample(kind, text, language, (at, at + len(value)))


def _pem(rng: random.Random) -> str:
    name = rng.choice(["RSA ", "EC ", "", "OPENSSH "]) + "PRIVATE " + "KEY"
    return f'KEY = """-----BEGIN {name}-----\n{{}}\n-----END {name}-----"""\n'


NEGATIVE_PATTERNS = {
    "sha1 or commit": r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])",
    "sha256": r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])",
    "md5": r"(?<![0-9a-fA-F])[0-9a-f]{32}(?![0-9a-fA-F])",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "base64": r"[\"'][A-Za-z0-9+/]{48,}={0,2}[\"']",
    "version": r"(?<![\d.])\d{1,2}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])",
    "colour": r"[\"']#[0-9a-fA-F]{6}[\"']",
    "long name": r"\b[A-Za-z]+(?:_[A-Za-z0-9]+){7,}\b",
    "decorator": r"(?m)^ *@\w+\.\w+\.?\w*$",
    "product or file": r"\w@\w+\.(?:T|H|py|png|jpg|svg|mean|sum|dot|shape)\b",
    "key by name": r"(?i)(?:api_?key|token|secret|password)\w*[\"']?\s*[=:]\s*[\"'][^\"']{8,}[\"']",
    "drawing": r"[\d.]+ -?\d+\.\d+\.\d+\.\d+[ -][-.\d]+",
    "section": r"[\">]\d{1,2}\.\d{1,2}\.\d{1,2}\.\d{1,2}\. [A-Z]",
    "private address": r"(?<![\d.])(?:10\.\d+|127\.\d+|192\.168|172\.16)\.\d{1,3}\.\d{1,3}\b",
}
NUM_NEGATIVES_EACH = 60
_MAX_FILES, _MAX_PAGES = 2500, 400
_MAX_CHARS = 2_000_000
_LANGUAGES = {
    ".py": "Python",
    ".js": "JavaScript",
    ".json": "JSON",
    ".html": "HTML",
    ".svg": "SVG",
    ".css": "CSS",
    ".h": "C",
    ".md": "Markdown",
    ".yaml": "YAML",
}
_ADDRESS = re.compile(
    r"\w@[\w-]+(?:\.[\w-]+)*\.(?!py|png|jpg|svg|sum|dot)[a-z]{2,}\b|://\w+:\w+@|\(\[\d"
)
_MACHINE = re.compile(r"(?i)public_ip|\bip\b|addr")
"""Lines that a person would call a finding, or would have to look up."""


def negatives(seed: int = 20_260) -> Iterator[Sample]:
    """Yield lines of installed packages that look like a finding and are none, some of each pattern.

    Lines with a true address are never taken; what is labelled here was read by eye.
    """
    places = [Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib"))]
    found = {path for place in places for path in place.glob("*/**/*.*")}
    files = sorted(path for path in found if path.suffix in _LANGUAGES)
    random.Random(seed).shuffle(files)
    pages = [path for path in files if path.suffix in (".js", ".svg", ".html")]
    files = pages[:_MAX_PAGES] + files[:_MAX_FILES]
    patterns = {name: re.compile(pattern) for name, pattern in NEGATIVE_PATTERNS.items()}
    counts = dict.fromkeys(patterns, 0)
    for path in files:
        if min(counts.values()) >= NUM_NEGATIVES_EACH:
            return
        try:
            text = path.read_text(encoding="utf-8")[:_MAX_CHARS]
        except (UnicodeDecodeError, OSError):
            continue
        for name, pattern in patterns.items():
            taken = 0
            for match in pattern.finditer(text):
                begin = text.rfind("\n", 0, match.start()) + 1
                end = text.find("\n", match.end())
                line = text[begin : end if end >= 0 else len(text)]
                named = name == "version" and _MACHINE.search(line)
                if len(line) > 400:  # squeezed: what stands around it has to do
                    line = text[max(begin, match.start() - 150) : match.end() + 150]
                if named or "\n" in line or _ADDRESS.search(line):
                    continue
                if counts[name] >= NUM_NEGATIVES_EACH or taken == 3:
                    break
                counts[name] += 1
                taken += 1
                yield Sample(name, line + "\n", _LANGUAGES[path.suffix], None)


if __name__ == "__main__":
    for sample in positives():
        sys.stdout.write(f"{sample.kind}\t{sample.text!r}\n")
