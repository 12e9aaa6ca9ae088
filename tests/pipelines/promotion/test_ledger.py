import dataclasses
import hashlib
import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial

import entries
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pipelines.locks import state
from pipelines.promotion import ledger

MODEL = "espalier-image-digits"
append = partial(entries.append, MODEL)
PLAIN = entries.PLAIN
# The fixtures are made once, and no example changes them.
ONCE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def chain(database) -> list[ledger.Entry]:
    """Six entries, as they come back from the database."""
    append(to_version="1")
    append("refusal", "2", from_version="1", evidence=[], reason="too slow")
    append(to_version="3", from_version="1")
    append("force", "4", from_version="3", reason="Ümläute, a “quote”, a line\nbreak")
    append("rollback", "3", from_version="4", evidence={"seconds": 1e-9})
    append("rollback", "1", from_version="3", evidence=None)
    return ledger.entries(MODEL)


def test_what_was_appended_comes_back(database):
    first, second = append(), append(to_version="2", from_version="1")
    assert ledger.entries(MODEL) == [first, second]
    assert (first.position, first.previous) == (1, ledger.GENESIS)
    assert (second.position, second.previous) == (2, first.hash)
    assert first.evidence == PLAIN["evidence"]
    assert ledger.entries("espalier-image-mnist_5k") == []


def test_a_chain_is_whole_also_when_entries_follow_the_head_and_its_champions_are_a_stack(chain):
    for head in (None, ledger.head(chain), ledger.head(chain[:3])):
        assert ledger.verify(chain, head) is None
    assert ledger.verify([]) is None
    stacks = [
        [entry.to_version for entry in ledger.champions(chain[:length])]
        for length in range(len(chain) + 1)
    ]
    assert stacks == [[], ["1"], ["1"], ["1", "3"], ["1", "3", "4"], ["1", "3"], ["1"]]


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
        mutated, entry = chain[:], chain[place]
        match kind:
            case "change":
                mutated[place] = replace(entry, **{field: value})
            case "forge":
                mutated[place] = rehashed(replace(entry, **{field: value}))
            case "remove":
                del mutated[place]
            case "swap":
                mutated[place], mutated[other] = chain[other], entry
            case "insert":
                mutated.insert(place, chain[other])
            case "cut":
                del mutated[place:]
            case "rewrite":
                mutated[place] = replace(entry, reason="another")
                for number in range(place, 6):
                    before = mutated[number - 1].hash if number else ledger.GENESIS
                    mutated[number] = rehashed(replace(mutated[number], previous=before))
        return mutated

    return mutate


def rehashed(entry: ledger.Entry) -> ledger.Entry:
    """The entry with the hash that it should have: by someone who knows how it is made."""
    facts = dataclasses.asdict(entry)
    del facts["hash"]
    try:
        canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):  # NaN has none
        return entry
    return replace(entry, hash=hashlib.sha256(canonical.encode()).hexdigest())


def same(one: list[ledger.Entry], other: list[ledger.Entry]) -> bool:
    # 1, 1.0 and True are equal in Python, and are not the same in a record.
    return repr(one) == repr(other)


@settings(ONCE, max_examples=500)
@given(mutate=mutations())
def test_any_mutation_of_a_chain_is_found(chain, mutate):
    mutated = mutate(chain)
    found = ledger.verify(mutated, ledger.head(chain))
    assert (found is None) == same(mutated, chain)


BREAKS = [
    (lambda c: [c[0], replace(c[1], reason="x"), *c[2:]], "entry 2 was changed"),
    (lambda c: [c[0], *c[2:]], "entry 2 is missing"),
    (lambda c: [c[0], c[2], c[1], *c[3:]], "entry 2 is missing"),
    (lambda c: [c[0], c[0], *c[1:]], "entry 2 is missing: entry 1 stands"),
    (lambda c: [c[0], rehashed(replace(c[1], who="me")), *c[2:]], "entry 3 does not follow"),
    (lambda c: c[:4], "the end was cut: 6 entries were noted, 4 are left"),
    (lambda c: [*c[:5], rehashed(replace(c[5], who="me"))], "entry 6 is not the one that was"),
]


@pytest.mark.parametrize(("mutate", "message"), BREAKS)
def test_the_first_break_is_named(chain, mutate, message):
    assert message in ledger.verify(mutate(chain), ledger.head(chain))


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(ONCE, max_examples=50)
@given(evidence=JSON)
def test_evidence_comes_back_as_it_was(database, evidence):
    appended = append(evidence=evidence)
    last = ledger.entries(MODEL)[-1]
    assert repr(last) == repr(appended)
    assert last.evidence == evidence
    assert ledger.verify(ledger.entries(MODEL)) is None


@pytest.mark.parametrize("value", [math.nan, -math.inf, {1, 2}, b"bytes", object()])
def test_evidence_that_is_no_json_is_refused(database, value):
    with pytest.raises((TypeError, ValueError)):
        append(evidence=[{"score": value}])
    assert ledger.entries(MODEL) == []


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


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("sqlite", "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE position = 2"),
        pytest.param("postgresql", "TRUNCATE ledger", marks=pytest.mark.slow),
    ],
    indirect=["database"],
)
def test_a_database_s_own_ways_to_rewrite_are_shut(chain, statement):
    with pytest.raises(DBAPIError, match="append-only"), state.transaction() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET from_version = NULL WHERE position = 3",
        "UPDATE ledger SET evidence = 'no JSON' WHERE position = 1",
        "UPDATE ledger SET evidence = '[NaN]' WHERE position = 1",
        "DELETE FROM ledger WHERE position = 6",
        "DELETE FROM ledger",
    ],
)
def test_who_gets_round_the_database_is_found(chain, statement):
    entries.rewritten(statement)
    assert ledger.verify(ledger.entries(MODEL), ledger.head(chain)) is not None


def test_an_entry_beside_a_head_that_has_moved_is_refused(chain):
    for head in (ledger.head([]), ledger.head(chain[:5]), (6, "0" * 64), (7, chain[-1].hash)):
        with pytest.raises(ledger.LedgerMovedError, match="run it again"):
            append(head=head)
    assert ledger.entries(MODEL) == chain


# Appends `turns` entries, each beside the head that it reads, and says how many were refused.
ADDING = f"""
import itertools, sys
from pipelines.promotion import ledger
refused = 0
for turn in itertools.count():
    if turn == int(sys.argv[1]):
        break
    while True:
        head = ledger.head(ledger.entries({MODEL!r}))
        try:
            decision = ledger.Decision({MODEL!r}, "promotion", to_version="1", **{PLAIN!r})
            added = ledger.append(decision, head)
            break
        except ledger.LedgerMovedError:
            refused += 1
    print(added.position, flush=True)
print(refused)
"""


def adding(turns: int) -> subprocess.Popen:
    command = [sys.executable, "-c", ADDING, str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_of_entries_beside_one_head_one_is_added(database):
    """Nobody holds a lock here: the compare-and-set alone keeps the chain whole."""
    processes = [adding(20) for _ in range(4)]
    printed = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    chain = ledger.entries(MODEL)
    assert ledger.verify(chain) is None
    assert sorted(int(place) for lines in printed for place in lines[:-1]) == [*range(1, 81)]
    assert len(chain) == 80


def test_a_process_that_is_killed_while_it_adds_leaves_a_whole_chain(database):
    for _ in range(3):
        with adding(-1) as process:
            for _ in range(5):
                added = int(process.stdout.readline())
            process.kill()
        chain = ledger.entries(MODEL)
        assert ledger.verify(chain) is None
        assert len(chain) >= added
