"""Files: what a GB down or up costs, and what others notice of it.

What is measured is the server's CPU; Python is fast enough to be at the other end of it.
"""

import os
import socket
import struct
import threading
import time
from contextlib import contextmanager

from . import Failed, servers
from .forum import CREATE_THREAD, DATA_BYTES_MAX, Session, frame, line, string
from .generator import figures, load

PIECE = bytes(range(256)) * 256
FILE, THREAD = "file", "files"
SECONDS_MAX = 120


def file_bytes(place):
    return (64 << 20) if place.quick else (1 << 30)


def write_file(place):
    """Puts the file into a directory."""

    def write(directory):
        with open(directory / FILE, "wb") as file:
            for piece in pieces(file_bytes(place)):
                file.write(piece)

    return write


def pieces(size, piece_bytes=len(PIECE)):
    """The contents of the file, cut as wanted: each piece begins where it would in any other cut."""
    doubled = PIECE * 2
    for start in range(0, size, piece_bytes):
        at = start % len(PIECE)
        yield doubled[at : at + min(piece_bytes, size - start)]


def connect(server):
    return line(server.port, server.certificate if server.tls else None)


def receive(peer, size):
    """Takes so many bytes and looks at none."""
    buffer = bytearray(1 << 20)
    while size > 0:
        count = peer.recv_into(buffer, min(size, len(buffer)))
        if count == 0:
            raise Failed(f"the download ended {size} bytes early")
        size -= count


def receive_exactly(peer, size):
    answer = b""
    while len(answer) < size:
        piece = peer.recv(size - len(answer))
        if not piece:
            raise Failed("the server ended the connection")
        answer += piece
    return answer


def cost(place, server, move):
    """What `move`, which moves the file once, costs the server."""
    cpu, start = server.cpu_seconds(), time.monotonic()
    move()
    gb = file_bytes(place) / 1e9
    return {
        "cpu_s_gb": (server.cpu_seconds() - cpu) / gb,
        "mb_s": gb * 1e3 / (time.monotonic() - start),
    }


def from_floor(place, server):
    def move():
        with connect(server) as peer:
            receive(peer, *struct.unpack(">Q", receive_exactly(peer, 8)))

    return cost(place, server, move)


def from_nginx(place, server):
    def move():
        with connect(server) as peer:
            peer.sendall(f"GET /{FILE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += receive_exactly(peer, 1)
            if not head.startswith(b"HTTP/1.1 200 "):
                raise Failed(f"nginx: {head[:60]!r}")
            receive(peer, file_bytes(place))

    return cost(place, server, move)


def to_floor(place, server):
    return cost(place, server, lambda: send_to_floor(place, server))


def send_to_floor(place, server):
    """Returns all that the floor says."""
    with connect(server) as peer:
        peer.sendall(struct.pack(">Q", file_bytes(place)))
        for piece in pieces(file_bytes(place)):
            peer.sendall(piece)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while part := peer.recv(64):
            answer += part
        if answer[:8] != struct.pack(">Q", file_bytes(place)):
            raise Failed("the floor did not store all of it")
        return answer


def digest(place):
    """The file's BLAKE3, which Python does not have and the floor does."""

    def ask(directory):
        with servers.running(place, servers.floor("receive", "--blake3", "{}")) as floor:
            (directory / "digest").write_bytes(send_to_floor(place, floor)[8:])

    return (place.prepared("digest", ask) / "digest").read_bytes()


def upload(place, session, file):
    session.upload(THREAD, file, pieces(file_bytes(place), DATA_BYTES_MAX), file_bytes(place), digest(place))


def download(place, session, file):
    if session.download(THREAD, file) != (file_bytes(place), digest(place)):
        raise Failed("forumd sent another file than it got")


def to_forumd(place, server):
    digest(place)
    with Session(connect(server), "yoda", "secret") as session:
        session.ask(frame(CREATE_THREAD, string(THREAD)))
        return cost(place, server, lambda: upload(place, session, FILE))


def from_forumd(place, server):
    with Session(connect(server), "yoda", "secret") as session:
        session.ask(frame(CREATE_THREAD, string(THREAD)))
        upload(place, session, FILE)
        return cost(place, server, lambda: download(place, session, FILE))


def ping_beside(direction):
    """Measures another client's ping, 1,000 times a second, while files go down or up, or none do."""

    def measure(place, server):
        with Session(connect(server), "yoda", "secret") as session:
            session.ask(frame(CREATE_THREAD, string(THREAD)))
            if direction == "down":
                upload(place, session, FILE)
            with moving(place, session, direction):
                return figures(load(place, server, "ping", "--connections", 1, "--rate", 1000))

    return measure


@contextmanager
def moving(place, session, direction):
    """Moves files one after the other until this is left, on whatever forum-load leaves of its core."""
    ended, troubles, done = threading.Event(), [], []

    def work():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        try:
            while not ended.is_set():
                if direction == "down":
                    download(place, session, FILE)
                elif direction == "up":
                    upload(place, session, f"{FILE}-{len(done)}")
                else:
                    ended.wait()
                done.append(direction)
        except (Failed, OSError) as trouble:
            troubles.append(trouble)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if troubles:
        raise Failed(f"the transfer beside failed: {troubles[0]}")
