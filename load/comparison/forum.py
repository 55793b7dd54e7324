"""A session with forumd, for what forum-load does not do; see docs/PROTOCOL.md."""

import socket
import struct

from . import Failed

HELLO, PING, LOG_IN, PASSWORD, SIGN_UP, LOG_OUT = 0x01, 0x02, 0x04, 0x05, 0x06, 0x11
CREATE_THREAD, POST, DELETE_POST, EDIT_POST, READ_THREAD = 0x20, 0x21, 0x22, 0x23, 0x25
UPLOAD, DOWNLOAD, MESSAGE = 0x26, 0x27, 0x30
DATA, CREDIT, END = 0x40, 0x41, 0x42
PASSWORD_WANTED, REFUSED = 0x82, 0x85
ITEMS, NOTICES = range(0x90, 0xC0), range(0xC0, 0x100)
DATA_BYTES_MAX = 65_527
SECONDS_MAX = 120
TAG = 1


def short(text):
    return bytes([len(text)]) + text.encode()


def frame(kind, body=b""):
    return struct.pack(">IBI", len(body) + 5, kind, TAG) + body


def post(title, text):
    return frame(POST, short(title) + text.encode())


def edit(title, number, text):
    return frame(EDIT_POST, short(title) + struct.pack(">I", number) + text.encode())


def delete(title, number):
    return frame(DELETE_POST, short(title) + struct.pack(">I", number))


def read(title, first, last):
    return frame(READ_THREAD, short(title) + struct.pack(">BII", 1, first, last))


def message(user, text):
    return frame(MESSAGE, short(user) + text.encode())


class Session:
    """A logged-in connection."""

    def __init__(self, port, name, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb", buffering=1 << 20)
        self.socket.sendall(frame(HELLO, b"\0\1") + frame(LOG_IN, short(name) + b"\0\0"))
        self.answer()
        _, known = self.answer()
        proof = frame(PASSWORD, short(password)) if known == b"\1" else frame(SIGN_UP, short(password) * 2)
        self.ask(proof)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def next_frame(self):
        head = self.stream.read(9)
        if len(head) < 9:
            raise Failed("forumd ended the connection")
        length, kind, _ = struct.unpack(">IBI", head)
        return kind, self.stream.read(length - 5)

    def answer(self):
        """The next frame that is the last word on a request."""
        while True:
            kind, body = self.next_frame()
            if kind == REFUSED:
                raise Failed(f"forumd refused: {body[2:].decode()}")
            if kind not in ITEMS and kind not in NOTICES:
                return kind, body

    def ask(self, *frames):
        """Sends all at once, and waits for all answers."""
        self.socket.sendall(b"".join(frames))
        return [self.answer() for _ in frames]

    def upload(self, title, file, pieces, size, digest):
        """Sends `pieces` as a file, as far as there is credit."""
        self.socket.sendall(frame(UPLOAD, short(title) + short(file) + struct.pack(">Q", size)))
        credit = struct.unpack(">I", self.answer()[1])[0]
        for piece in pieces:
            while credit < len(piece):
                credit += struct.unpack(">I", self.answer()[1])[0]
            credit -= len(piece)
            self.socket.sendall(frame(DATA, piece))
        self.socket.sendall(frame(END, digest))
        while self.answer()[0] == CREDIT:
            pass

    def download(self, title, file):
        """Takes a file as fast as it comes; returns how long it was, and the digest that was said."""
        (_, size), count = self.ask(frame(DOWNLOAD, short(title) + short(file)))[0], 0
        self.socket.sendall(frame(CREDIT, struct.pack(">I", max(1, *struct.unpack(">Q", size)))))
        while True:
            kind, body = self.answer()
            if kind == END:
                return count, body
            count += len(body)
