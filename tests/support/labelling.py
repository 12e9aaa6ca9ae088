"""Requests about texts that one word decides, and what was right, sent back to a service."""

from collections.abc import Iterable

import httpx

WORDS = ("sunset", "harbour", "engine", "letter")


def ask_and_label(url: str, name: str, rows: Iterable[int], good: str, bad: str) -> set[str]:
    """Ask the service about a text for each row, and send back its label; returns the versions that
    answered.

    name: of these requests, whose ids are `name-row`. good, bad: the words that decide; texts of
    both share all others.
    """
    labels, versions = [], set()
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        for row in rows:
            text = f"{name} {row // 2} {WORDS[row // 2 % 4]} {(good, bad)[row % 2]}"
            headers = {"X-Request-ID": f"{name}-{row}"}
            answered = client.post("/v1/sentiment", json={"text": text}, headers=headers)
            versions.add(answered.raise_for_status().json()["model"]["version"])
            label = ("good", "bad")[row % 2]
            labels.append({"request_id": f"{name}-{row}", "label": label})
        client.post("/v1/feedback", json={"feedback": labels}).raise_for_status()
    return versions


def on_trial(url: str) -> list[str]:
    """The versions that the service tries."""
    models = httpx.get(f"{url}/v1/models", trust_env=False).raise_for_status().json()
    return [one["version"] for one in models["on_trial"]]
