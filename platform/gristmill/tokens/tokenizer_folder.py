"""What stands beside `tokenizer.json` so that transformers and vLLM read the folder as we mean it."""

import json
from typing import Any

from gristmill.tokens.special import SPECIAL

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"

SYSTEM = (
    "You are an AI programming assistant, utilizing the DeepSeek Coder model, developed by DeepSeek "
    "Company, and you only answer questions related to computer science. For politically sensitive "
    "questions, security and privacy issues, and other non-computer science questions, you will "
    "refuse to answer."
)
"""The paper's system line, used when a conversation brings none (README, section 3.7)."""

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\\n' }}"
    "{% else %}{{ " + json.dumps(SYSTEM) + " + '\\n' }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}"
    "{{ '### Instruction:\\n' + message['content'] + '\\n' }}"
    "{% if loop.last and add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '### Response:\\n' + message['content'] + '\\n' + '<|EOT|>' }}"
    "{% if not loop.last %}{{ '\\n' }}{% endif %}"
    "{% endif %}{% endfor %}"
)


def config_values(max_position: int) -> dict[str, Any]:
    """Return `tokenizer_config.json`; sequences begin with bos, nothing is stripped or cleaned up."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL["bos"],
        "eos_token": SPECIAL["eos"],
        "pad_token": SPECIAL["pad"],
        "additional_special_tokens": [
            SPECIAL[name] for name in SPECIAL if name not in ("bos", "eos", "pad")
        ],
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_position,
        "chat_template": CHAT_TEMPLATE,
    }
