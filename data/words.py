"""The words of a text as models read them: what the gate counts, and what makes two texts equal."""

import re
import unicodedata

TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_ONE_BY_ONE = re.compile(  # scripts without spaces, and emoji
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u312f\u31a0-\u31ff\u3400-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\U00020000-\U0003ffff\U0001f000-\U0001faff]"
)


class _Signs(dict[int, int | str | None]):
    """What becomes of each character, by its code, as in models/inputs/texts.py, of which this room
    knows nothing: tests/data/test_classes.py holds that both are alike.
    """

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        self[code] = " "
        if category == "So" or _ONE_BY_ONE.match(chr(code)):
            self[code] = f" {chr(code)} "
        elif category == "Cf" or chr(code) in "'’‘" or 0xFE00 <= code <= 0xFE0F:
            self[code] = None
        elif category[0] in "LMN":
            self[code] = code
        return self[code]


_SIGNS = _Signs()


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words, without tags and punctuation."""
    text = TAG.sub(" ", unicodedata.normalize("NFKC", text))
    return text.lower().translate(_SIGNS).split()
