"""SSH accounts and commands of a configuration that reaches nobody, and hostile values for them."""

from __future__ import annotations

from typing import Any

#: A shell that obeyed one of them would leave a file ``owned``, and do no other harm.
HOSTILE = [
    "",
    " ",
    "a b",
    "; touch owned",
    "$(touch owned)",
    "`touch owned`",
    "${IFS}",
    "a\ntouch owned\n",
    "'; touch owned; '",
    '"\\"',
    "\\",
    "!!",
    "*",
    "~root",
    "> owned",
    "a && b || c & d | e",
    "\x1b[31m\x07",
    "#",
    "=ls",
    "{a,b}",
    "%s\\n",
    "\u202e\u00fc\U0001f4a9",
    "{level}",
]

# The discard port, where nothing listens; the key is nobody's.
SSH_CONFIG: dict[str, Any] = {
    "ssh_accounts": [
        {
            "name": "hosts",
            "user": "nobody",
            "agent": True,
            "address": "127.0.0.1",
            "port": 9,
            "fingerprints": {"127.0.0.1": ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]},
        }
    ],
    "ssh_commands": {"patch": {"command": ["patch-host", "--host={host}"]}},
}
