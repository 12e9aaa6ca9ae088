"""How many requests may begin in one turn of the event loop; the others are told to come again.

Whatever has come is read in every turn, so nobody waits in a socket for longer than one turn takes,
and a turn takes as long as what began in it. Who is turned away costs a tenth of an answer
(connections.py), and nothing of what was sent is looked at.
"""

import asyncio

MOST = 64  # as many come at once by chance, or from one client that means well
# After somebody was turned away, and one more in each turn in which nobody is: answers take twice
# as long as one turn, and turning others away takes its part of that.
MOST_IN_A_CROWD = 6


class Crowd:
    """Counts the requests whose heads came in this turn."""

    def __init__(self):
        self.most = MOST
        self.began = 0
        self.taken_in = 0  # of those that came last, whose turn it is now

    def take_in(self) -> bool:
        """Count one more request; say whether there is room for it."""
        if self.began == 0:
            asyncio.get_running_loop().call_soon(self._turn)
        self.began += 1
        return self.began <= self.most

    def _turn(self) -> None:
        """Called when all that has come was read, and before any of it is looked at."""
        self.taken_in = min(self.began, self.most)
        crowded = self.began > self.most
        self.most = MOST_IN_A_CROWD if crowded else min(self.most + 1, MOST)
        self.began = 0
