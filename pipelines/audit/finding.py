"""What one look of the audit found."""

from dataclasses import asdict, dataclass, field

EXAMPLES = 5  # that a finding shows


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and whether a person should look at it.

    looked: at what, and how. found: a sentence with its counts. advice: what to do, where it is not
    ok. examples: row numbers of the prepared splits, counted from 0. facts: the numbers behind it.
    """

    name: str
    looked: str
    found: str
    ok: bool
    advice: str = ""
    examples: list[dict] = field(default_factory=list)
    facts: dict = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return "ok" if self.ok else "look at it"

    def to_json(self) -> dict:
        told = asdict(self) | {"verdict": self.verdict}
        return told if not self.ok else told | {"advice": ""}
