"""Sessions that do nothing: what they cost when they come, and the memory they take when they stay."""

import time

from . import servers
from .generator import connected

FEW = 1_000
BACKGROUND_SECONDS = 1.0
# Redis gives back what a connection used for its log-in some seconds later.
REST_SECONDS = 10


def idle_memory(count):
    """The server's own memory for each of `count` idle connections: the slope after the first 1,000."""

    def measure(place, server):
        many = max(count // 5, 2 * FEW) if place.quick else count
        few, more = (("--user-prefix", prefix) for prefix in servers.PREFIXES)
        with connected(place, server, FEW, *few, rest_seconds=REST_SECONDS):
            few_bytes = server.anonymous_bytes()
            with connected(place, server, many - FEW, *more, rest_seconds=REST_SECONDS):
                return {"connection_bytes": (server.anonymous_bytes() - few_bytes) / (many - FEW)}

    return measure


def login(count):
    """What the server needs until `count` have logged in, all at once, and have heard of each other.

    forumd hashes passwords in threads of their own, named `passwords-N`, which do nothing else: what they use is
    left out, their waking included. What the server does all the time, without anybody asking, is left out, too.
    """

    def measure(place, server):
        logins = count // 5 if place.quick else count
        start, before = time.monotonic(), times(server)
        with connected(place, server, logins, "--user-prefix", servers.PREFIXES[0]):
            seconds, used = time.monotonic() - start, times(server)
            time.sleep(BACKGROUND_SECONDS)
            background = [(later - now) / BACKGROUND_SECONDS for now, later in zip(used, times(server))]
        costs = [
            (now - then - each_second * seconds) * 1e6 / logins
            for then, now, each_second in zip(before, used, background)
        ]
        return {"login_us": costs[1], "login_all_us": costs[0]}

    return measure


def times(server):
    """CPU seconds of all threads, and of those that do not hash passwords."""
    return server.cpu_seconds(), server.cpu_seconds(lambda thread: not thread.startswith("passwords"))


def account_memory(count):
    """The server's own memory for each account, against that of a server without any."""

    def measure(place, server):
        with servers.running(place, servers.forumd()) as without:
            base = settled_bytes(without)
        return {"account_bytes": (settled_bytes(server) - base) / count}

    return measure


def settled_bytes(server):
    """Its memory once it has not changed for a second."""
    deadline, last = time.monotonic() + 30, None
    while last != (now := server.anonymous_bytes()) and time.monotonic() < deadline:
        last = now
        time.sleep(1)
    return now
