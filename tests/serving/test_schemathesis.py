"""Schemathesis asks a real server what its own description allows, and what it forbids.

    ESPALIER_CASES=5000 python -m pytest tests/serving/test_schemathesis.py -m slow

CASES for each endpoint that a model answers, half of them by the schema and half against it; a
quarter as many for what is only read. The whole 5,000 take a quarter of an hour of one core, so
that every run of the slow tests takes fewer.
"""

import os

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("ESPALIER_CASES", "300"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
ANSWERED = [
    *(f"/v1/{task}" for task in ("image", "sentiment", "forecast")),
    *(
        f"/v2/models/{task}{version}/infer"
        for task in ("image", "sentiment", "forecast")
        for version in ("", "/versions/{version}")
    ),
]


@pytest.fixture(scope="module")
def description(own_server):
    return schemathesis.openapi.from_url(f"{own_server.client.base_url}/docs.json")


@pytest.fixture(scope="module")
def session():
    with requests.Session() as opened:
        yield opened


def ask(session, operation, mode: GenerationMode, cases: int) -> int:
    """Send cases of one operation and check the answers; returns how many there were."""
    sent = 0

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def run(case):
        nonlocal sent
        sent += 1
        case.call_and_validate(session=session, checks=CHECKS)

    run()
    return sent


def test_every_endpoint_is_described(description):
    posts = {one.ok().path for one in description.get_all_operations() if one.ok().method == "post"}
    assert posts == set(ANSWERED)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", ANSWERED)
def test_an_endpoint(own_server, description, session, path, mode):
    before = own_server.processes()
    assert ask(session, description[path]["POST"], mode, CASES // 2) >= CASES // 2
    assert own_server.processes() == before
    assert own_server.ready()


def test_what_is_only_read(own_server, description, session):
    for one in description.get_all_operations():
        operation = one.ok()
        if operation.method == "get":
            ask(session, operation, GenerationMode.POSITIVE, CASES // 4)
