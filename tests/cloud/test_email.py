"""Mail to the owners of devcloud's estate: eight users, one of whom nobody can write to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from devcloud.settings import Settings
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.mail_cloud import left, read, told
from support.smtp_server import SmtpServer

#: Who has servers in the estate, and whom of them Keystone has no address of.
MUTE = "farid"
WORDS = {"resource": "server", "subject": "Your servers", "text": "These are yours."}


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer(security="none") as server:
        yield server


@pytest.fixture
def writer(operator: Operator, server: SmtpServer) -> Operator:
    """An operator who can send mail."""
    return _with_mail(operator, server)


def _with_mail(operator: Operator, server: SmtpServer) -> Operator:
    operator.config["smtp_accounts"] = [server.account()]
    operator.config["email"] = {"operators": "ops@example.org", "retry_for": "5s"}
    return operator


@pytest.fixture
def estate(sdk: Connection) -> dict[str, list[str]]:
    """The names of the estate's servers by their user's name, as the SDK says."""
    users = {user.id: user.name for user in sdk.identity.users()}
    found: dict[str, list[str]] = {}
    for one in sdk.compute.servers(all_projects=True):
        found.setdefault(users[one.user_id], []).append(one.name)
    return {name: sorted(servers) for name, servers in found.items()}


def test_each_owner_gets_one_mail_with_all_their_servers(
    writer: Operator, server: SmtpServer, estate: dict[str, list[str]]
) -> None:
    ended = writer.done("email.query", select="name,status", **_asked(estate))
    known = {f"{name}@example.org": own for name, own in estate.items() if name in _people(estate)}
    got = {mail.recipient: told(read(mail.data)) for mail in server.accepted}
    assert len(server.accepted) == len(got)
    assert sorted(got) == sorted(known)
    for recipient, own in known.items():
        words = got[recipient].split()
        assert [word for word in words if word in own] == own, recipient
        others = {name for other in known.values() if other is not own for name in other}
        assert not others & set(words) - set(own)
    (who,) = left(ended.result)
    assert who.startswith(f"{MUTE} (research: ")
    assert left(ended.result)[who] == "no address"
    assert all(name in who for name in estate[MUTE])

    again = writer.done("email.query", select="name,status", **_asked(estate))
    assert len(server.accepted) == len(known), again


def _people(estate: dict[str, list[str]]) -> set[str]:
    """Return those of the seed's users who have servers and an address."""
    everybody = {"alice", "bruno", "chiara", "dmitri", "elif", "grace", "hiro"}
    return everybody & set(estate)


def _asked(estate: dict[str, list[str]]) -> dict[str, Any]:
    """Return a query of what the seed's users have; tests boot servers as somebody else."""
    names = ", ".join(sorted({*_people(estate), MUTE}))
    return {**WORDS, "where": f"user.name any_in ({names})", "sort_by": "name"}


def test_the_operators_are_told_who_was_not(
    writer: Operator, server: SmtpServer, estate: dict[str, list[str]]
) -> None:
    writer.done("email.query", tell_operators=True, **_asked(estate))
    (report,) = [mail for mail in server.accepted if mail.recipient == "ops@example.org"]
    said = told(read(report.data))
    assert MUTE in said
    assert all(name in said for name in estate[MUTE])


def test_contacts_of_projects_and_members(
    writer: Operator, server: SmtpServer, estate: dict[str, list[str]]
) -> None:
    writer.config["email"]["contact_property"] = "contact"
    writer.done("email.query", owner="project_contact", **_asked(estate))
    contacts = {mail.recipient for mail in server.accepted}
    assert "shop-team@example.org" in contacts
    writer.config["email"]["owner_role"] = "manager"
    writer.done("email.query", owner="role", campaign="managers", **_asked(estate))
    managers = {mail.recipient for mail in server.accepted} - contacts
    assert managers >= {"alice@example.org", "chiara@example.org"}
    assert "bruno@example.org" not in managers, "he is only a member"


def test_it_takes_few_requests_one_login_and_one_session(
    proxied: Proxied, server: SmtpServer, estate: dict[str, list[str]]
) -> None:
    operator = _with_mail(proxied.operator, server)
    operator.done("email.query", **_asked(estate))
    proxy = proxied.proxy
    assert len(proxy.logins()) == 1
    listings = [r for r in proxy.requests if r.method == "GET" and r.path.count("/") > 2]
    assert len(listings) <= 8, [r.path for r in listings]
    assert proxy.changes() == []
    assert server.connections == 1


def test_previews_show_what_would_be_sent(
    writer: Operator, server: SmtpServer, estate: dict[str, list[str]], folder: Path
) -> None:
    shown = writer.dry_run(
        "email.query", preview_dir=str(folder / "look"), campaign="look", **_asked(estate)
    )
    files = sorted(path.name for path in (folder / "look" / "look").iterdir())
    assert len(files) == 2 * len(_people(estate))
    assert server.accepted == []
    assert f"{len(_people(estate))} recipients" in shown.text


def test_exact_names_only(writer: Operator, devcloud: Settings) -> None:
    writer.refused(
        "email.retiring_image", "no image 'debian'", image="debian", end_date="2999-01-01"
    )
    writer.refused(
        "email.retiring_flavor", "is in the past", flavor="m1.small", end_date="2020-01-01"
    )
