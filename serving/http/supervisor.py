"""The process that starts the workers, in what BentoML leaves as circus has it.

Imported by that process alone: circus takes megabytes.
"""

from bentoml._internal.utils import circus

LOOK_SECONDS = 1  # until a worker that was killed is noticed; BentoML looks every ten seconds


class Supervisor(circus.Arbiter):
    """Looks after its workers often, and lets go of the socket before they do."""

    def __init__(self, *arguments, check_delay: float, **options):
        super().__init__(*arguments, check_delay=LOOK_SECONDS, **options)

    def stop(self):
        # Where it is held on to, clients are connected to nobody while the workers end.
        self.sockets.close_all()
        return super().stop()


def take_over() -> None:
    """Have BentoML start its workers by this supervisor."""
    circus.Arbiter = Supervisor
