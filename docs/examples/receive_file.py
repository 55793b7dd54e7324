#!/usr/bin/env python3
"""Takes one file of another user, made from docs/UDP.md alone: python3 receive_file.py HOST PORT NAME PASSWORD

It logs in, says yes to the first user who sends a file, and stores that in the current directory. Beside client.py
it needs the packages cryptography and blake3."""
import hashlib, hmac, socket, struct, sys, time

from blake3 import blake3
from client import Body, Client, CLOSING, LOG_IN, LOG_OUT, PASSWORD, SIGN_UP, string, u16, u32, u64
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ANSWER_QUESTION, LINK_REACHED, END_LINK = 0x52, 0x54, 0x55
FILE_QUESTION, LINK_INTRODUCTION = 0xD1, 0xD5
CALL, ANSWER, SEALED, KNOCK = 0x01, 0x02, 0x10, 0x81  # datagrams
HELLO, DATA, PING, GOODBYE, ABORT, ACCEPT, ACK, DONE = 0x01, 0x02, 0x03, 0x04, 0x05, 0x82, 0x83, 0x84  # packets
VERSION, FILE, RECEIVER, WINDOW, RANGES_MAX = 1, 2, 2, 1 << 20, 56

class Handshake:
    """The end that begins a handshake of Noise_NNpsk0_25519_AESGCM_BLAKE2s."""
    def __init__(self, psk, prologue):
        self.private = X25519PrivateKey.generate()
        self.hash = self.chain = hashlib.blake2s(b"Noise_NNpsk0_25519_AESGCM_BLAKE2s").digest()
        self.mix_hash(prologue)
        self.chain, mixed, self.key = self.derive(psk, 3)
        self.mix_hash(mixed)

    def mix_hash(self, data): self.hash = hashlib.blake2s(self.hash + data).digest()

    def derive(self, material, count):
        mac = lambda key, data: hmac.new(key, data, hashlib.blake2s).digest()
        secret, last, outputs = mac(self.chain, material), b"", []
        for number in range(1, count + 1):
            outputs.append(last := mac(secret, last + bytes([number])))
        return outputs

    def mix_public(self, public):
        self.mix_hash(public)
        self.chain, self.key = self.derive(public, 2)

    def first(self):
        public = self.private.public_key().public_bytes_raw()
        self.mix_public(public)
        tag = AESGCM(self.key).encrypt(bytes(12), b"", self.hash)
        self.mix_hash(tag)
        self.state = self.hash, self.chain
        return public + tag

    def second(self, message):
        """The payload, and the ciphers of both directions. InvalidTag: it is from somebody else."""
        self.hash, self.chain = self.state
        self.mix_public(message[:32])
        self.chain, self.key = self.derive(self.private.exchange(X25519PublicKey.from_public_bytes(message[:32])), 2)
        payload = AESGCM(self.key).decrypt(bytes(12), message[32:], self.hash)
        return payload, *map(AESGCM, self.derive(b"", 2))

class Transfer:
    """A file on its way here."""
    def __init__(self, token, link, udp, sender):
        derive = lambda context: blake3(token, derive_key_context=context).digest()
        sessions = derive("forum between clients: session ids")
        self.mine, self.other, self.udp, self.sender = sessions[:8], sessions[8:16], udp, sender
        prologue = b"forum noise" + bytes([VERSION]) + u64(link) + bytes([FILE, RECEIVER])
        self.handshake = Handshake(derive("forum between clients: noise psk"), prologue)
        self.knock = bytes([KNOCK]) + self.other + bytes([VERSION]) + self.handshake.first()
        self.number, self.seen, self.largest = 0, set(), (-1, 0.0)  # every number: good enough for an example
        self.pieces, self.data, self.offer, self.is_done = {}, bytearray(), None, False

    def say(self, packet):
        sealed = self.out.encrypt(bytes(4) + struct.pack(">Q", self.number), packet, b"")
        self.udp.sendto(bytes([SEALED]) + self.other + u64(self.number) + sealed, self.sender)
        self.number += 1

    def accept(self): self.say(bytes([ACCEPT]) + u64(0) + u64(self.window_end()) + u16(65_488))

    def window_end(self): return min(self.offer[0], len(self.data) + WINDOW)

    def ack(self):
        largest, came = self.largest
        runs = []  # numbers that came, as ranges, going down
        for number in sorted(self.seen, reverse=True):
            if runs and runs[-1][0] == number + 1: runs[-1][0] = number
            else: runs.append([number, number])
        delay = min(int((time.monotonic() - came) * 1e6), 0xFFFF_FFFF)
        packet = bytes([ACK]) + u64(largest) + u32(delay) + u64(len(self.data)) + u64(self.window_end())
        packet += u32(largest - runs[0][0])
        for above, run in zip(runs, runs[1:RANGES_MAX]):
            packet += u32(above[0] - run[1] - 1) + u32(run[1] - run[0] + 1)
        self.say(packet)

    def take(self, datagram, address):
        """Takes in a datagram; whatever is not the sender's has no effect."""
        kind, body = datagram[:1], datagram[9:]
        if datagram[1:9] != self.mine: return
        try:
            if kind == bytes([ANSWER]) and body[:1] == bytes([VERSION]):
                if self.offer is None:
                    hello, self.out, self.cipher = self.handshake.second(body[1:])
                    if hello[0] != HELLO: raise SystemExit("the sender has given up")
                    self.offer, self.sender = (struct.unpack(">Q", hello[1:9])[0], hello[9:41]), address
                self.accept()
            elif kind == bytes([SEALED]) and self.offer:
                number = struct.unpack(">Q", body[:8])[0]
                packet = self.cipher.decrypt(bytes(4) + struct.pack(">Q", number), body[8:], b"")
                if number not in self.seen: self.on_packet(number, packet, address)
        except InvalidTag: pass

    def on_packet(self, number, packet, address):
        self.seen.add(number)
        if number > self.largest[0]: self.largest, self.sender = (number, time.monotonic()), address
        if packet[0] == GOODBYE: self.is_done = True
        elif packet[0] == ABORT: raise SystemExit("the sender has given up")
        elif packet[0] == DATA:
            offset = struct.unpack(">Q", packet[1:9])[0]
            if offset + len(packet) - 9 <= self.window_end(): self.pieces.setdefault(offset, packet[9:])
            while (at := next((at for at in self.pieces if at <= len(self.data)), None)) is not None:
                piece = self.pieces.pop(at)
                self.data += piece[len(self.data) - at:]
        self.ack()

    def run(self):
        self.udp.settimeout(0.2)
        give_up = time.monotonic() + 60
        while not self.is_done:
            if time.monotonic() > give_up: raise SystemExit("nothing comes")
            if self.offer is None: self.udp.sendto(self.knock, self.sender)
            elif len(self.data) == self.offer[0]:
                if blake3(self.data).digest() != self.offer[1]: raise SystemExit("the file is damaged")
                self.say(bytes([DONE]))
            try: self.take(*self.udp.recvfrom(65_536))
            except socket.timeout: pass
        return bytes(self.data)

class Taker(Client):
    """A client that can be sent files."""
    def log_in(self, name, password, udp_port):
        known = self.ask(LOG_IN, string(name) + u16(udp_port)).u8()
        self.ask(PASSWORD if known else SIGN_UP, string(password) * (1 if known else 2))

    def notice(self, wanted):
        while True:
            length, kind, tag = struct.unpack(">IBI", self.read(9))
            body = Body(self.read(length - 5))
            if kind == CLOSING: raise ConnectionError("the server closes")
            if kind == wanted: return body

def main(host, port, name, password):
    client = Taker(host, int(port))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((client.socket.getsockname()[0], 0))
    client.log_in(name, password, udp.getsockname()[1])
    print("ready", flush=True)
    question = client.notice(FILE_QUESTION)
    link, user, size, file = question.u64(), question.string(), question.u64(), question.string()
    client.send(ANSWER_QUESTION, u64(link) + b"\1")
    introduction = client.notice(LINK_INTRODUCTION)
    link, token = introduction.u64(), introduction.take(16)
    sender = introduction.string(), introduction.u16()
    client.send(LINK_REACHED, u64(link))
    data = Transfer(token, link, udp, sender).run()
    with open(f"{user}_{file}", "xb") as out: out.write(data)
    print(f"received {file} from {user}: {len(data)} bytes of {size}")
    client.send(END_LINK, u64(link) + b"\0")
    client.ask(LOG_OUT)

if __name__ == "__main__": main(*sys.argv[1:])
