#!/usr/bin/env python3
"""A forumd client, made from docs/PROTOCOL.md alone: python3 client.py HOST PORT NAME PASSWORD

It logs in (or signs up), prints waiting messages, opens a thread, posts, uploads and downloads a file, lists the thread
in pages, and repeats a post after a dropped connection without posting it twice."""
import os, socket, struct, sys, time

CLIENT_HELLO, PING, LOG_IN, PASSWORD, SIGN_UP, LOG_OUT = 0x01, 0x02, 0x04, 0x05, 0x06, 0x11
CREATE_THREAD, POST, READ_THREAD, UPLOAD, DOWNLOAD, ACK_MESSAGES = 0x20, 0x21, 0x25, 0x26, 0x27, 0x36
DATA, CREDIT, DATA_END = 0x40, 0x41, 0x42
REFUSED, END_OF_LIST, POST_ITEM, CLOSING, MESSAGE = 0x85, 0x88, 0x91, 0xC0, 0xC3
ALREADY_LOGGED_IN, THREAD_EXISTS = 10, 20  # refusals
DATA_MAX, WINDOW = 65_527, 1 << 20  # bytes

# How fields are written. An absent one at the end of a body may be left out.
def u16(n): return struct.pack(">H", n)
def u32(n): return struct.pack(">I", n)
def u64(n): return struct.pack(">Q", n)
def string(s): return u16(len(s.encode())) + s.encode()
def optional(field): return b"\0" if field is None else b"\1" + field

class Body:
    """The fields of a body, read one after the other. What is left at the end is from a newer server."""
    def __init__(self, data): self.data = data
    def take(self, count):
        taken, self.data = self.data[:count], self.data[count:]
        return taken
    def u8(self): return self.take(1)[0]
    def u16(self): return struct.unpack(">H", self.take(2))[0]
    def u32(self): return struct.unpack(">I", self.take(4))[0]
    def u64(self): return struct.unpack(">Q", self.take(8))[0]
    def string(self): return self.take(self.u16()).decode()
    def optional(self, read): return read() if self.data and self.u8() else None

class Refused(Exception):
    def __init__(self, body):
        self.code, self.limit = body.u16(), body.optional(body.u16)
        self.value, self.name = body.optional(body.u64), body.optional(body.string)
        super().__init__(body.string())

class Client:
    def __init__(self, host, port):
        self.socket, self.tag = socket.create_connection((host, port), timeout=60), 0
        self.ask(CLIENT_HELLO, u16(3) + string("client.py") + b"\0")

    def send(self, kind, body=b"", tag=None):
        self.tag, tag = self.tag + 1, tag or self.tag + 1
        self.socket.sendall(u32(5 + len(body)) + bytes([kind]) + u32(tag) + body)
        return tag

    def read(self, count):
        data = b""
        while len(data) < count:
            data += (piece := self.socket.recv(count - len(data)))
            if not piece: raise ConnectionError("the server closed the connection")
        return data

    def frame(self, tag):
        """The next frame of request `tag`: its kind and body. Notices on the way are dealt with."""
        while True:
            length, kind, its_tag = struct.unpack(">IBI", self.read(9))
            body = Body(self.read(length - 5))
            if kind == MESSAGE:
                number, late, at_ms = body.u64(), body.u8(), body.u64()
                print(f"{body.string()}: {body.string()}")
                self.send(ACK_MESSAGES, u64(number))
            elif kind == CLOSING:
                body.u16()
                raise ConnectionError(body.string())
            elif its_tag == tag:
                if kind == REFUSED: raise Refused(body)
                return kind, body

    def ask(self, kind, body=b""):
        """Sends a request that has one answer: the answer's body."""
        return self.frame(self.send(kind, body))[1]

    def log_in(self, name, password):
        known = self.ask(LOG_IN, string(name) + u16(0)).u8()
        self.ask(PASSWORD if known else SIGN_UP, string(password) * (1 if known else 2))
        self.ask(PING)  # Messages that waited come before the first answer.

    def post(self, title, text, key=None):
        answer = self.ask(POST, string(title) + string(text) + optional(key))
        return answer.u32(), answer.u64()  # number and id

    def read_thread(self, title, page=100):
        after = None
        while True:
            tag = self.send(READ_THREAD, string(title) + optional(None)
                            + optional(after and u64(after)) + optional(u32(page)))
            while (frame := self.frame(tag))[0] != END_OF_LIST:
                kind, item = frame
                number = item.u32() if kind == POST_ITEM else None
                identity, at_ms, author, text = item.u64(), item.u64(), item.string(), item.string()
                yield f"{number} {author}: {text}" if number else f"{author} uploaded {text}"
            if (after := frame[1].optional(frame[1].u64)) is None: return

    def upload(self, title, file, data):
        tag = self.send(UPLOAD, string(title) + string(file) + u64(len(data)))
        credit, sent = self.frame(tag)[1].u32(), 0
        while sent < len(data):
            while credit == 0:
                credit += self.frame(tag)[1].u32()
            piece = data[sent:sent + min(credit, DATA_MAX)]
            self.send(DATA, piece, tag)
            credit, sent = credit - len(piece), sent + len(piece)
        self.send(DATA_END, b"", tag)
        while self.frame(tag)[0] == CREDIT: pass

    def download(self, title, file):
        tag, data = self.send(DOWNLOAD, string(title) + string(file)), b""
        self.frame(tag)  # DownloadStarts
        self.send(CREDIT, u32(WINDOW), tag)
        while (frame := self.frame(tag))[0] != DATA_END:
            data += frame[1].data
            self.send(CREDIT, u32(max(len(frame[1].data), 1)), tag)
        return data

def connect(host, port, name, password):
    """A logged-in client. After a drop, the server may need a moment to see that the old session is over."""
    for attempt in range(50):
        client = Client(host, port)
        try:
            client.log_in(name, password)
            return client
        except Refused as no:
            assert no.code == ALREADY_LOGGED_IN and attempt < 49, no
            time.sleep(0.2)

def main(host, port, name, password, title="python"):
    client = connect(host, int(port), name, password)
    try:
        client.ask(CREATE_THREAD, string(title))
    except Refused as no:
        assert no.code == THREAD_EXISTS, no
    print("posted as number %d, id %d" % client.post(title, "hello from Python"))
    data, file = os.urandom(200_000), f"data-{os.urandom(4).hex()}.bin"
    client.upload(title, file, data)
    print(file, "came back" if client.download(title, file) == data else "was damaged")
    key = os.urandom(16)
    client.send(POST, string(title) + string("once and only once") + optional(key))
    client.socket.close()  # The connection drops before the answer: was it posted?
    client = connect(host, int(port), name, password)
    print("once, as number %d, id %d" % client.post(title, "once and only once", key))
    for line in client.read_thread(title, page=2):
        print(line)
    client.ask(LOG_OUT)

if __name__ == "__main__": main(*sys.argv[1:])
