import dataclasses
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pipelines.locks import lock, state
from pipelines.promotion import ledger

MODEL = "espalier-image-digits"
PLAIN = {
    "from_version": None,
    "run_id": "0a1b",
    "fingerprint": "f" * 64,
    "dataset_hash": "d" * 32 + ".dir",
    "evidence": [{"name": "floor", "passed": True, "evidence": "0.93 > 0.11", "score": 0.1 + 0.2}],
    "reason": None,
}


def append(held, action="promotion", to_version="1", **changes) -> ledger.Entry:
    return ledger.append(held, MODEL, action, **PLAIN | {"to_version": to_version} | changes)


@pytest.fixture
def held(database):
    with lock.hold("image") as held:
        yield held


@pytest.fixture
def chain(held) -> list[ledger.Entry]:
    """Six entries, as they come back from the database."""
    append(held, to_version="1")
    append(held, "refusal", "2", from_version="1", evidence=[], reason="too slow")
    append(held, to_version="3", from_version="1")
    append(held, "force", "4", from_version="3", reason="Ümläute, a “quote”, a line\nbreak")
    append(held, "rollback", "3", from_version="4", evidence={"seconds": 1e-9})
    append(held, "rollback", "1", from_version="3", evidence=None)
    return ledger.entries(MODEL)


def head(chain: list[ledger.Entry]) -> tuple[int, str]:
    return len(chain), chain[-1].hash


def test_what_was_appended_comes_back(held):
    first, second = append(held), append(held, to_version="2", from_version="1")
    assert ledger.entries(MODEL) == [first, second]
    assert (first.position, first.previous) == (1, ledger.GENESIS)
    assert (second.position, second.previous) == (2, first.hash)
    assert first.token == held.token
    assert first.evidence == PLAIN["evidence"]
    assert ledger.entries("espalier-image-mnist_5k") == []


def test_a_chain_is_whole_also_when_entries_follow_the_head(chain):
    assert ledger.verify(chain) is None
    assert ledger.verify(chain, head(chain)) is None
    assert ledger.verify(chain, head(chain[:3])) is None
    assert ledger.verify([]) is None


def test_the_standing_versions_are_a_stack(chain):
    stacks = [ledger.standing(chain[:length]) for length in range(len(chain) + 1)]
    assert stacks == [[], ["1"], ["1"], ["1", "3"], ["1", "3", "4"], ["1", "3"], ["1"]]


# On the entries: every single mutation is found. The chain is made once; no example changes it.

FIELDS = [field.name for field in dataclasses.fields(ledger.Entry)]
OTHER = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


@st.composite
def mutations(draw):
    """A function that changes one thing in a chain of six, and a word for it."""
    kind = draw(st.sampled_from(["change", "forge", "remove", "swap", "insert", "cut", "rewrite"]))
    place, other = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    field, value = draw(st.sampled_from(FIELDS)), draw(OTHER)

    def mutate(chain: list[ledger.Entry]) -> list[ledger.Entry]:
        if kind in ("change", "forge"):
            changed = dataclasses.replace(chain[place], **{field: value})
            return [
                *chain[:place],
                rehashed(changed) if kind == "forge" else changed,
                *chain[place + 1 :],
            ]
        if kind == "remove":
            return chain[:place] + chain[place + 1 :]
        if kind == "swap":
            mutated = chain[:]
            mutated[place], mutated[other] = mutated[other], mutated[place]
            return mutated
        if kind == "insert":
            return [*chain[:place], chain[other], *chain[place:]]
        if kind == "cut":
            return chain[:place]
        anew = [
            *chain[:place],
            dataclasses.replace(chain[place], reason="another"),
            *chain[place + 1 :],
        ]
        for number in range(place, 6):
            before = anew[number - 1].hash if number else ledger.GENESIS
            anew[number] = rehashed(dataclasses.replace(anew[number], previous=before))
        return anew

    return mutate


def rehashed(entry: ledger.Entry) -> ledger.Entry:
    """The entry with the hash that it should have: by someone who knows how it is made."""
    facts = dataclasses.asdict(entry)
    del facts["hash"]
    try:
        return dataclasses.replace(entry, hash=ledger._hash(facts))
    except (TypeError, ValueError):  # NaN has none
        return entry


def same(one: list[ledger.Entry], other: list[ledger.Entry]) -> bool:
    # 1, 1.0 and True are equal in Python, and are not the same in a record.
    return repr(one) == repr(other)


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mutate=mutations())
def test_any_mutation_of_a_chain_is_found(chain, mutate):
    mutated = mutate(chain)
    found = ledger.verify(mutated, head(chain))
    assert (found is None) == same(mutated, chain)


@pytest.mark.parametrize(
    ("mutate", "told"),
    [
        (lambda c: [c[0], dataclasses.replace(c[1], reason="x"), *c[2:]], "entry 2 was changed"),
        (lambda c: [c[0], *c[2:]], "entry 2 is missing"),
        (lambda c: [c[0], c[2], c[1], *c[3:]], "entry 2 is missing"),
        (lambda c: [c[0], c[0], *c[1:]], "entry 2 is missing: entry 1 stands"),
        (
            lambda c: [c[0], rehashed(dataclasses.replace(c[1], who="me@here")), *c[2:]],
            "entry 3 does not follow entry 2",
        ),
        (lambda c: c[:4], "the end was cut: 6 entries were noted, 4 are left"),
        (
            lambda c: [*c[:5], rehashed(dataclasses.replace(c[5], who="me@here"))],
            "entry 6 is not the one that was noted",
        ),
    ],
)
def test_the_first_break_is_named(chain, mutate, told):
    assert told in ledger.verify(mutate(chain), head(chain))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(evidence=JSON)
def test_evidence_comes_back_as_it_was(held, evidence):
    appended = append(held, evidence=evidence)
    last = ledger.entries(MODEL)[-1]
    assert repr(last) == repr(appended)
    assert last.evidence == evidence
    assert ledger.verify(ledger.entries(MODEL)) is None


@pytest.mark.parametrize("value", [math.nan, -math.inf, {1, 2}, b"bytes", object()])
def test_evidence_that_is_no_json_is_refused(held, value):
    with pytest.raises(ValueError, match="evidence must be a JSON value"):
        append(held, evidence=[{"score": value}])
    assert ledger.entries(MODEL) == []


# In the database.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET reason = 'another' WHERE position = 2",
        "DELETE FROM ledger WHERE position = 6",
        "INSERT INTO ledger SELECT * FROM ledger WHERE position = 2",
    ],
)
def test_the_database_refuses_to_rewrite(chain, statement):
    with pytest.raises(DBAPIError), state.transaction() as connection:
        connection.execute(text(statement))
    assert ledger.entries(MODEL) == chain


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_refuses_to_replace(chain):
    replace = "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE position = 2"
    with pytest.raises(DBAPIError, match="append-only"), state.transaction() as connection:
        connection.execute(text(replace))


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postgresql_refuses_to_empty_the_table(chain):
    with pytest.raises(DBAPIError, match="append-only"), state.transaction() as connection:
        connection.execute(text("TRUNCATE ledger"))


UNGUARD = {
    "sqlite": ("unchanged", "undeleted", "unreplaced"),
    "postgresql": ("unchanged",),
}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET who = 'me@here' WHERE position = 3",
        "UPDATE ledger SET to_version = '7' WHERE position = 6",
        "UPDATE ledger SET from_version = NULL WHERE position = 3",
        "UPDATE ledger SET evidence = 'no JSON' WHERE position = 1",
        "UPDATE ledger SET evidence = '[NaN]' WHERE position = 1",
        "UPDATE ledger SET position = 9 WHERE position = 6",
        "DELETE FROM ledger WHERE position = 1",
        "DELETE FROM ledger WHERE position = 6",
        "DELETE FROM ledger",
        "DROP TABLE ledger",
    ],
)
def test_who_gets_round_the_database_is_found(chain, database, statement):
    with state.transaction() as connection:
        for trigger in UNGUARD[database]:
            table = " ON ledger" if database == "postgresql" else ""
            connection.execute(text(f"DROP TRIGGER ledger_{trigger}{table}"))
        connection.execute(text(statement))
    state._engine.cache_clear()  # as a process that starts later
    assert ledger.verify(ledger.entries(MODEL), head(chain)) is not None


def test_entries_that_are_added_at_once_are_one_chain(held):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: append(held, to_version=str(number)), range(40)))
    chain = ledger.entries(MODEL)
    assert sorted(int(entry.to_version) for entry in chain) == list(range(40))
    assert ledger.verify(chain) is None


def test_a_process_that_is_killed_while_it_adds_leaves_a_whole_chain(database):
    adding = f"""
from pipelines import lease, ledger
with lease.hold("image") as held:
    while True:
        print(ledger.append(held, {MODEL!r}, "promotion", to_version="1", **{PLAIN!r}).position,
            flush=True)
"""
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", adding], stdout=subprocess.PIPE)
        with process:
            for _ in range(5):
                added = int(process.stdout.readline())
            process.kill()
        chain = ledger.entries(MODEL)
        assert ledger.verify(chain) is None
        assert len(chain) >= added
