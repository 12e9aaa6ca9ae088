"""What an error says of an input: the score, the threshold, and what travels as JSON."""

import json

import numpy as np
import pytest

from models.artifact import artifact
from models.familiarity import familiarity
from models.familiarity.familiarity import KEPT, SLACK, THRESHOLD, TOLERANCE, Familiarity
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs

SERIES = SeriesInputs(2, 1, 0.0, 1.0)


def calibrated(errors) -> Familiarity:
    return Familiarity.calibrate(SERIES, np.asarray(errors, np.float32)[:, None])


def scores(guard: Familiarity, *errors: float) -> list[float]:
    answers = guard.to_answers(np.array(errors, np.float32)[:, None])
    return [answer["familiarity"] for answer in answers]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([3.0, 1.0, 2.0], {0.5: 1.0, 1.5: 0.75, 2.5: 0.5, 9.0: 0.25}),
        (  # one as large as others counts them all
            [2.0] * 50 + [5.0] * 49,
            {2.0: 1.0, 2.0 * (1 + SLACK / 2): 1.0, 2.0 * (1 - SLACK / 2): 1.0, 2.1: 0.5},
        ),
    ],
)
def test_the_score_is_the_share_of_errors_at_least_as_large_oneself_counted_in(errors, expected):
    assert scores(calibrated(errors), *expected) == list(expected.values())


def test_of_rows_like_those_of_validation_one_in_a_hundred_is_unfamiliar():
    random = np.random.default_rng(0)
    guard = calibrated(random.lognormal(size=5000))
    answers = guard.to_answers(random.lognormal(size=(50_000, 1)).astype(np.float32))
    strange = [not answer["familiar"] for answer in answers]
    assert np.mean(strange) == pytest.approx(THRESHOLD, abs=0.003)
    assert all(answer["familiar"] == (answer["familiarity"] >= THRESHOLD) for answer in answers)


def test_the_errors_that_are_kept_stand_for_all():
    errors = np.random.default_rng(0).lognormal(size=20_000)
    few, all_of_them = calibrated(errors), Familiarity(SERIES, np.sort(errors))
    assert len(few.errors) == KEPT
    tried = np.quantile(errors, [0.01, 0.3, 0.9, 0.99, 1.0])
    assert scores(few, *tried) == pytest.approx(scores(all_of_them, *tried), abs=0.002)


@pytest.mark.parametrize("error", [np.nan, np.inf, 1e30])
def test_what_has_no_finite_error_is_not_familiar(error):
    [answer] = calibrated(np.ones(200)).to_answers(np.array([[error]], np.float32))
    assert answer == {"familiar": False, "familiarity": 1 / 201}


@pytest.mark.parametrize(
    "inputs",
    [
        ImageInputs(8, 9, 3, ("cat", "dög")),
        TextInputs(5, ("good", "bad"), ("negative", "positive")),
        SeriesInputs(3, 2, 5.5, 1.25),
    ],
)
def test_it_comes_back_from_its_file_as_it_went(tmp_path, inputs):
    assert artifact.read_familiarity(tmp_path) is None
    guard = Familiarity.calibrate(inputs, np.random.default_rng(0).random((40, 1), np.float32))
    artifact.write_familiarity(tmp_path, guard)
    read = artifact.read_familiarity(tmp_path)
    assert read == guard
    assert np.array_equal(read.errors, guard.errors)
    assert json.loads((tmp_path / "familiarity.json").read_bytes())["threshold"] == THRESHOLD


@pytest.fixture
def run():
    """A guard's graph that notes what it reads, in `run.read`."""

    def answered(tensor: np.ndarray) -> np.ndarray:
        answered.read.append(tensor)
        return np.abs(tensor).sum(axis=1, keepdims=True)

    answered.read = []
    return answered


def test_the_model_s_tensor_is_taken_where_the_guard_would_make_the_same(run):
    guard = calibrated(np.ones(200))
    tensor = SERIES.to_tensor([[0.1, 0.2]])
    [same] = guard.judge(run, [[0.1, 0.2]], SERIES, tensor)
    assert run.read[0] is tensor
    other = SeriesInputs(1, 1, 0.0, 2.0)
    [again] = guard.judge(run, [[0.1, 0.2]], other, other.to_tensor([[0.1, 0.2]]))
    assert np.array_equal(run.read[1], tensor)
    assert same == again


def test_a_model_that_knows_pairs_of_the_same_words_reads_otherwise(run):
    texts, labels = ["good film", "bad film"], ("negative", "positive")
    plain = TextInputs.fit(texts, labels, 50, 4)
    pairs = TextInputs.fit(texts, labels, 50, 4, ngrams=2)
    assert plain.vocabulary == pairs.vocabulary
    guard = Familiarity.calibrate(plain, np.ones((200, 1), np.float32))
    guard.judge(run, texts, pairs, pairs.to_tensor(texts))
    assert np.array_equal(run.read[0], plain.to_tensor(texts))


@pytest.mark.parametrize(
    ("expected", "answer", "equal"),
    [
        ((True, 0.5), (True, 0.5 + TOLERANCE / 2), True),
        ((True, 0.5), (True, 0.5 + 2 * TOLERANCE), False),
        ((True, 0.5), (False, 0.5), False),
        ((True, THRESHOLD), (False, THRESHOLD - 0.001), True),
    ],
)
def test_two_answers_agree_up_to_a_few_steps(expected, answer, equal):
    expected, answer = (
        {"familiar": familiar, "familiarity": score} for familiar, score in (expected, answer)
    )
    assert familiarity.agree(expected, answer) is equal


def test_what_was_not_expected_may_be_said_and_what_was_must_be():
    said = {"familiar": True, "familiarity": 0.5}
    assert familiarity.agree({}, said)
    assert not familiarity.agree(said, {})
