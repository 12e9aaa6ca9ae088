"""Issuing, listing and removing the tokens of clients."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from forked import started

from pipelines.commands import tokens
from pipelines.runtime.settings import UsageError


def test_a_token_is_shown_once_and_ends_when_it_should(home):
    assert tokens.listed() is None
    issued = tokens.add("shop", ["predict", "metrics", "predict"], "90d")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", issued.token)
    [client] = tokens.listed()
    assert client == issued.client
    assert client.scopes == ("predict", "metrics")
    left = client.expires - datetime.now(UTC)
    assert timedelta(days=90) - timedelta(minutes=1) < left <= timedelta(days=90)
    tokens.remove("shop")
    assert tokens.listed() == []


@pytest.mark.parametrize(
    ("name", "scopes", "expires", "says"),
    [
        ("a b", ["predict"], None, "up to 64 letters"),
        ("x" * 65, ["predict"], None, "up to 64 letters"),
        ("default", ["predict"], None, "and not default"),
        ("shop", ["predikt"], None, "did you mean 'predict'?"),
        ("shop", ["predict"], "0d", "--expires is '0d'"),
        ("shop", ["predict"], "soon", "90d or 12h"),
        ("taken", ["predict"], None, "there is a client taken"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(home, name, scopes, expires, says):
    tokens.add("taken", ["predict"], None)
    before = tokens.file().read_bytes()
    with pytest.raises(UsageError, match=re.escape(says)):
        tokens.add(name, scopes, expires)
    with pytest.raises(UsageError, match="did you mean 'taken'"):
        tokens.remove("takem")
    assert tokens.file().read_bytes() == before


@pytest.mark.slow
def test_clients_that_are_added_at_once_are_all_there(home):
    names = [f"client-{number}" for number in range(6)]
    processes = [started(home, tokens.add, name, ["predict"], None) for name in names]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert [client.name for client in tokens.listed()] == names
