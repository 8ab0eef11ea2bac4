"""What the session takes from the environment: proxies and certificates, once for each host."""

from __future__ import annotations

import pytest
import requests

from accounts import session


def test_the_environment_is_looked_into_once_for_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example.org")
    looked: list[str] = []
    look = requests.sessions.get_environ_proxies

    def looking(url: str, **how: object) -> object:
        looked.append(url)
        return look(url, **how)

    monkeypatch.setattr(requests.sessions, "get_environ_proxies", looking)
    plain = session._plain(requests.adapters.HTTPAdapter())
    for turn, (host, proxied) in enumerate((("inside", False), ("outside", True)) * 3):
        url = f"http://{host}.example.org/v3/{turn}"
        settings = plain.merge_environment_settings(url, {}, None, True, None)
        assert ("http" in settings["proxies"]) is proxied
        settings["proxies"].clear()  # as whoever is given it may do
    assert len(looked) == 2
