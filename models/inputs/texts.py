"""From a text to a tensor of word ids, and from a tensor to the label of a text."""

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

import numpy as np

from models.inputs.answers import class_answer, same_classes
from models.inputs.errors import InputError, shown

MAX_CHARACTERS = 200_000  # fifteen times the longest review; tokenised in 5 ms, Thai in 50
SHORT_TEXT = 10_000  # characters: only the words of shorter ones are remembered
PADDING, UNKNOWN = 0, 1  # the ids of no word, and of a word outside the vocabulary

TOKENIZER = 2  # the way of cutting words of this code; models of before have another
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
# Of marks or symbols in a row those beyond 30 go: to normalise n of them takes n² steps.
_MARK = r"(?:[^\w\s\x00-\x7f]|[\uff9e\uff9f])"
_LONG_RUN = re.compile(f"(?<={_MARK}{{30}}){_MARK}+")
# Scripts without spaces: Thai, Lao, Burmese, Khmer, kana, bopomofo, Chinese characters; and emoji,
# also those that this Python's Unicode does not know yet. data/words.py cuts words likewise.
_ONE_BY_ONE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u312f\u31a0-\u31ff\u3400-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\U00020000-\U0003ffff\U0001f000-\U0001faff]"
)
_FORMER_SEPARATORS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~' + "“”„«»‹›…–—¡¿·•、。，！？：；（）"
_FORMER = str.maketrans(
    dict.fromkeys(_FORMER_SEPARATORS + "".join(map(chr, range(32))) + "\x7f", " ")
    | dict.fromkeys("'’‘", None)
)


class _Signs(dict[int, int | str | None]):
    """What becomes of each character, by its code: `str.translate` asks.

    Letters, digits and marks stay; each character of a script without spaces, each emoji and symbol
    is a word of its own. An apostrophe goes, so that don't stays one word, and so does what nobody
    sees inside a word; all else separates words.
    """

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        replaced: int | str | None = " "
        if category == "So" or _ONE_BY_ONE.match(chr(code)):
            replaced = f" {chr(code)} "
        elif category == "Cf" or chr(code) in "'’‘" or 0xFE00 <= code <= 0xFE0F:
            replaced = None
        elif category[0] in "LMN":
            replaced = code
        if len(self) < 1 << 16:  # nobody may fill the memory with signs
            self[code] = replaced
        return replaced


_SIGNS = _Signs()


def words_of(text: str, tokenizer: int = TOKENIZER) -> list[str]:
    """Split a text into lower-case words, without tags and punctuation.

    >>> words_of("Don't miss it!<br /><br />It's GREAT")
    ['dont', 'miss', 'it', 'its', 'great']
    >>> words_of("很好👍")
    ['很', '好', '👍']
    """
    if tokenizer > 1 and not text.isascii():
        text = unicodedata.normalize("NFKC", _LONG_RUN.sub("", text))
    if "<" in text:
        text = _TAG.sub(" ", text)
    return text.lower().translate(_SIGNS if tokenizer > 1 else _FORMER).split()


# A model's guard reads the same texts right after the model, with a vocabulary of its own.
_remembered = lru_cache(maxsize=32)(words_of)


@lru_cache(maxsize=30_000)
def _remembered_by_fits(text: str, tokenizer: int) -> list[str]:
    """Each fit of a process reads the same texts: 2 KB a review, as each word is kept once."""
    return [sys.intern(word) for word in words_of(text, tokenizer)]


def _words(text: str, tokenizer: int = TOKENIZER) -> list[str]:
    return (_remembered if len(text) <= SHORT_TEXT else words_of)(text, tokenizer)


def word_counts(texts: Iterable[str], tokenizer: int = TOKENIZER) -> np.ndarray:
    """Return how many words each text has, int (text,), as a model reads them."""
    return np.array([len(_words(text, tokenizer)) for text in texts], int)


@dataclass(frozen=True)
class TextInputs:
    """Texts to int32 word ids, padded on the left with 0, and back.

    The last `length` words count: a review ends with its verdict. A text without any word of the
    vocabulary is read as unknown words, and one without any word at all as one unknown word.
    With pairs of neighbouring words a text is a set: each of its words and pairs once, by rising
    id, in up to twice as many places.
    With parts, what each of them makes of a text stands side by side: the models of a blend do not
    know the same words.
    """

    kind = "text"
    word_counts = staticmethod(word_counts)

    length: int
    vocabulary: tuple[str, ...]  # the ids of its words are 2, 3, …: 0 is padding, 1 is unknown
    labels: tuple[str, ...]
    # int32 (pair, 2) word ids, sorted: the ids of the pairs come after those of the words.
    pairs: np.ndarray | None = field(default=None, repr=False, compare=False)
    # The label whose probability is the score, if there is one. Models of before do not say (""):
    # it is the second of two.
    positive: str | None = ""
    weights: tuple[float, ...] = ()  # of each class, where the likeliest is not the answer
    tokenizer: int = TOKENIZER
    parts: tuple["TextInputs", ...] = ()
    ids: dict[str, int] = field(init=False, repr=False, compare=False)
    codes: np.ndarray | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {word: number for number, word in enumerate(self.vocabulary, start=UNKNOWN + 1)}
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "codes", None if self.pairs is None else _searchable(self.pairs))

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        labels: Sequence[str],
        words: int,
        length: int,
        ngrams: int = 1,
        positive: str | None = "",
    ) -> "TextInputs":
        """Take the vocabulary from the training texts: the `words` most frequent ones.

        Args:
            words: size of the id space, padding and unknown included.
            length: words of a text that are read, counted from its end.
            ngrams: 1 for words, 2 for words and pairs, the most frequent of both.
            positive: the label whose probability is the score; None for no score.
        """
        global _remembered
        _remembered = _remembered_by_fits
        split = [_words(text) for text in texts]
        counts = Counter(chain.from_iterable(split))
        # Equal counts in alphabetical order: the same texts in any order give the same ids.
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: max(words - 2, 0)]
        vocabulary = tuple(word for word, _ in ranked)
        fitted = cls(length, vocabulary, tuple(labels), positive=positive)
        if ngrams == 1:
            return fitted
        return fitted._with_pairs(split, np.array([count for _, count in ranked], int), words - 2)

    @classmethod
    def fit_split(
        cls, split: Mapping[str, np.ndarray], facts: Mapping, parameters: Mapping
    ) -> "TextInputs":
        """Return inputs for a training split and the parameters of an architecture."""
        ngrams = parameters.get("ngrams", 1)  # absent where an architecture reads words in order
        words, length = parameters["words"], parameters["length"]
        labels, positive = facts["labels"], facts.get("positive")
        return cls.fit(split["text"], labels, words, length, ngrams, positive)

    @classmethod
    def beside(cls, parts: Sequence["TextInputs"]) -> "TextInputs":
        """Return inputs that read for several models, as the one of most words but for its end."""
        widest = max(parts, key=lambda part: part.sizes()["words"])
        length = max(part.length for part in parts)
        return replace(widest, length=length, weights=(), parts=tuple(parts))

    def sizes(self) -> dict[str, int]:
        """The arguments of a builder in `models/sentiment/` that the data decides."""
        words = len(self.vocabulary) + 2 + (0 if self.pairs is None else len(self.pairs))
        return {"words": words, "length": self._places, "classes": len(self.labels)}

    def to_tensor(self, texts: Sequence[str]) -> np.ndarray:
        """Return int32 (text, length) word ids, or (text, 2 x length) with pairs.

        Raises InputError: not_a_text, empty_text, text_too_long.
        """
        if self.parts:
            return np.concatenate([part.to_tensor(texts) for part in self.parts], axis=1)
        tensor = np.zeros((len(texts), self._places), np.int32)
        for number, text in enumerate(texts):
            _check_text(text, "The text" if len(texts) == 1 else f"Text {number + 1}")
            words = _words(text, self.tokenizer)[-self.length :]
            ids: Sequence[int] | np.ndarray = self._ids(words) or [UNKNOWN]
            if self.codes is not None:
                ids = self._set(np.array(ids), self.codes)
            tensor[number, -len(ids) :] = ids
        return tensor

    def unknown_share(self, texts: Iterable[str]) -> float:
        """Return which share of the words that are read of texts is not in the vocabulary."""
        read = [self._ids(_words(text, self.tokenizer)[-self.length :]) for text in texts]
        return sum(ids.count(UNKNOWN) for ids in read) / max(1, sum(map(len, read)))

    def to_answers(self, outputs: np.ndarray) -> list[dict]:
        """Turn probabilities (text, class) into `{"label", "probabilities", "score"}` each.

        score: the probability of the positive label; left out where there is none.
        """
        answers = [class_answer(self.labels, row, self.weights) for row in outputs.tolist()]
        if (scored := self.scored) is not None:
            for answer in answers:
                answer["score"] = answer["probabilities"][scored]
        return answers

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal as docs/architecture.md defines it."""
        return same_classes(expected, answer, self.weights)

    def spec(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The JSON fields and the arrays from which `from_spec` makes an equal object."""
        if self.parts:
            return self._spec_of_parts()
        fields = {
            "kind": self.kind,
            "length": self.length,
            "vocabulary": list(self.vocabulary),
            "labels": list(self.labels),
        }
        if self.positive != "":
            fields["positive"] = self.positive
        if self.weights:
            fields["weights"] = list(self.weights)
        if self.tokenizer > 1:
            fields["tokenizer"] = self.tokenizer
        return fields, {} if self.pairs is None else {"pairs": self.pairs}

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: Mapping[str, np.ndarray]) -> "TextInputs":
        weights = tuple(fields.get("weights", ()))
        if "parts" in fields:
            parts = [
                cls.from_spec(part, {"pairs": arrays[name]} if name in arrays else {})
                for number, part in enumerate(fields["parts"])
                for name in [f"pairs_{number}"]
            ]
            return replace(cls.beside(parts), weights=weights)
        vocabulary, labels = tuple(fields["vocabulary"]), tuple(fields["labels"])
        more = fields.get("positive", ""), weights
        version = fields.get("tokenizer", 1)
        return cls(fields["length"], vocabulary, labels, arrays.get("pairs"), *more, version)

    def _spec_of_parts(self) -> tuple[dict, dict[str, np.ndarray]]:
        specs = [part.spec() for part in self.parts]
        weights = {"weights": list(self.weights)} if self.weights else {}
        arrays = {
            f"pairs_{number}": arrays["pairs"]
            for number, (_, arrays) in enumerate(specs)
            if "pairs" in arrays
        }
        return {"kind": self.kind, "parts": [fields for fields, _ in specs]} | weights, arrays

    @property
    def scored(self) -> str | None:
        """The label whose probability is the score; None where there is no score."""
        if self.positive == "":
            return self.labels[1] if len(self.labels) == 2 else None
        return self.positive

    @property
    def _places(self) -> int:
        """Ids in one row of the tensor."""
        if self.parts:
            return sum(part._places for part in self.parts)
        return self.length if self.pairs is None else 2 * self.length

    def _ids(self, words: Sequence[str]) -> list[int]:
        return list(map(self.ids.get, words, repeat(UNKNOWN)))

    def _set(self, ids: np.ndarray, pair_codes: np.ndarray) -> np.ndarray:
        """Return the ids of the words and of the pairs that they form, each once, rising."""
        codes = _codes(ids[:-1], ids[1:])
        ranks = np.searchsorted(pair_codes, codes)
        ranks = ranks[pair_codes[ranks] == codes]
        rising = np.sort(np.concatenate([ids, ranks + len(self.vocabulary) + UNKNOWN + 1]))
        return rising[np.append(True, rising[1:] != rising[:-1])]  # a fifth of np.unique's time

    def _with_pairs(
        self, split: Sequence[Sequence[str]], counts: np.ndarray, size: int
    ) -> "TextInputs":
        """Return inputs that know the `size` most frequent of their words and of the pairs.

        split: the words of each text. counts: of each word of the vocabulary, falling.
        """
        # An unknown word between two texts, so that no pair reaches from one into the other.
        each = (one for words in split for one in (*self._ids(words), UNKNOWN))
        ids = np.fromiter(each, np.int64)
        in_vocabulary = (ids[:-1] > UNKNOWN) & (ids[1:] > UNKNOWN)
        codes, pair_counts = np.unique(_codes(ids[:-1], ids[1:])[in_vocabulary], return_counts=True)
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


def _check_text(text: Any, name: str) -> None:
    if not isinstance(text, str):
        raise InputError("not_a_text", f"{name} must be a string, not {shown(text)}.")
    if len(text) > MAX_CHARACTERS:
        message = f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are allowed."
        raise InputError("text_too_long", message)
    if not text.strip():
        raise InputError("empty_text", f"{name} is empty; it needs at least one word.")
