"""How many requests may begin in one turn of the event loop; the others are told to come again.

Whatever has come is read in every turn, so nobody waits in a socket for longer than one turn takes,
and a turn takes as long as what began in it. Who is turned away costs a twentieth of an answer, and
nothing of what was sent is looked at.
"""

import asyncio

from starlette.types import Receive, Scope, Send

from serving.door import PATH, REQUEST_ID, is_under

MOST = 32  # as many come at once by chance, or from one client that means well
MOST_IN_A_CROWD = 16  # in the turn after one in which somebody was turned away
UNCOUNTED = 16  # after one that came alone: to learn where a turn ends takes another turn

SENTENCE = b"Too many requests are waiting; try again in a second."
HEADERS = [(b"content-type", b"application/json"), (b"retry-after", b"1")]


class Crowd:
    """Counts the requests of this turn."""

    def __init__(self):
        self.most = MOST
        self.began = 0
        self.uncounted = 0  # how many more are

    def is_full(self) -> bool:
        """Take one more request in; say whether it is one too many."""
        if self.uncounted:
            self.uncounted -= 1
            return False
        if self.began == 0:
            asyncio.get_running_loop().call_soon(self._turn)
        self.began += 1
        return self.began > self.most

    def _turn(self) -> None:
        self.most = MOST if self.began <= self.most else MOST_IN_A_CROWD
        self.uncounted = UNCOUNTED if self.began == 1 else 0
        self.began = 0


async def turn_away(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI app that answers 429, in the form of errors.py."""
    if is_under("/v2", scope[PATH]):
        body = b'{"error":"%b"}' % SENTENCE
    else:
        request_id = scope[REQUEST_ID].encode("ascii")
        body = b'{"error":{"code":"busy","message":"%b"},"request_id":"%b"}'
        body %= SENTENCE, request_id
    headers = [*HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
