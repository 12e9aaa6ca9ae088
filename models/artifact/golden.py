"""The requests that prove an artifact's answers, so that another tokenizer, resize or scaler shows.

An answer that is certain hardly moves, whatever was done to the input: beside the first row of the
test split those are taken whose answers are the least certain. Made from them are requests that go
every way through `models.inputs`: other sizes, colours and turns of a picture; other spellings of
the words, the rarest ones, more than is read; other lengths, horizons and levels of a series.
"""

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from models.artifact import artifact
from models.examples import Inputs, Split
from models.familiarity.familiarity import Run
from models.inputs.images import ImageInputs, decode_picture
from models.inputs.series import LEVELS, SeriesInputs
from models.inputs.texts import MAX_CHARACTERS, UNKNOWN, TextInputs, words_of

CANDIDATES = 200  # rows of the test split that the uncertain ones are taken from
UNCERTAIN = 4
SMALL_FILES = 40  # of the candidates: a picture of megabytes would travel with every model
ORIENTATION, TURNED = 0x0112, 6  # an EXIF tag; by a quarter


def entries(
    inputs: Inputs, run: Run, split: Split, judge: Callable[..., list[dict]] | None = None
) -> list[dict]:
    """Return requests made from the split, with the answers to expect.

    judge: what the guard says of raw inputs, the model's inputs and the tensor that these give.
    """
    made = []
    for request in _REQUESTS[inputs.kind](inputs, run, split):
        sent, options = artifact.payload(request)
        tensor = inputs.to_tensor([sent])
        [answer] = inputs.to_answers(run(tensor), **options)
        if judge is not None:
            answer |= judge([sent], inputs, tensor)[0]
        made.append({"request": request, "answer": answer})
    return made


def _by_certainty(inputs: Inputs, run: Run, rows: np.ndarray) -> list:
    """Return the rows by how likely their likeliest class is, the least certain first."""
    certainty = run(inputs.to_tensor(rows)).max(axis=1)
    return [rows[at] for at in np.argsort(certainty, kind="stable")]


def _spread(rows: Sequence, count: int) -> np.ndarray:
    """Return up to `count` of the rows, from the first to the last."""
    return np.asarray(rows)[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def _pictures(inputs: ImageInputs, run: Run, split: Split) -> list[dict]:
    rows = split["image"][:CANDIDATES]
    sizes = [len(_png(image)) for image in rows]
    small = rows[np.argsort(sizes, kind="stable")[:SMALL_FILES]]
    chosen = [small[0], *_by_certainty(inputs, run, small)[:UNCERTAIN]]
    files = [_png(image) for image in chosen] + [_png(one) for one in _changed(inputs, chosen)]
    files.append(_png(_opened(inputs, chosen[0]), exif=_turned()))
    return [{"image": base64.b64encode(file).decode("ascii")} for file in files]


def _changed(inputs: ImageInputs, chosen: Sequence) -> list[Image.Image]:
    """Return the chosen pictures side by side and small, in false colours, transparent, and with
    16 bits a pixel."""
    pictures = [_opened(inputs, image) for image in (chosen * 4)[:4]]
    width, height = inputs.width, inputs.height
    beside = Image.new(pictures[0].mode, (2 * width + 1, 2 * height))
    for number, picture in enumerate(pictures):
        beside.paste(picture, (number % 2 * width, number // 2 * height))
    less = pictures[1].resize((width // 2 + 1, height // 2 + 1))
    grey = [picture.convert("L") for picture in pictures]
    deep = np.asarray(grey[2], np.uint16) * 257
    return [
        beside,
        less,
        Image.merge("RGB", grey[:3]),
        pictures[3].convert("RGBA").rotate(10),
        Image.fromarray(deep),
    ]


def _opened(inputs: ImageInputs, image: np.ndarray | bytes) -> Image.Image:
    size = inputs.width, inputs.height
    return decode_picture(_png(image), "L" if inputs.channels == 1 else "RGB", size)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    return exif


def _png(image: np.ndarray | bytes | Image.Image, **options) -> bytes:
    """Return the picture as a file: one that is a file already as it is."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def _texts(inputs: TextInputs, run: Run, split: Split) -> list[dict]:
    rows = split["text"][:CANDIDATES]
    ranked = _by_certainty(inputs, run, rows)
    uncertain, certain = ranked[:UNCERTAIN], ranked[-1]
    # More than is read: the words that count come last.
    unread = " ".join(" ".join(rows).split()[-2 * inputs.length :])
    long = f"{unread} {uncertain[0]}"
    dressed = _dressed(uncertain[0], certain, inputs.length)
    strange = " ".join(f"zxqv{number}" for number in range(inputs.length))
    odd = [long, strange, "¡zxqv! 😀", "a"]
    texts = [rows[0], *uncertain, *dressed, *_of_known_words(inputs), *odd]
    return [{"text": text[-MAX_CHARACTERS:]} for text in map(str, texts) if text.strip()]


def _of_known_words(inputs: TextInputs) -> list[str]:
    """Return texts of words and pairs, the commonest to the rarest: where a shifted id shows."""
    words = inputs.vocabulary
    if not words:
        return []
    told = [words[at] for at in np.geomspace(1, len(words), 24).astype(int) - 1]
    texts = [" ".join(told), " ".join(words[-8:]), words[-1]]
    if inputs.pairs is not None and len(inputs.pairs):
        for pairs in (_spread(inputs.pairs, 8), inputs.pairs[-8:], inputs.pairs[-1:]):
            texts.append(" ".join(words[number - UNKNOWN - 1] for number in pairs.flat))
    return texts


def _dressed(text: str, other: str, length: int) -> list[str]:
    """Return the words of a text, as many as are read, shouted, between dashes, with apostrophes,
    and before a tag that has the words of the other text in it, which are not read."""
    words, unread = words_of(text)[-length:], words_of(other)[-length:]
    plain = " ".join(words)
    return [
        plain.upper(),
        "—".join(words) + "!",
        " ".join(f"{word[:1]}’{word[1:]}" for word in words),
        f'{plain}<img alt="{" ".join(unread)}">',
    ]


def _histories(inputs: SeriesInputs, run: Run, split: Split) -> list[dict]:
    known = inputs.windows(split).history
    histories = _spread(known, 6).tolist()
    longer, flat = histories[-1][-9:] + histories[0], [histories[0][0]] * inputs.history
    wild = (inputs.mean + 6 * inputs.scale * (-1.0) ** np.arange(inputs.history)).tolist()
    requests = [{"history": history} for history in (*histories, longer, flat, wild)]
    highest = len(inputs.radii) / LEVELS
    levels = [min(level, highest) for level in (0.001, 0.5, 0.8, 0.9, 0.99, 0.999)]
    options = [{"level": level} for level in levels]
    options += [{"horizon": 1}, {"horizon": inputs.horizon, "level": levels[1]}]
    return requests + [{"history": histories[0]} | one for one in options]


_REQUESTS = {"image": _pictures, "text": _texts, "series": _histories}
