"""What one check of the audit found."""

from dataclasses import dataclass, field

EXAMPLES = 5  # that a finding shows


@dataclass(frozen=True)
class Finding:
    """One property of the data that was examined, and whether a person should look at it.

    scope: what was examined, and how. result: a sentence with its counts. advice: what to do, where
    it is not ok. examples: row numbers of the prepared splits, counted from 0. facts: the numbers
    behind the result.
    """

    name: str
    scope: str
    result: str
    ok: bool
    advice: str
    examples: list[dict] = field(default_factory=list)
    facts: dict = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return "ok" if self.ok else "look at it"

    def to_dict(self) -> dict:
        """The finding as JSON."""
        return {
            "name": self.name,
            "looked": self.scope,
            "found": self.result,
            "ok": self.ok,
            "advice": "" if self.ok else self.advice,
            "examples": self.examples,
            "facts": self.facts,
            "verdict": self.verdict,
        }
