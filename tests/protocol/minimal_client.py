#!/usr/bin/env python3
"""A client of Gadgetron's protocol in Python's standard library alone, as strict as the stock one.

It shares no code with the server: it was written from docs/protocol.md, to show that others can do so too.

    minimal_client.py HOST PORT (--config NAME | --script FILE) [-i SCAN] [-o IMAGES]

SCAN is a recorded stream of bytes (header, acquisitions, CLOSE), as `counterflow simulate -o -` writes it; IMAGES the images that
came, each as its message. Ends with 0 if the scan is complete, 1 after an error, 2 if it was lost, 3 if a stock client had aborted.
"""

import argparse
import socket
import ssl
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Iterable, Iterator, Optional

CONFIG_FILE, CONFIG_SCRIPT, HEADER, CLOSE, TEXT, QUERY, RESPONSE = 1, 2, 3, 4, 5, 6, 7
ACQUISITION, IMAGE, WAVEFORM = 1008, 1022, 1026
UNDERSTOOD = {CLOSE, TEXT, RESPONSE, 1018, 1019, IMAGE}  # any other id aborts the stock client

PIXEL_BYTES = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4, 6: 8, 7: 8, 8: 16}
COMPRESSED = 1 << 53  # flag 54
ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER = 340, 198, 40


# ---- messages as bytes


def message(identity: int, payload: bytes = b"") -> bytes:
    return struct.pack("<H", identity) + payload


def config_file(name: bytes) -> bytes:
    return message(CONFIG_FILE, name.ljust(1024, b"\0")[:1024])


def short(identity: int, payload: bytes) -> bytes:
    return message(identity, struct.pack("<I", len(payload)) + payload)


def config_script(xml: bytes) -> bytes:
    return short(CONFIG_SCRIPT, xml)


def header(xml: bytes) -> bytes:
    return short(HEADER, xml)


def text(words: bytes) -> bytes:
    return short(TEXT, words)


def close() -> bytes:
    return message(CLOSE)


def query(correlation: int, question: bytes) -> bytes:
    return message(QUERY, struct.pack("<QQQ", 0, correlation, len(question)) + question)


def waveform(samples: int, channels: int, values: Iterable[int] = ()) -> bytes:
    head = struct.pack("<H6xQIIIHHfH2x", 1, 0, 0, 0, 0, samples, channels, 1000.0, 0)
    return message(WAVEFORM, head + struct.pack(f"<{samples * channels}I", *values))


def pixels_of(head: bytes) -> int:
    """Bytes of the pixels of an image."""
    kind = struct.unpack_from("<H", head, 2)[0]
    x, y, z = struct.unpack_from("<3H", head, 16)
    channels = struct.unpack_from("<H", head, 34)[0]
    return x * y * z * channels * PIXEL_BYTES[kind]


# ---- a recorded stream


def rest_of(identity: int, read) -> bytes:
    """What follows the id of a message to a server, or on a pipe; `read(n)` gives n bytes or raises EOFError."""
    if identity in (HEADER, TEXT, CONFIG_SCRIPT):
        length = read(4)
        return length + read(struct.unpack("<I", length)[0])
    if identity == CLOSE:
        return b""
    if identity == CONFIG_FILE:
        return read(1024)
    if identity == QUERY:
        head = read(24)
        return head + read(struct.unpack_from("<Q", head, 16)[0])
    if identity == ACQUISITION:
        head = read(ACQUISITION_HEADER)
        flags = struct.unpack_from("<Q", head, 2)[0]
        samples, _, channels = struct.unpack_from("<3H", head, 34)
        trajectory = read(4 * samples * struct.unpack_from("<H", head, 176)[0])
        if not flags & COMPRESSED:
            return head + trajectory + read(8 * samples * channels)
        length = read(4)
        return head + trajectory + length + read(struct.unpack("<I", length)[0])
    if identity == IMAGE:
        head = read(IMAGE_HEADER)
        length = read(8)
        return head + length + read(struct.unpack("<Q", length)[0]) + read(pixels_of(head))
    raise ValueError(f"a stream with an id that this client does not know: {identity}")


def messages(stream: bytes) -> Iterator[bytes]:
    """The messages of a recorded stream, each with its id."""
    at = 0

    def read(n: int) -> bytes:
        nonlocal at
        if at + n > len(stream):
            raise EOFError(f"the recorded stream ends within a message at byte {at}")
        at += n
        return stream[at - n : at]

    while at < len(stream):
        first = at
        rest_of(struct.unpack("<H", read(2))[0], read)
        yield stream[first:at]


def identity_of(whole: bytes) -> int:
    return struct.unpack_from("<H", whole)[0]


def compressed(acquisition: bytes, bits: int) -> tuple[bytes, bytes]:
    """An acquisition as NHLBI's compression writes it, its floats as integers of so many bits; and the acquisition of the floats
    that are left of it. Lossy: value = integer / scale."""
    head = bytearray(acquisition[2 : 2 + ACQUISITION_HEADER])
    data = acquisition[2 + ACQUISITION_HEADER :]
    count = len(data) // 4
    floats = struct.unpack(f"<{count}f", data)
    largest = max((abs(v) for v in floats), default=0) or 1.0
    scale = struct.unpack("<f", struct.pack("<f", ((1 << (bits - 1)) - 1) / largest))[0]
    integers = [round(v * scale) for v in floats]
    mask, packed = (1 << bits) - 1, 0
    for i, value in enumerate(integers):
        packed |= (value & mask) << (i * bits)
    blob = struct.pack("<QfB", count, scale, bits) + packed.to_bytes((count * bits + 7) // 8, "little")
    left = struct.pack(f"<{count}f", *(value / scale for value in integers))
    plain = message(ACQUISITION, bytes(head) + left)
    struct.pack_into("<Q", head, 2, struct.unpack_from("<Q", head, 2)[0] | COMPRESSED)
    return message(ACQUISITION, bytes(head) + struct.pack("<I", len(blob)) + blob), plain


# ---- a session


@dataclass(frozen=True)
class Image:
    head: bytes
    meta: bytes  # without a NUL at its end
    pixels: bytes

    @property
    def series(self) -> int:
        return struct.unpack_from("<H", self.head, 128)[0]


def image_of(payload: bytes) -> Image:
    n = struct.unpack_from("<Q", payload, IMAGE_HEADER)[0]
    meta = payload[IMAGE_HEADER + 8 : IMAGE_HEADER + 8 + n]
    return Image(payload[:IMAGE_HEADER], meta[:-1] if meta.endswith(b"\0") else meta, payload[IMAGE_HEADER + 8 + n :])


def images_of(stream: bytes) -> list[Image]:
    """The images of a recorded stream, as `counterflow run CHAIN - -o -` writes it."""
    return [image_of(whole[2:]) for whole in messages(stream) if identity_of(whole) == IMAGE]


@dataclass
class Answer:
    images: list[Image] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    responses: dict[int, str] = field(default_factory=dict)
    kinds: list[int] = field(default_factory=list)  # ids, as they came
    # complete: CLOSE came. error: a text and CLOSE. lost: the connection ended without CLOSE. aborted: the stock client had given up.
    end: str = "lost"
    why: str = ""
    stray: int = 0  # bytes that came behind CLOSE
    unsent: str = ""  # why not all could be sent
    seconds: float = 0

    @property
    def error(self) -> str:
        return self.texts[-1] if self.end == "error" else ""


class Connection:
    """One session; what is sent and what comes are independent of each other."""

    def __init__(self, address, source: Optional[str] = None, timeout: float = 30, tls: Optional[ssl.SSLContext] = None):
        self.socket = socket.create_connection(address, timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        self.answer = Answer()
        self.buffered = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes):
        self.socket.sendall(data)

    def reset(self):
        """Ends the connection as a crash does: with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, n: int) -> bytes:
        parts, missing = [], n
        while missing:
            part = self.socket.recv(min(missing, 1 << 20))
            if not part:
                raise EOFError(f"the connection ended {missing} bytes before the end of a message" if parts or n != 2 else "")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def receive(self) -> Optional[int]:
        """Takes the next message; its id, or None when there will be no more."""
        answer = self.answer
        try:
            identity = struct.unpack("<H", self.read(2))[0]
            answer.kinds.append(identity)
            if identity not in UNDERSTOOD:
                answer.end, answer.why = "aborted", f"id {identity}"
                return None
            if identity == CLOSE:
                last = answer.kinds[-2] if len(answer.kinds) > 1 else 0
                answer.end = "error" if last == TEXT else "complete"
                return None
            self.take(identity)
            return identity
        except (EOFError, ConnectionError, TimeoutError, UnicodeDecodeError, ValueError, KeyError) as problem:
            answer.end = "aborted" if isinstance(problem, (ValueError, KeyError)) else "lost"
            answer.why = f"{type(problem).__name__}: {problem}"
            return None

    def take(self, identity: int):
        if identity == TEXT:
            self.answer.texts.append(self.read(struct.unpack("<I", self.read(4))[0]).decode("utf-8"))
        elif identity == RESPONSE:
            correlation, n = struct.unpack("<QQ", self.read(16))
            self.answer.responses[correlation] = self.read(n).decode("utf-8")
        elif identity == IMAGE:
            self.answer.images.append(image_of(rest_of(IMAGE, self.read)))
        else:
            raise ValueError(f"message {identity} is not described in the protocol")

    def drain(self) -> Answer:
        """Takes all that comes, to the end of the connection."""
        while self.receive() is not None:
            pass
        if self.answer.end in ("complete", "error"):
            try:
                while part := self.socket.recv(1 << 16):
                    self.answer.stray += len(part)
            except (ConnectionError, TimeoutError) as problem:
                self.answer.why = f"behind CLOSE: {type(problem).__name__}: {problem}"
        return self.answer


def converse(address, parts: Iterable[bytes], source: Optional[str] = None, timeout: float = 30) -> Answer:
    """Sends the parts while taking what comes; ends when the server ends the connection."""
    started = time.monotonic()
    with Connection(address, source, timeout) as connection:

        def send():
            try:
                for part in parts:
                    connection.send(part)
            except OSError as problem:
                connection.answer.unsent = f"{type(problem).__name__}: {problem}"

        sender = threading.Thread(target=send)
        sender.start()
        answer = connection.drain()
        sender.join()
        answer.seconds = time.monotonic() - started
        return answer


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("host")
    options.add_argument("port", type=int)
    config = options.add_mutually_exclusive_group(required=True)
    config.add_argument("--config", help="name of a chain of the server's")
    config.add_argument("--script", help="file of a chain of one's own")
    options.add_argument("-i", "--input", default="-", help="recorded stream; - = standard input")
    options.add_argument("-o", "--output", help="file for the images, as messages")
    o = options.parse_args()
    first = config_file(o.config.encode()) if o.config else config_script(open(o.script, "rb").read())
    stream = sys.stdin.buffer if o.input == "-" else open(o.input, "rb")

    answer = converse((o.host, o.port), (part for part in [first, *iter(lambda: stream.read(1 << 20), b"")]))
    for words in answer.texts:
        sys.stderr.write(words)
    print(f"{answer.end}: {len(answer.images)} images, {answer.seconds:.3f} s {answer.why}{answer.unsent}")
    if o.output:
        with open(o.output, "wb") as out:
            for image in answer.images:
                out.write(message(IMAGE, image.head + struct.pack("<Q", len(image.meta)) + image.meta + image.pixels))
            out.write(close())
    return ["complete", "error", "lost", "aborted"].index(answer.end)


if __name__ == "__main__":
    sys.exit(main())
