"""Secrets are taken out of whatever they are written in, before anything is cut."""

from __future__ import annotations

import base64
import html
import json
import random
import string
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from keystoneauth1 import loading

from accounts.cloud_errors import spoken
from common.redaction import HIDDEN, Redactor, at_work, excerpt, learn, secrets_in
from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_http import Answer, Request
from support.sampling import examples, sampled
from workflow_api import clean

HARD = "pä55/wörd+%41'\"&\\x<Z>🔑"
# What secrets are made of: what people type and what generators make.
LETTERS = st.sampled_from(string.ascii_letters + string.digits + string.punctuation + "äßéЖ日🔑")
SECRETS = st.text(LETTERS, min_size=6, max_size=40)
# No beginnings of encoded characters, which the first letters of a secret could end.
AROUND = st.text(st.sampled_from("abc 12\n.,:;\"'<>é"), max_size=12)

ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": quote,
    "percent, all of it": lambda text: quote(text, safe=""),
    "percent, small letters": lambda text: quote(text, safe="").replace("%2F", "%2f"),
    "form": quote_plus,
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "html": html.escape,
    "html, twice": lambda text: html.escape(html.escape(text)),
    "html, numbers": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "html, hexadecimal": lambda text: "".join(f"&#x{ord(c):X};" for c in text),
    "json": lambda text: json.dumps(text)[1:-1],
    "json, as it is": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "taken for latin-1": lambda text: text.encode().decode("latin-1"),
    "hexadecimal": lambda text: text.encode().hex(),
    "json of percent": lambda text: json.dumps(quote(text))[1:-1],
    "percent of json": lambda text: quote(json.dumps(text)[1:-1], safe=""),
    "html of json": lambda text: html.escape(json.dumps(text)[1:-1]),
}


def hidden(secret: str, text: str) -> str:
    return Redactor({"auth": {"password": secret}}).text(text)


@pytest.mark.parametrize("name", sampled(ENCODINGS, 6))
@settings(deadline=None, max_examples=examples(60))
@given(secret=SECRETS, before=AROUND, after=AROUND)
@example(secret=HARD, before="", after="")
@example(secret="a%41b%2Fc", before="", after="")
def test_no_encoding_shows_a_secret(name: str, secret: str, before: str, after: str) -> None:
    encoded = ENCODINGS[name](secret)
    assume(encoded not in HIDDEN)
    shown = hidden(secret, f"{before}{encoded}{after}")
    assert encoded not in shown
    assert HIDDEN in shown


STRAYS = [
    "%",
    "%4",
    "%C3%",
    "=",
    "=c3=",
    "\\",
    "\\\\",
    "\\u00",
    "\\U0001",
    "\\x",
    "&",
    "&#",
    "&#x",
    "<",
    "<b",
]


@pytest.mark.parametrize("name", sampled(ENCODINGS, 6))
@settings(deadline=None, max_examples=examples(60))
@given(
    secret=st.tuples(
        st.sampled_from(["", "a", "41", "e9a", "n", "x41", "u00e9", "U0001f511", "amp;", "br>"]),
        SECRETS,
    ).map("".join),
    stray=st.sampled_from(STRAYS),
    after=st.sampled_from(["", ".", "\n", "41", "A9", "n", "u00e9", "amp;", "br>"]),
)
@example(secret="0000ß=", stray="", after="\n")
@example(secret="41/sécret", stray="%", after=".")
@example(secret="1/sécret", stray="%4", after=".")
@example(secret='n"ä/secret', stray="\\", after=".")
@example(secret='u00e9/"sécret', stray="\\", after=".")
@example(secret="amp;<sécret>", stray="&", after=".")
@example(secret="0000\\t", stray="%", after="\n")
def test_what_stands_around_it_takes_nothing_of_it(
    name: str, secret: str, stray: str, after: str
) -> None:
    encoded = ENCODINGS[name](secret)
    assume(encoded not in HIDDEN)
    shown = hidden(secret, f"it said {stray}{encoded}{after}")
    assert encoded not in shown
    assert HIDDEN in shown


@settings(deadline=None, max_examples=examples(60))
@given(
    secret=SECRETS, before=st.binary(max_size=7), after=st.binary(max_size=7), safe=st.booleans()
)
@example(secret="secret", before=b"user:", after=b"", safe=False)
def test_base64_does_not_either(secret: str, before: bytes, after: bytes, safe: bool) -> None:
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    whole = encode(before + secret.encode() + after).decode()
    shown = hidden(secret, f"Basic {whole} was refused")
    assert HIDDEN in shown
    assert whole not in shown


@settings(deadline=None, max_examples=examples(60))
@given(
    secret=SECRETS,
    at=st.integers(1, 5),
    between=st.sampled_from(
        ["\n", "=\n", "<br>", "\r\n    ", "\u200b", "\u00ad", "\x1b", "\ufeff\n", "\\n", "%0A"]
    ),
)
def test_what_breaks_a_secret_does_not_save_it(secret: str, at: int, between: str) -> None:
    assume("\\" not in secret or "\\" not in between)
    broken = secret[:at] + between + secret[at:]
    shown = hidden(secret, f"it said {broken}.")
    assert broken not in shown
    assert shown.startswith(f"it said {HIDDEN}")


def test_a_long_one_is_also_found_with_its_line_end_made_a_space() -> None:
    assert hidden("correct-horse", clean("correct-\nhorse")) == HIDDEN
    assert hidden("123456", "12 3456") == "12 3456", "the numbers of two columns"


def test_a_password_of_digits_is_one_as_a_number_too() -> None:
    for config in ({"password": 12345678}, {"password": "12345678"}, {"password": "0012345678"}):
        redactor = Redactor(config)
        assert redactor.data({"rows": [{"a": 12345678, "b": 1234, "c": True}]}) == {
            "rows": [{"a": HIDDEN, "b": 1234, "c": True}]
        }
        assert redactor.text('{"a": 12345678}') == f'{{"a": {HIDDEN}}}'


def test_of_a_secret_within_another_one_nothing_of_either_is_left() -> None:
    redactor = Redactor({"password": "hunter22xy", "secret": "nter22"})
    assert redactor.text("hunter22xy!") == f"{HIDDEN}!"


@pytest.mark.parametrize("upper", [False, True])
def test_hexadecimal_does_not_show_it(upper: bool) -> None:
    digits = HARD.encode().hex()
    assert hidden(HARD, digits.upper() if upper else digits) == HIDDEN


def test_a_longer_secret_goes_before_one_that_it_begins_with() -> None:
    redactor = Redactor({"password": "hunter", "secret": "hunter22"})
    assert redactor.text("hunter22 and hunter") == f"{HIDDEN} and {HIDDEN}"


@settings(deadline=None, max_examples=examples(60))
@given(st.text(max_size=200), st.text(LETTERS, min_size=12, max_size=20))
def test_other_text_stays_as_it_is(text: str, secret: str) -> None:
    assume(secret[:6] not in text and "://" not in text)
    assert hidden(secret, text) == text


def test_what_was_learnt_is_hidden_and_old_tokens_are_let_go() -> None:
    redactor = Redactor({})
    with at_work(redactor):
        learn("gAAAAAB-first")
        assert redactor.text("token gAAAAAB-first") == f"token {HIDDEN}"
        for number in range(100):
            learn(f"gAAAAAB-{number}-x")
        assert redactor.text("gAAAAAB-first") == "gAAAAAB-first"
    learn("gAAAAAB-later")
    assert redactor.text("gAAAAAB-later") == "gAAAAAB-later", "it is of another call"


def test_an_excerpt_is_cut_after_it_was_redacted() -> None:
    class Response:
        content = json.dumps({"error": {"message": "x" * 492 + "correct-horse"}}).encode()

    with at_work(Redactor({"password": "correct-horse"})):
        assert "corr" not in spoken(Response())
        assert "corr" not in excerpt("x" * 490 + "corr\nect-horse", 500)


def test_the_issued_token_is_not_shown() -> None:
    with FakeCloud() as fake:
        told = _told(lambda request: request.headers["x-auth-token"])
        fake.route("GET /compute/v2.1/flavors/detail", told)
        _, result = dispatch("flavor.list", {}, fake.config())
    assert "token-1" not in json.dumps(result)
    assert f"it was {HIDDEN}" in json.dumps(result)


def _told(read: Callable[[Request], str]) -> Callable[[Request], Answer]:
    return lambda request: Answer({"error": {"message": f"it was {read(request)}"}}, 400)


def test_every_option_that_keystoneauth_calls_secret_is_one_here() -> None:
    names = {
        option.dest
        for loader in loading.get_available_plugin_loaders().values()
        for option in loader.get_options()
        if option.secret
    }
    assert len(names) >= 5
    found = set(secrets_in({"auth": {name: f"value of {name}" for name in names}}))
    assert found == {f"value of {name}" for name in names}


def test_a_megabyte_is_looked_through_in_no_time() -> None:
    made = random.Random(3)
    words = ["".join(made.choices(string.ascii_letters, k=8)) for _ in range(5000)]
    text = "\n".join(" ".join(made.choices(words, k=12)) for _ in range(9300))
    config = {
        str(n): {"password": "".join(made.choices(string.printable[:90], k=24))} for n in range(12)
    }
    redactor = Redactor(config)
    redactor.text("warm it up")
    started = time.process_time()
    assert redactor.text(text) == text
    assert time.process_time() - started < 0.25, "15 ms on a machine with nothing else to do"
