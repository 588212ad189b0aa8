"""Keeps secrets out of what is written for others to read: logs and crash reports."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

HIDDEN: Final = "***"
SHORTEST_SECRET: Final = 4  # characters; a shorter value would hide half of every text
_SECRET_NAME: Final = r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|COOKIE)"
_SECRET_VARIABLE: Final = re.compile(_SECRET_NAME, re.IGNORECASE)

# Between :// and the last @ of an address, or user:pass@ at its beginning and after ::; a password may hold an @.
_IN_URL: Final = re.compile(r"://[^\s'\"<>]{1,512}@")
_IN_ADDRESS: Final = re.compile(r"(?P<before>(?:::|(?<=[\s'\"=(,])|^)[^\s:/@'\"]{1,128}):(?!:)[^\s/'\"]{1,512}@", re.M)
# password = x, "api_key": "x", --token x, Token: x. No pattern begins with a repetition: long texts stay cheap.
_NAMED: Final = re.compile(
    r"(?P<before>(?:password|passwd|passphrase|secret|token|credential|(?:api|access|private)[_-]?key)"
    r"[\w-]{0,64}[\"']?\s{0,8}(?:=>|[:=]|\s(?=\S{8}))\s{0,8})(?:\"[^\"]*\"|'[^']*'|[^\s\"',;)}\]]+)",
    re.I,
)
_VARIABLE: Final = re.compile(
    rf"(?P<before>{_SECRET_NAME}[A-Z0-9_]{{0,64}}\s{{0,8}}=\s{{0,8}})(?:\"[^\"]*\"|'[^']*'|[^\s\"',;]+)"
)
_BEARER: Final = re.compile(r"(?P<before>\b(?:bearer|basic)\s{1,8})[A-Za-z0-9._~+/=-]{8,}", re.I)
_KEY_BLOCK: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|\Z)", re.S
)
_WELL_KNOWN: Final = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|sk-[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_HINTS: Final = (  # one of them is in whatever the patterns above find, those of addresses aside
    *("key", "token", "secret", "passw", "passphrase", "credential", "cookie", "bearer", "basic"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "akia", "sk-", "eyj"),
)


class Redaction:
    """Hides what looks like a secret, and every value that it was told is one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._guard = threading.Lock()
        self._values: tuple[str, ...] = ()
        self.add(secrets)

    @classmethod
    def of_environment(cls, secrets: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> Redaction:
        """Return one that knows the values of variables named *KEY*, *TOKEN*, *SECRET*, *PASSWORD* and the like too."""
        there = os.environ if environment is None else environment
        return cls([*secrets, *(value for name, value in there.items() if _SECRET_VARIABLE.search(name))])

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these values too, from now on; ones of less than four characters cannot be told from other text."""
        with self._guard:
            long_enough = [value for value in secrets if len(value.strip()) >= SHORTEST_SECRET]
            wanted = {*self._values, *(way for value in long_enough for way in _ways_to_write(value))}
            self._values = tuple(sorted(wanted, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """Return the text without secrets."""
        for value in self._values:
            if value in text:
                text = text.replace(value, HIDDEN)
        if "@" in text:
            text = _IN_URL.sub(f"://{HIDDEN}@", text)
            text = _IN_ADDRESS.sub(rf"\g<before>:{HIDDEN}@", text)
        lowered = text.lower()
        if any(hint in lowered for hint in _HINTS):  # most texts have none, and this is ten times as fast
            text = _KEY_BLOCK.sub(HIDDEN, text)
            text = _WELL_KNOWN.sub(HIDDEN, text)
            text = _BEARER.sub(rf"\g<before>{HIDDEN}", text)
            text = _VARIABLE.sub(rf"\g<before>{HIDDEN}", text)
            text = _NAMED.sub(rf"\g<before>{HIDDEN}", text)
        return text


def _ways_to_write(value: str) -> tuple[str, ...]:
    """Return a value as it is, and as Python, JSON and addresses write it."""
    return (value, value.strip(), repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe=""))
