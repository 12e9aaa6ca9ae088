"""The end of a run: the champions that are published become a Bento, which is asked."""

import json

from pipelines.locks import lock
from pipelines.processes import service
from pipelines.release import bento
from pipelines.runtime import console

LOCK_SECONDS = 300


def release() -> None:
    """Package the published champions as a Bento and ask its endpoints, unless that was done.

    Raises BuildError where they cannot be packaged, and what a service raises that does not answer.
    """
    # Runs of other tasks package the same champions: one after the other.
    with lock.hold("release", LOCK_SECONDS):
        if bento.current() is None and bento.published():
            _release()


def _release() -> None:
    console.heading("Release")
    with console.stage("bento") as say:
        made = bento.build()
        say(made.tag)
    with console.stage("smoke") as say:
        endpoints, champions = list(made.champions), bento.champions(made.tag)
        with service.running(made.path, endpoints) as running:
            answers = {name: service.smoke(running.url, name, champions) for name in endpoints}
        say(f"{len(answers)} endpoints of {made.tag} answered")
    for name, answer in answers.items():
        path = service.path_of(name)
        console.out().print(f"    POST {path} → {_short(answer)}", markup=False)


def _short(answer: dict) -> str:
    shown = {name: answer[name] for name in ("label", "score", "forecast") if name in answer}
    if "forecast" in shown:
        shown["forecast"] = [round(value, 1) for value in shown["forecast"]]
    model = answer["model"]
    return f"{json.dumps(shown)} from {model['name']}/{model['version']}"
