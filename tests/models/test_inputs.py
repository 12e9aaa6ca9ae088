"""From raw input to tensor and back: what is accepted, and that nothing but InputError escapes."""

import contextlib
import io
import json
import math
import struct
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from models.inputs import images, kinds
from models.inputs.errors import InputError
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs, words_of

DIGITS = tuple("0123456789")
GREY = ImageInputs(8, 8, 1, DIGITS)
COLOUR = ImageInputs(8, 8, 3, DIGITS)
TEXT = TextInputs(6, ("good", "bad", "film", "dont"), ("negative", "positive"))
_random = np.random.default_rng(0)
SERIES = SeriesInputs(4, 3, 150.0, 50.0).calibrated(
    np.zeros((199, 3), np.float32), 150 + 50 * _random.normal(size=(199, 3))
)


def file_of(picture, kind="PNG", **options) -> bytes:
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def refused(code: str, call, *arguments, **options) -> str:
    """Return the one clear sentence with which `call` refuses."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.code == code
    message = caught.value.message
    assert message.isascii()
    assert message.endswith(".")
    assert len(message) < 200
    return message


# --- pictures


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)


def test_a_file_and_its_pixels_give_the_same_tensor(pixels):
    tensor = GREY.to_tensor(pixels[None, ..., None])
    assert tensor.dtype == np.float32
    assert tensor.shape == (1, 8, 8, 1)
    assert (tensor.min() >= 0) & (tensor.max() <= 1)
    assert np.array_equal(GREY.to_tensor([file_of(pixels)]), tensor)
    assert np.array_equal(GREY.to_tensor([file_of(pixels, "WEBP", lossless=True)]), tensor)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read(mode):
    file = file_of(Image.new(mode, (11, 5)))
    for inputs in (GREY, COLOUR):
        tensor = inputs.to_tensor([file])
        assert tensor.shape == (1, 8, 8, inputs.channels)
        assert np.isfinite(tensor).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_mode_of_jpeg_is_read(mode):
    assert COLOUR.to_tensor([file_of(Image.new(mode, (9, 9)), "JPEG")]).shape == (1, 8, 8, 3)


def test_sixteen_bits_are_scaled_and_not_clipped(pixels):
    deep = pixels.astype(np.uint16) << 8
    assert np.array_equal(GREY.to_tensor([file_of(deep)]), GREY.to_tensor([file_of(pixels)]))


def test_what_is_transparent_is_seen_over_white():
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.putpixel((3, 2), (0, 0, 0, 255))
    tensor = GREY.to_tensor([file_of(picture)])[0, :, :, 0]
    assert tensor[2, 3] == 0
    assert tensor.sum() == 63


def test_exif_turns_the_picture(pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = GREY.to_tensor([file_of(pixels, exif=exif)])
    assert np.array_equal(turned, GREY.to_tensor([file_of(np.rot90(pixels, -1).copy())]))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_picture_in_bands_is_what_it_is_in_one_piece(mode, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 4), dtype=np.uint8)
    picture, options = Image.fromarray(noise), {"exif": Image.Exif()}
    options["exif"][0x0112] = 8
    if mode == "I;16":
        picture = Image.fromarray(noise.view(np.uint16)[..., 0])
    elif mode == "P":
        picture = picture.convert("RGB").quantize(64)
        options["transparency"] = bytes(range(64))
    else:
        picture = picture.convert(mode)
    file = file_of(picture, **options)
    whole = [inputs.to_tensor([file]) for inputs in (GREY, COLOUR)]
    for pixels in (1, 700, 6000):  # a band has one row, ten rows, nearly all
        monkeypatch.setattr(images, "BAND_PIXELS", pixels)
        for inputs, expected in zip((GREY, COLOUR), whole, strict=True):
            assert np.array_equal(inputs.to_tensor([file]), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_when_it_is_small_already(orientation):
    noise = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(file_of(noise, exif=exif))))
    flat = ImageInputs(9, 5, 1, DIGITS)  # a mistaken side would show
    off = flat.to_tensor([file_of(noise, exif=exif)]) - flat.to_tensor([file_of(upright)])
    assert np.abs(off).max() < 1.01 / 255


def test_what_is_half_transparent_is_half_white():
    picture = Image.new("RGBA", (8, 8), (0, 100, 200, 128))
    expected = [255 * 127 / 255, (100 * 128 + 255 * 127) / 255, (200 * 128 + 255 * 127) / 255]
    tensor = COLOUR.to_tensor([file_of(picture)])[0] * 255
    assert np.abs(tensor - expected).max() <= 1
    grey = np.dot([0.299, 0.587, 0.114], expected)
    assert np.abs(GREY.to_tensor([file_of(picture)]) * 255 - grey).max() <= 1.5


def test_another_size_is_stretched_alike_from_pixels_and_from_a_file():
    large = np.random.default_rng(0).integers(0, 256, (21, 30, 3), dtype=np.uint8)
    from_pixels = COLOUR.to_tensor(large[None])
    assert from_pixels.shape == (1, 8, 8, 3)
    assert np.array_equal(COLOUR.to_tensor([file_of(large)]), from_pixels)


def test_the_size_comes_from_the_training_pictures():
    arrays = np.zeros((3, 28, 20, 1), np.uint8)
    assert ImageInputs.fit(arrays, DIGITS).sizes() == {
        "height": 28,
        "width": 20,
        "channels": 1,
        "classes": 10,
    }
    assert ImageInputs.fit(arrays, DIGITS, size=14).height == 14
    grey, colour = file_of(Image.new("L", (30, 40))), file_of(Image.new("RGB", (30, 40)))
    files = np.array([grey, grey], object)
    assert ImageInputs.fit(files, DIGITS).channels == 1
    mixed = ImageInputs.fit(np.array([grey, colour], object), DIGITS)
    assert (mixed.height, mixed.width, mixed.channels) == (64, 64, 3)
    assert mixed.to_tensor(files).shape == (2, 64, 64, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_picture_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = file_of(noise, kind)
    for share in (0.0, 0.01, 0.3, 0.9):
        refused("not_an_image", COLOUR.to_tensor, [file[: int(len(file) * share)]])


BITMAP = file_of(Image.new("L", (9, 9)), "BMP")


@pytest.mark.parametrize("sent", [b"", b"GIF89a", bytes(100), BITMAP, "text", None, 3, [1, 2]])
def test_what_is_not_a_picture_is_refused(sent):
    refused("not_an_image", GREY.to_tensor, [sent])


def test_a_picture_with_too_many_pixels_is_refused_by_its_header():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    start = file_of(Image.new("RGB", (8, 8)))
    bomb = start[:16] + header + start[29:]  # the checksum is wrong, too: no matter
    with pytest.raises(InputError):
        COLOUR.to_tensor([bomb])
    for side in (4001, 10_000, 14_000):  # from 9,460 on Pillow warns, from 13,400 on it raises
        file = file_of(Image.new("1", (side, side)))
        assert "16,000,000" in refused("image_too_large", GREY.to_tensor, [file])


def test_a_webp_may_have_as_many_pixels_as_a_screen():
    """Its decoder takes four times as much memory for each."""
    file = file_of(Image.new("RGB", (3840, 2161)), "WEBP", quality=0, method=0)
    assert GREY.to_tensor([file]).shape == (1, 8, 8, 1)
    file = file_of(Image.new("RGB", (4000, 2100)), "WEBP", quality=0, method=0)
    assert "8,300,000" in refused("image_too_large", GREY.to_tensor, [file])


@pytest.mark.parametrize("size", [(1, 65_536), (65_536, 1)])
def test_a_line_of_pixels_is_refused(size):
    message = refused("image_too_large", GREY.to_tensor, [file_of(Image.new("1", size))])
    assert "65,535 on a side" in message


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch):
    decoding, together = [], Barrier(4)

    def alone(picture, mode, size):
        decoding.append(picture)
        time.sleep(0.02)
        assert decoding == [picture]
        decoding.remove(picture)
        return Image.new(mode, size)

    def beside_others(picture, mode, size):
        together.wait(60)
        return Image.new(mode, size)

    for side, prepared in ((708, alone), (28, beside_others)):
        monkeypatch.setattr(images, "_prepared", prepared)
        files = [[file_of(Image.new("1", (side, side)))]] * 4
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(GREY.to_tensor, files))


def test_an_error_keeps_no_pixels():
    """The request log keeps it for half a second, and others with it."""
    file = file_of(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8))
    with pytest.raises(InputError) as caught:
        GREY.to_tensor([file[:-300]])
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    held = [frame.f_locals.values() for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert not any(isinstance(value, Image.Image) for values in held for value in values)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    file = file_of(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "3 frames" in refused("animated_image", COLOUR.to_tensor, [file])


_FILES = [
    file_of(np.random.default_rng(1).integers(0, 256, (12, 9, 3), dtype=np.uint8), kind)
    for kind in ("PNG", "JPEG", "WEBP")
]


@settings(deadline=None)
@given(st.data())
def test_broken_pictures_raise_nothing_but_input_error(data):
    file = bytearray(data.draw(st.sampled_from(_FILES)))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        assert COLOUR.to_tensor([bytes(file)]).shape == (1, 8, 8, 3)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_input_error(sent):
    with pytest.raises(InputError):
        GREY.to_tensor([sent])


def test_a_class_answer_names_every_probability():
    outputs = np.array([[0.1, 0.9], [0.75, 0.25]], np.float32)
    first, second = ImageInputs(1, 1, 1, ("cat", "dog")).to_answers(outputs)
    assert first["label"] == "dog"
    assert second["label"] == "cat"
    assert second["probabilities"] == {"cat": 0.75, "dog": 0.25}


# --- texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Good FILM", ["good", "film"]),
        ("good<br /><br />film", ["good", "film"]),
        ("<p class='x'>good</p>", ["good"]),
        ("a < b > c", ["a", "b", "c"]),
        ("don't, don’t", ["dont", "dont"]),
        ("first-rate: 10/10!!!", ["first", "rate", "10", "10"]),
        ("“très bien”…", ["très", "bien"]),
        ("tab\tnew\nline\x00nul", ["tab", "new", "line", "nul"]),
        ("<" * 1000, []),
        ("Straße ΟΔΟΣ", ["straße", "οδος"]),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


def test_words_become_ids_padded_on_the_left():
    tensor = TEXT.to_tensor(["Good film", "bad bad unheard good good good film dont"])
    assert tensor.dtype == np.int32
    assert tensor.tolist() == [[0, 0, 0, 0, 2, 4], [1, 2, 2, 2, 4, 5]]


def test_the_commonest_words_are_the_vocabulary():
    texts = ["b b b a a c", "a a c d"]
    fitted = TextInputs.fit(texts, ("negative", "positive"), words=4, length=3)
    assert fitted.vocabulary == ("a", "b")
    assert fitted.sizes() == {"words": 4, "length": 3, "classes": 2}
    tied = TextInputs.fit(["z y x", "x"], ("negative", "positive"), words=9, length=3)
    assert tied.vocabulary == ("x", "y", "z")
    assert TextInputs.fit(texts, ("negative", "positive"), words=1, length=3).vocabulary == ()
    assert tied == TextInputs.fit(["x", "z y x"], ("negative", "positive"), words=9, length=3)


PAIRED = TextInputs(4, TEXT.vocabulary, TEXT.labels, np.array([[2, 4], [3, 2], [3, 4]], np.int32))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("good film", [2, 4, 6]),
        ("good good film good film", [2, 4, 6]),  # a set: each once
        ("film good", [2, 4]),  # no pair that is known
        ("good bad film good", [2, 3, 4, 8]),
        ("bad film and bad good film", [1, 2, 3, 4, 6, 7]),  # the last four words alone
        ("bad", [3]),
        ("unheard unheard", [1]),
        (":-)", [1]),
    ],
)
def test_words_and_pairs_become_a_set_of_ids(text, ids):
    tensor = PAIRED.to_tensor([text])
    assert tensor.dtype == np.int32
    assert tensor.tolist() == [[0] * (8 - len(ids)) + ids]


def test_the_commonest_words_and_pairs_are_the_vocabulary():
    texts = ["a b a b c", "a b c"]  # a 3, b 3, c 2; a b 3, b c 2, b a 1
    fitted = TextInputs.fit(texts, ("negative", "positive"), words=6, length=5, ngrams=2)
    assert fitted.vocabulary == ("a", "b", "c")
    assert fitted.pairs.tolist() == [[2, 3]]
    assert fitted.sizes() == {"words": 6, "length": 10, "classes": 2}
    every = TextInputs.fit(texts, ("negative", "positive"), words=99, length=5, ngrams=2)
    assert every.pairs.tolist() == [[2, 3], [3, 2], [3, 4]]
    for words in (1, 2, 3):
        few = TextInputs.fit(texts, ("negative", "positive"), words, length=5, ngrams=2)
        assert few.pairs.shape == (0, 2)
        assert few.to_tensor(["a b"])[0, -1] in (1, 2)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=9), max_size=5), st.integers(1, 40))
def test_a_pair_is_known_only_with_both_its_words(texts, words):
    texts = [" ".join(one) for one in texts]
    fitted = TextInputs.fit(texts, ("negative", "positive"), words, length=20, ngrams=2)
    assert len(fitted.vocabulary) + len(fitted.pairs) <= max(words - 2, 0)
    assert ((fitted.pairs >= 2) & (fitted.pairs < len(fitted.vocabulary) + 2)).all()
    for text in filter(None, texts):
        ids = fitted.to_tensor([text])[0]
        assert (ids < fitted.sizes()["words"]).all()
        assert (np.diff(ids[ids > 0]) > 0).all()


@pytest.mark.parametrize("text", ["", " \n\t", "\u2003"])
def test_an_empty_text_is_refused(text):
    assert "The text is empty" in refused("empty_text", TEXT.to_tensor, [text])


@pytest.mark.parametrize("text", [None, 3, True, b"good", ["good"], {"text": "good"}, math.nan])
def test_what_is_not_a_text_is_refused(text):
    refused("not_a_text", TEXT.to_tensor, [text])


def test_a_text_too_long_is_refused():
    longest = "a " * 100_000
    assert TEXT.to_tensor([longest]).tolist() == [[1] * 6]
    assert "200,001" in refused("text_too_long", TEXT.to_tensor, [longest + "a"])


def test_the_text_at_fault_is_named():
    assert refused("empty_text", TEXT.to_tensor, ["good", "", "bad"]).startswith("Text 2 is")


@pytest.mark.parametrize("text", ["<br />", ":-)", "😀😀", "\ud800", "\x00\x01", "。"])
def test_a_text_without_known_words_is_read_as_unknown(text):
    assert TEXT.to_tensor([text]).tolist() == [[0, 0, 0, 0, 0, 1]]


@settings(deadline=None)
@given(st.text(st.characters(categories=None), max_size=200))
def test_any_text_gives_ids_or_input_error(text):
    if text.strip():
        tensor = TEXT.to_tensor([text])
        assert tensor.shape == (1, 6)
        assert ((tensor >= 0) & (tensor < 6)).all()
        assert tensor[0, -1] > 0
    else:
        refused("empty_text", TEXT.to_tensor, [text])


def test_the_score_is_the_probability_of_positive():
    [answer] = TEXT.to_answers(np.array([[0.75, 0.25]], np.float32))
    assert (answer["label"], answer["score"]) == ("negative", 0.25)
    [answer] = TextInputs(2, (), ("a", "b", "c")).to_answers(np.array([[0.5, 0.25, 0.25]]))
    assert (answer["label"], answer["score"]) == ("a", 0.5)


# --- series


def test_the_last_values_count_in_standard_scores():
    assert SERIES.to_tensor([[1e6, 150, 200, 100, 150]]).tolist() == [[0, 1, -1, 0]]
    assert SERIES.to_tensor(np.array([[9.0, 150, 200, 100, 150]])).tolist() == [[0, 1, -1, 0]]


@pytest.mark.parametrize(
    "value",
    [True, None, "150", math.nan, math.inf, -math.inf, 1e308, 10**400, -(10**400), [], {}, 150j],
)
def test_a_value_that_is_no_finite_number_is_refused(value):
    assert "value 2 is" in refused("invalid_value", SERIES.to_tensor, [[1.0, value, 3, 4]])
    refused("invalid_value", SERIES.to_tensor, [[value, *[1.0] * 6][::-1]])


@pytest.mark.parametrize("history", [None, "1, 2, 3, 4", 4, {"0": 1}, True])
def test_what_is_not_a_list_is_refused(history):
    refused("not_a_series", SERIES.to_tensor, [history])


def test_a_history_too_short_or_too_long_is_refused():
    message = refused("history_too_short", SERIES.to_tensor, [[1.0] * 3])
    assert message == "history has 3 values; at least 4 are needed."
    refused("history_too_short", SERIES.to_tensor, [[]])
    assert SERIES.to_tensor([[1.0] * 10_000]).shape == (1, 4)
    refused("history_too_long", SERIES.to_tensor, [[1.0] * 10_001])


@pytest.mark.parametrize("horizon", [0, -1, 4, 10**400, 1.0, "1", True, math.nan, [1], {}])
def test_a_horizon_out_of_range_is_refused(horizon):
    refused("invalid_horizon", SERIES.check_options, horizon, None)


@pytest.mark.parametrize(
    "level", [0, 1, 1.0, -0.5, 0.0009, 0.9999, math.nan, math.inf, 10**400, "0.9", True, [0.9]]
)
def test_a_level_out_of_range_is_refused(level):
    refused("invalid_level", SERIES.check_options, None, level)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(_JSON | st.lists(st.floats() | st.integers(), min_size=4, max_size=9), _JSON, _JSON)
def test_any_json_is_answered_finitely_or_refused(history, horizon, level):
    with contextlib.suppress(InputError):
        options = SERIES.check_options(horizon, level)
        tensor = SERIES.to_tensor([history])
        [answer] = SERIES.to_answers(tensor[:, :3], *options)
        json.dumps(answer, allow_nan=False)


@given(
    st.lists(
        st.floats(-1e7, 1e7) | st.integers(-(10**7), 10**7), min_size=4, max_size=9
    )
)  # fmt: skip
def test_every_history_in_range_gives_a_finite_tensor(history):
    assert np.isfinite(SERIES.to_tensor([history])).all()


def test_a_constant_series_can_be_fitted():
    fitted = SeriesInputs.fit(np.full(50, 7.0), 4, 3)
    assert fitted.to_tensor([[7.0] * 4]).tolist() == [[0] * 4]


def test_an_answer_holds_the_steps_and_the_level_asked_for():
    [answer] = SERIES.to_answers(np.array([[0.0, 1.0, -1.0]], np.float32), horizon=2, level=0.5)
    assert answer["forecast"] == [150, 200]
    assert answer["level"] == 0.5
    assert len(answer["lower"]) == len(answer["upper"]) == 2
    for lower, middle, upper in zip(
        answer["lower"], answer["forecast"], answer["upper"], strict=True
    ):
        assert middle - lower == pytest.approx(upper - middle)
    [usual] = SERIES.to_answers(np.zeros((1, 3), np.float32))
    assert usual["level"] == 0.95
    assert len(usual["forecast"]) == 3


def test_intervals_widen_with_the_level():
    levels = np.arange(1, 996) / 1000
    radii = np.array([SERIES.radius(level) for level in levels])
    assert (np.diff(radii, axis=0) >= 0).all()


def test_the_radius_is_the_residual_of_the_right_rank():
    residuals = np.arange(1.0, 100.0)[:, None]
    fitted = SeriesInputs(4, 1, 0.0, 2.0).calibrated(np.zeros((99, 1)), 2 * residuals)
    assert fitted.radius(0.9) == pytest.approx(2 * 90)  # the 90th of 99: ceil(0.9 x 100)
    assert fitted.radius(0.901) == pytest.approx(2 * 91)
    assert fitted.check_options()[1] == 0.95
    assert fitted.check_options(level=0.99)[1] == 0.99
    refused("invalid_level", fitted.check_options, None, 0.991)  # no rank is high enough


def test_intervals_cover_as_promised():
    """Over many draws of calibration and future values, as exchangeable as the theorem asks."""
    random = np.random.default_rng(0)
    covered = {0.5: [], 0.8: [], 0.95: []}
    for _ in range(400):
        noise = random.standard_t(3, (120, 2)) * [1.0, 5.0]
        fitted = SeriesInputs(4, 2, 10.0, 3.0).calibrated(np.zeros((100, 2)), 10 + noise[:100])
        for level, hits in covered.items():
            hits.append(np.abs(noise[100:]) <= fitted.radius(level))
    for level, hits in covered.items():
        share = np.mean(hits, axis=(0, 1))  # one for each step: step 2 is five times as wild
        assert share == pytest.approx(level + 0.5 / 101, abs=0.012)


def test_windows_stay_in_one_segment_and_forecast_what_was_observed():
    split = {
        "value": np.arange(20.0),
        "observed": np.arange(20) != 8,
        "segment": np.repeat([7, 9], [12, 8]),
    }
    cut = SERIES.windows(split)
    assert cut.start.tolist() == [0, 1, 5, 12, 13]  # 2, 3, 4 would have to forecast row 8
    assert cut.history[2].tolist() == [5, 6, 7, 8]
    assert cut.target[2].tolist() == [9, 10, 11]
    assert SERIES.windows(split, stride=5).start.tolist() == [0, 5, 12]


def test_a_split_shorter_than_one_window_gives_none():
    split = {"value": np.ones(5), "observed": np.ones(5, bool), "segment": np.zeros(5, int)}
    assert SERIES.windows(split).history.shape == (0, 4)
    empty = {name: rows[:0] for name, rows in split.items()}
    assert SERIES.windows(empty).target.shape == (0, 3)


# --- equal answers


def _two(first: float, label: str | None = None) -> dict:
    probabilities = {"cat": first, "dog": 1 - first}
    label = label or max(probabilities, key=probabilities.get)
    return {"label": label, "probabilities": probabilities}


@pytest.mark.parametrize(
    ("expected", "answer", "equal"),
    [
        (_two(0.7), _two(0.7), True),
        (_two(0.7), _two(0.70009), True),
        (_two(0.7), _two(0.7002), False),
        (_two(0.50004), _two(0.49996), True),  # another label, but nearly a tie
        (_two(0.7), _two(0.7, label="dog"), False),
        (_two(0.7), _two(math.nan, label="cat"), False),
        (_two(0.7), {"label": "cat", "probabilities": {"cat": 0.7}}, False),
    ],
)
def test_class_answers_are_equal_as_the_design_says(expected, answer, equal):
    assert GREY.agrees(expected, answer) is equal
    assert TEXT.agrees(expected, answer) is equal


def test_forecasts_are_compared_in_scaled_values():
    [expected] = SERIES.to_answers(np.zeros((1, 3), np.float32))
    near, far = json.loads(json.dumps(expected)), json.loads(json.dumps(expected))
    near["forecast"][0] += 0.9e-4 * SERIES.scale
    far["upper"][2] += 1.1e-4 * SERIES.scale
    assert SERIES.agrees(expected, near)
    assert not SERIES.agrees(expected, far)
    assert not SERIES.agrees(expected, expected | {"level": 0.9})
    assert not SERIES.agrees(expected, expected | {"forecast": [150.0]})
    assert not SERIES.agrees(expected, expected | {"lower": [math.nan] * 3})


@pytest.mark.parametrize("inputs", [GREY, TEXT, PAIRED, SERIES])
def test_a_spec_makes_an_equal_object(inputs):
    fields, arrays = inputs.spec()
    again = kinds.from_spec(json.loads(json.dumps(fields)), arrays)
    assert again == inputs
    assert again.kind == inputs.kind
    again_fields, again_arrays = again.spec()
    assert again_fields == fields
    assert again_arrays.keys() == arrays.keys()
    assert all(np.array_equal(again_arrays[name], array) for name, array in arrays.items())
