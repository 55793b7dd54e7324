"""A session with forumd, for what forum-load does not do; see docs/PROTOCOL.md."""

import socket
import ssl
import struct

from . import Failed

HELLO, LOG_IN, PASSWORD, SIGN_UP = 0x01, 0x04, 0x05, 0x06
CREATE_THREAD, POST, DELETE_POST, EDIT_POST, READ_THREAD = 0x20, 0x21, 0x22, 0x23, 0x25
UPLOAD, DOWNLOAD, MESSAGE = 0x26, 0x27, 0x30
DATA, CREDIT, DATA_END = 0x40, 0x41, 0x42
REFUSED = 0x85
ITEMS, NOTICES = range(0x90, 0xA0), range(0xC0, 0x100)
VERSION = 3
DATA_BYTES_MAX = 65_527
SECONDS_MAX = 120
TAG = 1


def string(text):
    content = text.encode()
    return struct.pack(">H", len(content)) + content


def frame(kind, body=b""):
    return struct.pack(">IBI", len(body) + 5, kind, TAG) + body


def post(title, text):
    return frame(POST, string(title) + string(text))


def edit(title, number, text):
    return frame(EDIT_POST, string(title) + struct.pack(">I", number) + string(text))


def delete(title, number):
    return frame(DELETE_POST, string(title) + struct.pack(">I", number))


def read(title, first, last):
    return frame(READ_THREAD, string(title) + struct.pack(">BII", 1, first, last))


def message(user, text):
    return frame(MESSAGE, string(user) + string(text))


def text_of_refusal(body):
    """The text comes last: after the code and, where they are there, a limit, a value and a name."""
    at = 2
    for field_bytes in (2, 8, None):
        is_there = body[at]
        at += 1
        if is_there:
            at += field_bytes or 2 + int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 :].decode()


def line(port, certificate=None):
    """A connection; with TLS if there is a certificate to trust."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if certificate is None:
        return plain
    return ssl.create_default_context(cafile=certificate).wrap_socket(plain, server_hostname="localhost")


class Session:
    """A logged-in connection."""

    def __init__(self, connection, name, password):
        self.socket = connection
        self.stream = self.socket.makefile("rb", buffering=1 << 20)
        hello = struct.pack(">H", VERSION) + string("compare.py") + b"\0"
        self.socket.sendall(frame(HELLO, hello) + frame(LOG_IN, string(name) + b"\0\0"))
        self.answer()
        _, known = self.answer()
        proof = frame(PASSWORD, string(password)) if known == b"\1" else frame(SIGN_UP, string(password) * 2)
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
                raise Failed(f"forumd refused: {text_of_refusal(body)}")
            if kind not in ITEMS and kind not in NOTICES:
                return kind, body

    def ask(self, *frames):
        """Sends all at once, and waits for all answers."""
        self.socket.sendall(b"".join(frames))
        return [self.answer() for _ in frames]

    def upload(self, title, file, pieces, size, digest):
        """Sends `pieces` as a file, as far as there is credit."""
        self.socket.sendall(frame(UPLOAD, string(title) + string(file) + struct.pack(">Q", size)))
        credit = struct.unpack(">I", self.answer()[1])[0]
        for piece in pieces:
            while credit < len(piece):
                credit += struct.unpack(">I", self.answer()[1])[0]
            credit -= len(piece)
            self.socket.sendall(frame(DATA, piece))
        self.socket.sendall(frame(DATA_END, b"\1" + digest))
        while self.answer()[0] == CREDIT:
            pass

    def download(self, title, file):
        """Takes a file as fast as it comes; returns how long it was, and the digest that was said."""
        (_, start), count = self.ask(frame(DOWNLOAD, string(title) + string(file)))[0], 0
        (size,) = struct.unpack_from(">Q", start)
        self.socket.sendall(frame(CREDIT, struct.pack(">I", max(1, size))))
        while True:
            kind, body = self.answer()
            if kind == DATA_END:
                return count, body[1:]
            count += len(body)
