"""From a raw input to a tensor, and from a tensor to an answer: once, for training and serving.

Each class is fitted on the training split alone, travels with its model as plain JSON and arrays,
and turns away whatever a client can get wrong with an `InputError`. Nothing else may escape from
`to_tensor`, `check_options` or `to_answers`, whatever was sent.

This module imports the standard library, numpy and Pillow only: the service loads it.
"""

import io
import math
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

TOLERANCE = 1e-4  # two outputs are equal within this, in the model's own output space
TIE = 2e-4  # the top class may differ where the best two are closer than this


class InputError(ValueError):
    """What was sent cannot be answered; `message` says why in one sentence, fit for the client.

    The message never repeats more than a short ASCII form of what was sent.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


# --- pictures -----------------------------------------------------------------------------------

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 16_000_000  # a telephone's photograph has 12 million; decodes in about 0.15 s
# Pillow takes 16 bytes for each pixel of a WebP, and 4 for one of a PNG, or 8 for one of the most
# unusual JPEG: this is a screen of 3840 x 2160.
MAX_WEBP_PIXELS = 8_300_000
MAX_SIDE = 65_535  # a JPEG has no more; a line or a column of pixels takes several times as much
LARGE_PIXELS = 500_000  # of larger ones no two are decoded at once: each takes up to 133 MB
BAND_PIXELS = 1 << 18  # of a large one: made grey and narrow at once, so that no copy of all is
FOLDER_SIZE = 64  # pixels a side for pictures that come in sizes of their own


@dataclass(frozen=True)
class ImageInputs:
    """Pictures of any size to float32 (picture, height, width, channels) in 0..1, and back.

    A picture is turned as its EXIF says, laid over white where it is transparent, made grey when
    the model has one channel, and stretched to the model's size: each step only when needed.
    """

    kind = "image"

    height: int
    width: int
    channels: int
    labels: tuple[str, ...]

    @classmethod
    def fit(cls, images: np.ndarray, labels: Sequence[str], size: int | None = None):
        """Take the model's picture size from the training pictures.

        images: uint8 (picture, height, width, channels), or an object array of encoded pictures.
        size: pixels a side; None keeps the arrays' own size, and 64 for encoded pictures.
        """
        if images.dtype == np.uint8:
            height, width, channels = images.shape[1:]
        else:
            height = width = FOLDER_SIZE
            channels = 1 if all(_is_grey(data) for data in images) else 3
        return cls(size or height, size or width, channels, tuple(labels))

    def sizes(self) -> dict[str, int]:
        """The arguments of a builder in `models/image/` that the data decides."""
        return {
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "classes": len(self.labels),
        }

    def to_tensor(self, images: np.ndarray | Sequence[bytes]) -> np.ndarray:
        """Return float32 (picture, height, width, channels) in 0..1.

        images: uint8 (picture, height, width, channels), or JPEG, PNG or WebP files as bytes.
        Raises InputError: not_an_image, image_too_large, animated_image.
        """
        pixels = images
        if not _is_pixels(images) or images.shape[1:3] != (self.height, self.width):
            pixels = np.stack([self._pixels(image) for image in images])
        return np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)

    def to_answers(self, outputs: np.ndarray) -> list[dict]:
        """Turn probabilities (picture, class) into `{"label", "probabilities"}`, one a picture."""
        return [_class_answer(self.labels, row) for row in outputs.tolist()]

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal as design.md defines it."""
        return _same_classes(expected, answer)

    def spec(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The JSON fields and the arrays from which `from_spec` makes an equal object."""
        return self.sizes() | {"kind": self.kind, "labels": list(self.labels)}, {}

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: Mapping[str, np.ndarray]):
        return cls(fields["height"], fields["width"], fields["channels"], tuple(fields["labels"]))

    def _pixels(self, image: np.ndarray | bytes) -> np.ndarray:
        mode, size = ("L" if self.channels == 1 else "RGB"), (self.width, self.height)
        if isinstance(image, np.ndarray):
            picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        else:
            picture = decode_picture(image, mode, size)
        return np.asarray(picture).reshape(self.height, self.width, self.channels)


def decode_picture(data: bytes, mode: str, size: tuple[int, int]) -> Image.Image:
    """Decode one picture to `mode` ("L" or "RGB") and `size` (width, height).

    Raises InputError: not_an_image, image_too_large, animated_image.
    """
    try:
        return _decoded(data, mode, size)
    except InputError as error:
        refusal = InputError(error.code, error.message)
    # Without what led to it: the request log keeps errors for a while, and must not keep pixels.
    raise refusal


def _decoded(data: bytes, mode: str, size: tuple[int, int]) -> Image.Image:
    with _opened(data) as picture, _turn_of(picture):
        # A large JPEG is decoded at the nearest fraction of its size: a tenth of the work.
        picture.draft(mode, size)
        return _prepared(picture, mode, size)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Open one picture, refuse it by its header alone, and turn what goes wrong into InputError."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError("not_an_image", f"A picture is a file's bytes, not {shown(data)}.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_header(picture)
            yield picture
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("too many pixels", f"{MAX_PIXELS:,}") from error
    except Exception as error:  # Pillow's decoders raise a dozen types on bytes that are broken
        message = f"These {len(data)} bytes are not a complete JPEG, PNG or WebP picture."
        raise InputError("not_an_image", message) from error


def _check_header(picture: Image.Image) -> None:
    received = f"{picture.width} x {picture.height} pixels"
    most = MAX_WEBP_PIXELS if picture.format == "WEBP" else MAX_PIXELS
    if picture.width * picture.height > most:
        raise _too_large(received, f"{most:,}")
    if max(picture.size) > MAX_SIDE:
        raise _too_large(received, f"{MAX_SIDE:,} on a side")
    # A telephone's JPEG may carry a second picture (MPO): its first is the photograph.
    if picture.format in ("PNG", "WEBP") and picture.is_animated:
        raise InputError(
            "animated_image", f"The picture has {picture.n_frames} frames; one is allowed."
        )


_LARGE = threading.Lock()


def _turn_of(picture: Image.Image) -> AbstractContextManager:
    """Return what is held while the picture is decoded: large ones wait for each other."""
    return _LARGE if picture.width * picture.height > LARGE_PIXELS else nullcontext()


# What makes upright a picture of each EXIF orientation: the first is upright as it is.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _prepared(picture: Image.Image, mode: str, size: tuple[int, int]) -> Image.Image:
    orientation = 1
    if picture.info.get("exif"):
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation not in _TURNS:
        return _shrunk(picture, mode, size)
    lying = size[::-1] if orientation >= 5 else size
    return _shrunk(picture, mode, lying).transpose(_TURNS[orientation])


def _shrunk(picture: Image.Image, mode: str, size: tuple[int, int]) -> Image.Image:
    """Return the picture in `mode` and `size`; a large one is narrowed band by band.

    Pillow narrows first and shortens then, too: the pixels are the same.
    """
    picture.load()
    rows = max(BAND_PIXELS // picture.width, 1)
    if rows >= picture.height:
        return _resized(_flat(picture, mode), size)
    narrow = Image.new(mode, (size[0], picture.height))
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        narrow.paste(_resized(_flat(band, mode), (size[0], band.height)), (0, top))
    return _resized(narrow, size)


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BILINEAR)


def _flat(picture: Image.Image, mode: str) -> Image.Image:
    """Return the picture in `mode`, over white where it is transparent."""
    if picture.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip, not scale
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        picture = Image.new(mode, layer.size, "white")
        picture.paste(layer, mask=layer)
    return picture if picture.mode == mode else picture.convert(mode)


def _too_large(received: str, allowed: str) -> InputError:
    message = f"The picture has {received}; at most {allowed} are allowed."
    return InputError("image_too_large", message)


def _is_pixels(images) -> bool:
    return isinstance(images, np.ndarray) and images.dtype == np.uint8


def _is_grey(data: bytes) -> bool:
    with _opened(data) as picture:
        return picture.mode in ("1", "L", "LA", "I", "I;16", "I;16B")


# --- texts --------------------------------------------------------------------------------------

MAX_CHARACTERS = 200_000  # fifteen times the longest review; tokenised in about 5 ms
SHORT_TEXT = 10_000  # characters: only the words of shorter ones are remembered
PADDING, UNKNOWN = 0, 1  # the ids of no word, and of a word outside the vocabulary

_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_SEPARATORS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~' + "“”„«»‹›…–—¡¿·•、。，！？：；（）"
# Control characters separate words too; an apostrophe goes, so that don't stays one word.
_TABLE = str.maketrans(
    dict.fromkeys(_SEPARATORS + "".join(map(chr, range(32))) + "\x7f", " ")
    | dict.fromkeys("'’‘", None)
)


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words, without tags and punctuation.

    >>> words_of("Don't miss it!<br /><br />It's GREAT")
    ['dont', 'miss', 'it', 'its', 'great']
    """
    if "<" in text:
        text = _TAG.sub(" ", text)
    return text.lower().translate(_TABLE).split()


# A model's guard reads the same texts right after the model, with a vocabulary of its own.
_remembered = lru_cache(maxsize=32)(words_of)


@dataclass(frozen=True)
class TextInputs:
    """Texts to int32 word ids, padded on the left with 0, and back.

    The last `length` words count: a review ends with its verdict. A text without any word of the
    vocabulary is read as unknown words, and one without any word at all as one unknown word.
    With pairs of neighbouring words a text is a set: each of its words and pairs once, by rising
    id, in up to twice as many places.
    """

    kind = "text"

    length: int
    vocabulary: tuple[str, ...]  # the ids of its words are 2, 3, …: 0 is padding, 1 is unknown
    labels: tuple[str, ...]
    # int32 (pair, 2) word ids, sorted: the ids of the pairs come after those of the words.
    pairs: np.ndarray | None = field(default=None, repr=False, compare=False)
    ids: dict[str, int] = field(init=False, repr=False, compare=False)
    codes: np.ndarray | None = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        ids = {word: number for number, word in enumerate(self.vocabulary, start=UNKNOWN + 1)}
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "codes", None if self.pairs is None else _searchable(self.pairs))

    @classmethod
    def fit(
        cls, texts: Iterable[str], labels: Sequence[str], words: int, length: int, ngrams: int = 1
    ):
        """Take the vocabulary from the training texts: the `words` most frequent ones.

        words: size of the id space, padding and unknown included.
        length: words of a text that are read, counted from its end.
        ngrams: 1 for words, 2 for words and pairs, the most frequent of both.
        """
        split = [words_of(text) for text in texts]
        counts = Counter(word for one in split for word in one)
        # Equal counts in alphabetical order: the same texts in any order give the same ids.
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: max(words - 2, 0)]
        fitted = cls(length, tuple(word for word, _ in ranked), tuple(labels))
        if ngrams == 1:
            return fitted
        return fitted._with_pairs(split, np.array([count for _, count in ranked], int), words - 2)

    def sizes(self) -> dict[str, int]:
        """The arguments of a builder in `models/sentiment/` that the data decides."""
        words = len(self.vocabulary) + 2 + (0 if self.pairs is None else len(self.pairs))
        return {"words": words, "length": self._places, "classes": len(self.labels)}

    def to_tensor(self, texts: Sequence[str]) -> np.ndarray:
        """Return int32 (text, length) word ids, or (text, 2 x length) with pairs.

        Raises InputError: not_a_text, empty_text, text_too_long.
        """
        tensor = np.zeros((len(texts), self._places), np.int32)
        for number, text in enumerate(texts):
            _check_text(text, "The text" if len(texts) == 1 else f"Text {number + 1}")
            words = _remembered(text) if len(text) <= SHORT_TEXT else words_of(text)
            ids = self._ids(words[-self.length :]) or [UNKNOWN]
            if self.pairs is not None:
                ids = self._set(np.array(ids))
            tensor[number, -len(ids) :] = ids
        return tensor

    def to_answers(self, outputs: np.ndarray) -> list[dict]:
        """Turn probabilities (text, class) into `{"label", "score", "probabilities"}` each.

        score: the probability of the second of two labels ("positive"), else of the label itself.
        """
        answers = [_class_answer(self.labels, row) for row in outputs.tolist()]
        for answer in answers:
            scored = self.labels[1] if len(self.labels) == 2 else answer["label"]
            answer["score"] = answer["probabilities"][scored]
        return answers

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal as design.md defines it."""
        return _same_classes(expected, answer)

    def spec(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The JSON fields and the arrays from which `from_spec` makes an equal object."""
        fields = {
            "kind": self.kind,
            "length": self.length,
            "vocabulary": list(self.vocabulary),
            "labels": list(self.labels),
        }
        return fields, {} if self.pairs is None else {"pairs": self.pairs}

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: Mapping[str, np.ndarray]):
        vocabulary, labels = tuple(fields["vocabulary"]), tuple(fields["labels"])
        return cls(fields["length"], vocabulary, labels, arrays.get("pairs"))

    @property
    def _places(self) -> int:
        """Ids in one row of the tensor."""
        return self.length if self.pairs is None else 2 * self.length

    def _ids(self, words: Sequence[str]) -> list[int]:
        return [self.ids.get(word, UNKNOWN) for word in words]

    def _set(self, ids: np.ndarray) -> np.ndarray:
        """Return the ids of the words and of the pairs that they form, each once, rising."""
        codes = _codes(ids[:-1], ids[1:])
        ranks = np.searchsorted(self.codes, codes)
        known = ranks[self.codes[ranks] == codes]
        return np.unique(np.concatenate([ids, known + len(self.vocabulary) + UNKNOWN + 1]))

    def _with_pairs(self, split: Sequence[Sequence[str]], counts: np.ndarray, size: int):
        """Return inputs that know the `size` most frequent of their words and of the pairs.

        split: the words of each text. counts: of each word of the vocabulary, falling.
        """
        # An unknown word between two texts, so that no pair reaches from one into the other.
        each = (one for words in split for one in (*self._ids(words), UNKNOWN))
        ids = np.fromiter(each, np.int64)
        known = (ids[:-1] > UNKNOWN) & (ids[1:] > UNKNOWN)
        codes, pair_counts = np.unique(_codes(ids[:-1], ids[1:])[known], return_counts=True)
        # Stable: of equal counts the word comes first, so that both words of a pair stay in.
        ranked = np.argsort(-np.concatenate([counts, pair_counts]), kind="stable")[: max(size, 0)]
        vocabulary = self.vocabulary[: np.count_nonzero(ranked < len(counts))]
        kept = codes[np.sort(ranked[ranked >= len(counts)]) - len(counts)]
        pairs = np.stack([kept >> 32, kept & 0xFFFFFFFF], axis=1).astype(np.int32)
        return replace(self, vocabulary=vocabulary, pairs=pairs)


def _codes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return one int64 for each pair of word ids, in the order of the pairs."""
    return first.astype(np.int64) << 32 | second


def _searchable(pairs: np.ndarray) -> np.ndarray:
    """Return the sorted codes of pairs, with one at the end that no pair has: every search ends."""
    return np.append(_codes(pairs[:, 0], pairs[:, 1]), np.iinfo(np.int64).max)


def _check_text(text, name: str) -> None:
    if not isinstance(text, str):
        raise InputError("not_a_text", f"{name} must be a string, not {shown(text)}.")
    if len(text) > MAX_CHARACTERS:
        message = f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are allowed."
        raise InputError("text_too_long", message)
    if not text.strip():
        raise InputError("empty_text", f"{name} is empty; it needs at least one word.")


# --- series -------------------------------------------------------------------------------------

MAX_HISTORY = 10_000  # values in one request
MAX_SCALES = 1e6  # a value further from the training mean, in its deviations, is refused
LEVELS = 1000  # interval levels are kept in steps of one thousandth


class Windows(NamedTuple):
    """Cut windows: `start` is the row of each history's first value."""

    start: np.ndarray  # int64 (window,)
    history: np.ndarray  # float64 (window, history), in the data's own unit
    target: np.ndarray  # float64 (window, horizon), in the data's own unit


@dataclass(frozen=True)
class SeriesInputs:
    """Histories at the regular interval to float32 (series, history) standard scores, and back.

    A request's last `history` values count. Intervals are split-conformal (Vovk, Gammerman and
    Shafer, Algorithmic Learning in a Random World, 2005; Lei et al., Distribution-Free Predictive
    Inference for Regression, JASA 2018): at each step of the horizon, the absolute residual that
    the wanted share of validation residuals does not exceed.
    """

    kind = "series"

    history: int
    horizon: int
    mean: float
    scale: float
    # float32 (level, horizon): row i is the half-width at level (i + 1) / 1000, in scales.
    radii: np.ndarray | None = field(default=None, repr=False, compare=False)

    @classmethod
    def fit(cls, values: np.ndarray, history: int, horizon: int):
        """Take mean and scale from the training split's values, float64 (row,)."""
        scale = float(np.std(values))
        return cls(history, horizon, float(np.mean(values)), scale if scale > 0 else 1.0)

    def sizes(self) -> dict[str, int]:
        """The arguments of a builder in `models/forecast/` that the data decides."""
        return {"history": self.history, "horizon": self.horizon}

    def windows(self, split: Mapping[str, np.ndarray], stride: int = 1) -> Windows:
        """Cut every window that lies inside one segment and whose targets were all observed.

        split: value, observed, segment (row,), consecutive inside a segment.
        stride: rows between the starts of neighbouring windows, counted in each segment.
        """
        value, segment = split["value"], split["segment"]
        span = self.history + self.horizon
        start = np.arange(max(len(value) - span + 1, 0))
        unseen = np.concatenate([[0], np.cumsum(~split["observed"])])
        opens = np.flatnonzero(np.diff(segment, prepend=segment[:1] - 1))
        offset = start - opens[np.searchsorted(opens, start, side="right") - 1]
        start = start[
            (segment[start] == segment[start + span - 1])
            & (unseen[start + span] == unseen[start + self.history])
            & (offset % stride == 0)
        ]
        rows = value[start[:, None] + np.arange(span)]
        return Windows(start, rows[:, : self.history], rows[:, self.history :])

    def to_tensor(self, histories: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """Return float32 (series, history) standard scores of the last values of each history.

        histories: lists of numbers, or float64 (series, value).
        Raises InputError: not_a_series, history_too_short, history_too_long, invalid_value.
        """
        if not isinstance(histories, np.ndarray):
            histories = np.stack([self._values(history) for history in histories])
        return self.scaled(histories[:, -self.history :])

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Return float32 standard scores of values in the data's own unit."""
        return ((values - self.mean) / self.scale).astype(np.float32)

    def unscaled(self, outputs: np.ndarray) -> np.ndarray:
        """Return float64 values in the data's own unit."""
        return np.asarray(outputs, np.float64) * self.scale + self.mean

    def calibrated(self, outputs: np.ndarray, targets: np.ndarray):
        """Return a copy with intervals from validation windows.

        outputs: the model's forecasts, standard scores (window, horizon).
        targets: what came, in the data's own unit (window, horizon).
        """
        residuals = np.sort(np.abs(self.scaled(targets) - outputs), axis=0)
        # The k-th smallest of n residuals covers at least level p when k >= p (n + 1).
        levels = np.arange(1, LEVELS) / LEVELS
        ranks = np.ceil(levels * (len(residuals) + 1) - 1e-9).astype(int)
        ranks = ranks[ranks <= len(residuals)]
        return replace(self, radii=residuals[ranks - 1].astype(np.float32))

    def check_options(self, horizon=None, level=None) -> tuple[int, float]:
        """Return the steps and the level to answer with; None takes the model's own, and 0.95.

        Raises InputError: invalid_horizon, invalid_level.
        """
        highest = len(self.radii) / LEVELS
        horizon = self.horizon if horizon is None else horizon
        level = min(0.95, highest) if level is None else level
        if type(horizon) is not int or not 1 <= horizon <= self.horizon:
            message = f"horizon must be a whole number from 1 to {self.horizon}"
            raise InputError("invalid_horizon", f"{message}, not {shown(horizon)}.")
        if not (_is_number(level) and 1 / LEVELS <= level <= highest):
            message = f"level must be a number from {1 / LEVELS} to {highest}"
            raise InputError("invalid_level", f"{message}, not {shown(level)}.")
        return horizon, float(level)

    def to_answers(self, outputs: np.ndarray, horizon=None, level=None) -> list[dict]:
        """Turn forecasts (series, horizon) into `{"forecast", "lower", "upper", "level"}` each.

        horizon: steps wanted, 1 up to the model's. level: share of targets the interval holds.
        Raises InputError: invalid_horizon, invalid_level.
        """
        horizon, level = self.check_options(horizon, level)
        if outputs.shape[1] != self.horizon:
            raise ValueError(f"The model foresees {outputs.shape[1]} steps, not {self.horizon}.")
        forecast = self.unscaled(outputs[:, :horizon])
        radius = self.radius(level)[:horizon]
        columns = zip(
            forecast.tolist(), (forecast - radius).tolist(), (forecast + radius).tolist(),
            strict=True,
        )  # fmt: skip
        return [
            {"forecast": middle, "lower": lower, "upper": upper, "level": level}
            for middle, lower, upper in columns
        ]

    def radius(self, level: float) -> np.ndarray:
        """Return the interval's half-width at each step, in the data's own unit (horizon,)."""
        # Between two kept levels the wider one is taken: the promise is "at least".
        return self.radii[math.ceil(level * LEVELS - 1e-9) - 1] * self.scale

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal as design.md defines it: in scaled values."""
        keys = ("forecast", "lower", "upper")
        if expected["level"] != answer["level"]:
            return False
        if any(len(expected[key]) != len(answer[key]) for key in keys):
            return False
        off = [np.subtract(expected[key], answer[key]) for key in keys]
        return bool(np.max(np.abs(off)) <= TOLERANCE * self.scale)

    def spec(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The JSON fields and the arrays from which `from_spec` makes an equal object."""
        fields = {"kind": self.kind, "mean": self.mean, "scale": self.scale} | self.sizes()
        return fields, {} if self.radii is None else {"radii": self.radii}

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: Mapping[str, np.ndarray]):
        numbers = (fields[name] for name in ("history", "horizon", "mean", "scale"))
        return cls(*numbers, arrays.get("radii"))

    def _values(self, history) -> np.ndarray:
        """Check one request's history and return its last values, float64 (history,)."""
        if not isinstance(history, list | tuple):
            message = f"history must be a list of numbers, not {shown(history)}."
            raise InputError("not_a_series", message)
        if len(history) < self.history:
            message = f"history has {len(history)} values; at least {self.history} are needed."
            raise InputError("history_too_short", message)
        if len(history) > MAX_HISTORY:
            message = f"history has {len(history):,} values; at most {MAX_HISTORY:,} are allowed."
            raise InputError("history_too_long", message)
        low, high = self.mean - MAX_SCALES * self.scale, self.mean + MAX_SCALES * self.scale
        for number, value in enumerate(history):
            # NaN is not between any two numbers, and no integer is too long to be compared.
            if not (_is_number(value) and low <= value <= high):
                message = (
                    f"history must hold finite numbers from {low:.6g} to {high:.6g}; "
                    f"value {number + 1} is {shown(value)}."
                )
                raise InputError("invalid_value", message)
        return np.array(history[-self.history :], np.float64)


# --- answers ------------------------------------------------------------------------------------

INPUTS = {cls.kind: cls for cls in (ImageInputs, TextInputs, SeriesInputs)}


def from_spec(fields: Mapping, arrays: Mapping[str, np.ndarray]):
    """Make the inputs that `fields["kind"]` names from what their `spec()` returned."""
    return INPUTS[fields["kind"]].from_spec(fields, arrays)


def shown(value) -> str:
    """Describe what was received: short, ASCII, and safe to print whatever it is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**15:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return ascii(value if len(value) <= 40 else value[:40] + "...")
    return {dict: "an object", list: "a list"}.get(type(value), f"a {type(value).__name__}")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _class_answer(labels: Sequence[str], row: list[float]) -> dict:
    return {
        "label": labels[row.index(max(row))],
        "probabilities": dict(zip(labels, row, strict=True)),
    }


def _same_classes(expected: Mapping, answer: Mapping) -> bool:
    wanted, given = expected["probabilities"], answer["probabilities"]
    if wanted.keys() != given.keys():
        return False
    if any(not abs(wanted[label] - given[label]) <= TOLERANCE for label in wanted):
        return False
    if expected["label"] == answer["label"]:
        return True
    second, first = sorted(wanted.values())[-2:]
    return first - second < TIE
