"""Keys and tokens by the shapes that their issuers give them.

A fixed beginning and an exact alphabet and length decide almost alone; the rest of the value must look
drawn by chance, and nothing that could continue it may stand beside it. A new issuer is one row.
"""

import re

from gristmill.corpus.randomness import entropy, is_known_example
from gristmill.corpus.scanning import Candidate, Rule


def _shaped(candidate: Candidate) -> bool:
    value = candidate.value
    return entropy(value) >= 3.0 and not is_known_example(value)


def _shape(
    name: str,
    kind: str,
    trigger: str,
    pattern: str,
    before: int = 24,
    after: int = 300,
    anchor: str = "",
) -> Rule:
    """Return the rule of a value with a shape; nothing that could continue it may stand beside it."""
    whole = re.compile(rf"(?<![A-Za-z0-9_\-])(?P<hit>{pattern})(?![A-Za-z0-9_\-])")
    return Rule(name, kind, trigger, whole, _shaped, before, after, anchor)


SHAPES = (
    _shape(
        "aws_access_key",
        "aws_key",
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    ),
    _shape(
        "github_token",
        "github_token",
        r"gh[pousr]_[a-z0-9]{36}",
        r"gh[pousr]_[A-Za-z0-9]{36,251}",
        44,
    ),
    _shape(
        "github_fine_grained",
        "github_token",
        r"github_pat_[a-z0-9]{8}",
        r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    ),
    _shape(
        "gitlab_token",
        "gitlab_token",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[a-z0-9_\-]{20}",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[\w\-]{20,64}",
        36,
    ),
    _shape(
        "slack_token",
        "slack_token",
        r"xox[abeoprs](?:-|\.)[a-z0-9\-]{10}",
        r"xox[abeoprs][-.](?:[A-Za-z0-9]{1,14}-){0,4}[A-Za-z0-9]{10,64}",
    ),
    _shape(
        "slack_app_token",
        "slack_token",
        r"xapp-\d-[a-z0-9]{8}",
        r"xapp-\d-[A-Z0-9]{8,14}-\d{10,16}-[a-f0-9]{40,80}",
    ),
    _shape(
        "slack_webhook",
        "webhook",
        r"hooks\.slack\.com/(?:services|workflows)/[a-z]",
        r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,60}",
        44,
    ),
    _shape(
        "discord_webhook",
        "webhook",
        r"discord(?:app)?\.com/api/webhooks/\d",
        r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w\-]{60,80}",
        44,
    ),
    _shape(
        "stripe_key",
        "stripe_key",
        r"[sr]k_(?:live|test)_[a-z0-9]{16}",
        r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,128}",
        28,
    ),
    _shape(
        "stripe_webhook_secret", "stripe_key", r"whsec_[a-z0-9]{16}", r"whsec_[A-Za-z0-9+/]{24,64}"
    ),
    _shape("google_api_key", "google_key", r"AIza[a-z0-9_\-]{35}", r"AIza[\w\-]{35}", 44),
    _shape("google_oauth_secret", "google_key", r"GOCSPX-[a-z0-9_\-]{8}", r"GOCSPX-[\w\-]{24,34}"),
    _shape(
        "google_access_token",
        "google_key",
        r"ya29\.[a-z0-9_\-]{20}",
        r"ya29\.[\w\-]{30,300}",
        28,
        400,
    ),
    _shape(
        "openai_key",
        "openai_key",
        r"sk-[a-z0-9\-_]{0,120}T3BlbkFJ",
        r"sk-(?:proj-|svcacct-|admin-)?[\w\-]{16,120}T3BlbkFJ[\w\-]{16,120}",
        170,
    ),
    _shape(
        "anthropic_key",
        "anthropic_key",
        r"sk-ant-[a-z0-9]{3,8}-",
        r"sk-ant-(?:api|admin|sid|oat)\d{2}-[\w\-]{60,120}",
    ),
    _shape(
        "huggingface_token",
        "huggingface_token",
        r"(?:hf_|api_org_)[a-z]{30}",
        r"(?:hf|api_org)_[A-Za-z]{34,40}",
        48,
    ),
    _shape("npm_token", "npm_token", r"npm_[a-z0-9]{36}", r"npm_[A-Za-z0-9]{36}", 44),
    _shape(
        "pypi_token", "pypi_token", r"pypi-AgE[a-z0-9_\-]{30}", r"pypi-AgE[\w\-]{50,300}", 48, 400
    ),
    _shape(
        "rubygems_token", "package_token", r"rubygems_[a-f0-9]{48}", r"rubygems_[a-f0-9]{48}", 64
    ),
    _shape("crates_token", "package_token", r"cio[a-z0-9]{32}", r"cio[A-Za-z0-9]{32}", 44),
    _shape(
        "docker_token",
        "package_token",
        r"dckr_(?:pat|oat)_[a-z0-9_\-]{20}",
        r"dckr_(?:pat|oat)_[\w\-]{20,40}",
        40,
    ),
    _shape(
        "sendgrid_key",
        "mail_key",
        r"SG\.[a-z0-9_\-]{16,32}\.[a-z0-9_\-]{16}",
        r"SG\.[\w\-]{16,32}\.[\w\-]{32,64}",
        64,
    ),
    _shape("mailgun_key", "mail_key", r"key-[a-f0-9]{32}", r"key-[a-f0-9]{32}", 44),
    _shape("mailchimp_key", "mail_key", r"[a-f0-9]{32}-us\d", r"[a-f0-9]{32}-us\d{1,2}", 44),
    _shape("twilio_key", "twilio_key", r"SK[a-f0-9]{32}", r"SK[a-f0-9]{32}", 40),
    _shape(
        "telegram_token", "chat_token", r"\d{8,10}:AA[a-z0-9_\-]{33}", r"\d{8,10}:AA[\w\-]{33}", 52
    ),
    _shape(
        "discord_token",
        "chat_token",
        r"[MNO][a-z0-9_\-]{23,27}\.[a-z0-9_\-]{6}\.[a-z0-9_\-]{27}",
        r"[MNO][A-Za-z0-9_\-]{23,27}\.[\w\-]{6}\.[\w\-]{27,38}",
        72,
    ),
    _shape(
        "jwt",
        "jwt",
        r"eyJ[a-z0-9_\-]{10}",
        r"eyJ[\w\-]{10,2000}+\.eyJ[\w\-]{10,4000}+\.[\w\-]{16,1024}",
        13,
        7100,
        "eyJ",
    ),
    _shape(
        "digitalocean_token",
        "cloud_token",
        r"do[opr]_v1_[a-f0-9]{64}",
        r"do[opr]_v1_[a-f0-9]{64}",
        80,
    ),
    _shape("databricks_token", "cloud_token", r"dapi[a-f0-9]{32}", r"dapi[a-f0-9]{32}(?:-\d)?", 44),
    _shape(
        "shopify_token",
        "shop_token",
        r"shp(?:at|ca|pa|ss)_[a-f0-9]{32}",
        r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
        48,
    ),
    _shape(
        "square_token",
        "shop_token",
        r"(?:EAAA|sq0[a-z]{3}-)[a-z0-9_\-]{22}",
        r"(?:EAAA[\w\-]{60}|sq0(?:atp|csp|idp)-[\w\-]{22,43})",
        40,
    ),
    _shape("linear_key", "service_key", r"lin_api_[a-z0-9]{40}", r"lin_api_[A-Za-z0-9]{40}", 60),
    _shape("newrelic_key", "service_key", r"NRAK-[a-z0-9]{27}", r"NRAK-[A-Z0-9]{27}", 44),
    _shape(
        "grafana_token",
        "service_key",
        r"gl(?:sa|c)_[a-z0-9+/]{32}",
        r"(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2})",
        48,
        440,
    ),
    _shape("vault_token", "service_key", r"hv[sb]\.[a-z0-9_\-]{24}", r"hv[sb]\.[\w\-]{24,200}", 40),
    _shape(
        "age_key",
        "private_key",
        r"AGE-SECRET-KEY-1",
        r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    ),
)
