#!/usr/bin/env python3
"""Clients that are slow, rude, many or gone, and a server that is told to stop: who behaves is served as if nothing had been."""

import re
import signal
import socket
import struct
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import minimal_client as client
from served import CHAINS, COMMON, SLOWER, SOURCE, ServedTest, Server, counterflow, expected, parts, recorded

FIRST = client.config_file(b"material_images.xml")
HEADER, *VIEWS, CLOSE = parts()
WHOLE = FIRST + recorded()


def sources():
    """Addresses of this machine, one after the other: as many clients from different places."""
    k = 0
    while True:
        yield f"127.0.{1 + k // 250 % 250}.{2 + k % 250}"
        k += 1


def reset(address):
    """Connects and is gone with a reset, before anybody could accept."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.settimeout(5)
        s.connect(address)


def wish(words: bytes) -> bytes:
    """Our own message 2000: u64 n, u32 CRC32C, n bytes."""
    crc = 0xFFFFFFFF
    for byte in words:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return client.message(2000, struct.pack("<QI", len(words), crc ^ 0xFFFFFFFF) + words)


def numbered(view: bytes, k: int) -> bytes:
    """The same view once more, as the k-th."""
    whole = bytearray(view)
    struct.pack_into("<I", whole, 2 + 14, 3 + k)  # scan counter: three air views came before
    struct.pack_into("<H", whole, 2 + 242, k & 0xFFFF)
    struct.pack_into("<H", whole, 2 + 254, k // 36 & 0xFFFF)  # rotation
    return bytes(whole)


class Timeouts(ServedTest):
    options = ("--first-message", "0.4", "--between-messages", "0.6", "--writing", "0.6", "--stalled", "0.8")

    def silent_after(self, sent: bytes) -> tuple[client.Answer, float]:
        started = time.monotonic()
        with client.Connection(self.server.address) as connection:
            connection.send(sent)
            return connection.drain(), time.monotonic() - started

    def test_name_what_did_not_come(self):
        for sent, option in [(b"", "--first-message"), (WHOLE[:1], "--first-message"), (WHOLE[:500], "--first-message"),
                             (FIRST, "--between-messages"), (FIRST + HEADER[:100], "--between-messages"),
                             (FIRST + HEADER, "--between-messages"), (FIRST + HEADER + VIEWS[0][:1000], "--between-messages"),
                             (FIRST + HEADER + b"".join(VIEWS[:9]), "--between-messages"),
                             (WHOLE[:-2], "--between-messages")]:  # fmt: skip
            with self.subTest(option, n=len(sent)):
                answer, seconds = self.silent_after(sent)
                self.assert_error(answer, option)
                self.assertLess(seconds, 5 * SLOWER)

    def test_end_a_client_that_sends_a_byte_now_and_then(self):
        def bytes_now_and_then():
            for k in range(20):
                yield WHOLE[k : k + 1]
                time.sleep(0.1)

        started = time.monotonic()
        with client.Connection(self.server.address) as connection:
            sender = threading.Thread(target=lambda: [connection.send(part) for part in bytes_now_and_then()])
            sender.start()
            while connection.receive() is not None:
                pass
            self.assertLess(time.monotonic() - started, 1.5 * SLOWER)
            self.assert_error(connection.answer, "--first-message")
            sender.join()

    def test_end_a_gadget_that_loops_for_ever(self):
        answer = self.server.converse("loop.xml")
        self.assert_error(answer, "--stalled")

    def test_end_a_client_that_reads_nothing(self):
        """It asks, and never looks at an answer."""
        with client.Connection(self.server.address, timeout=2) as connection:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            started, question = time.monotonic(), client.query(1, b"counterflow::info") * 1000
            try:
                while time.monotonic() - started < 20 * SLOWER:
                    connection.send(question)
            except OSError:
                pass
            self.assertLess(time.monotonic() - started, 15 * SLOWER)


class Rudeness(ServedTest):
    options = ("--sessions-per-address", "64")

    def test_of_leaving_at_fifty_points_harms_nobody(self):
        for k in range(50):
            with client.Connection(self.server.address) as connection:
                connection.send(WHOLE[: len(WHOLE) * k // 50])
                if k % 2:
                    connection.reset()
            if k % 10 == 0:
                self.assert_unharmed()

    def test_of_leaving_before_being_accepted_harms_nobody(self):
        for _ in range(200):
            reset(self.server.address)

    def test_of_leaving_while_images_come_harms_nobody(self):
        for k in range(10):
            with client.Connection(self.server.address) as connection:
                connection.send(WHOLE)
                connection.socket.recv(1 + 1000 * k)
                connection.reset()

    def test_of_a_thousand_connections_during_a_scan_harms_it_not(self):
        done = threading.Event()

        def knock(source):
            for kind in range(1000 // 8):
                try:
                    with socket.create_connection(self.server.address, 5, (source, 0)) as s:
                        if kind % 3 == 0:
                            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        elif kind % 3 == 1:
                            s.sendall(WHOLE[:50])
                except OSError:
                    pass

        def scan():
            yield FIRST + HEADER
            for view in VIEWS:
                yield view
                if not done.is_set():
                    time.sleep(0.02)
            done.wait(30)
            yield CLOSE

        with ThreadPoolExecutor(9) as pool:
            live = pool.submit(client.converse, self.server.address, scan())
            time.sleep(0.1)
            list(pool.map(knock, [f"127.0.1.{k}" for k in range(2, 10)]))
            done.set()
            self.assert_images(live.result())

    @unittest.skipIf(SLOWER > 1, "a sanitizer's own memory is counted too")
    def test_of_a_reader_that_stops_costs_no_more_than_check_promises(self):
        """Every view comes back and nobody takes it: the server stops reading, long before the 8 GiB of this scan are sent."""
        scan, count = self.server.folder / "scan.h5", (8 << 30) // len(VIEWS[3])
        counterflow("simulate", SOURCE / "tests/protocol/small.xml", "-o", scan, *COMMON)
        promised = counterflow("check", self.server.chains / "passes.xml", scan, *COMMON).decode()
        bound = float(re.search(r"a session of serve holds at most ([\d.]+) MiB", promised)[1])
        header = HEADER[6:].decode().replace("<name>views</name><value>36<", f"<name>views</name><value>{count}<")
        with client.Connection(self.server.address, timeout=2) as connection:
            connection.send(wish(b"views") + client.config_file(b"passes.xml") + client.header(header.encode()) + b"".join(VIEWS[:3]))
            sent = 0
            try:
                for k in range(count):
                    connection.send(numbered(VIEWS[3], k))
                    sent += len(VIEWS[3])
            except TimeoutError:
                pass
            self.assertLess(sent, 1 << 26)
            self.assertGreater(sent, 1 << 22)
            self.assertEqual(len(self.server.children()), 1)
            self.assertLess(self.server.memory_of_sessions(), bound)

    @unittest.skipIf(SLOWER > 1, "a sanitizer's own memory is counted too")
    def test_of_questions_without_an_ear_costs_no_memory(self):
        with client.Connection(self.server.address, timeout=1) as connection:
            sent = 0
            try:
                connection.send(FIRST + HEADER)
                while sent < 1 << 28:
                    connection.send(client.query(1, b"counterflow::info") * 10000)
                    sent += 410000
            except OSError:
                pass
            self.assertLess(sent, 1 << 27)
            self.assertLess(self.server.memory_of_sessions(), 100)


class SlowClients(ServedTest):
    options = ("--sessions", "210", "--sessions-per-address", "8")

    def test_two_hundred_hold_up_nobody(self):
        slow, where = [], sources()
        for _ in range(200):
            slow.append(client.Connection(self.server.address, next(where)))
            slow[-1].send(WHOLE[:10])
        started = time.monotonic()
        self.assert_images(self.server.converse())
        self.assertLess(time.monotonic() - started, 10 * SLOWER)
        for connection in slow:
            connection.reset()


class Limits(ServedTest):
    options = ("--sessions", "6", "--sessions-per-address", "3")

    def held(self, n, source=None):
        connections = []
        for _ in range(n):
            connections.append(client.Connection(self.server.address, source))
            connections[-1].send(client.query(1, b"gadgetron::info"))
            self.assertEqual(connections[-1].receive(), client.RESPONSE)
        return connections

    def refused(self, source, *words):
        with client.Connection(self.server.address, source) as connection:
            self.assert_error(connection.drain(), *words)

    def test_of_sessions_an_address_are_told(self):
        connections = self.held(3, "127.0.0.2")
        self.refused("127.0.0.2", "--sessions-per-address")
        self.assert_images(self.server.converse())
        for connection in connections:
            connection.reset()

    def test_of_sessions_are_told(self):
        connections = self.held(3, "127.0.0.2") + self.held(3, "127.0.0.3")
        self.refused("127.0.0.4", "--sessions")
        for connection in connections:
            connection.reset()
        self.server.settle()


class FewDescriptors(unittest.TestCase):
    def test_sixty_four_are_survived(self):
        with Server("--sessions", "200", "--sessions-per-address", "200", files=64) as server:
            connections = []
            for _ in range(120):
                try:
                    connections.append(client.Connection(server.address, timeout=1))
                except OSError:
                    pass
            for connection in connections:
                connection.reset()
            answer, until = server.converse(), time.monotonic() + 10 * SLOWER
            while answer.end != "complete" and time.monotonic() < until:
                time.sleep(0.1)
                answer = server.converse()
            self.assertEqual(answer.images, expected())
            server.settle()
            self.assertEqual(server.children(), [])


class Crowd(ServedTest):
    options = ("--allow-client-chains", "--sessions", "70", "--sessions-per-address", "70")

    def test_of_sixty_four_gets_the_same_bits_while_one_more_crashes(self):
        together = threading.Barrier(65)

        def one(chain):
            together.wait()
            if chain == "crash.xml":
                return client.converse(self.server.address, [client.config_script(CHAINS[chain].encode()), recorded()], timeout=60)
            return self.server.converse(chain, timeout=60)

        with ThreadPoolExecutor(65) as pool:
            answers = list(pool.map(one, ["material_images.xml"] * 32 + ["crash.xml"] + ["material_images.xml"] * 32))
        crashed = answers.pop(32)
        self.assertNotEqual(crashed.end, "complete")
        self.assertEqual(crashed.images, [])
        for answer in answers:
            self.assert_images(answer)


class Stopping(unittest.TestCase):
    def test_lets_scans_end_and_takes_no_new_ones(self):
        with Server("--drain", "20") as server:
            server.converse()
            halfway, result = threading.Event(), []

            def scan():
                yield FIRST + HEADER + b"".join(VIEWS[:20])
                halfway.set()
                time.sleep(0.5)
                yield b"".join(VIEWS[20:]) + CLOSE

            thread = threading.Thread(target=lambda: result.append(client.converse(server.address, scan())))
            thread.start()
            halfway.wait()
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            with self.assertRaises(OSError):
                client.Connection(server.address, timeout=1)
            thread.join()
            self.assertEqual((result[0].end, result[0].texts), ("complete", []))
            self.assertEqual(result[0].images, expected())
            self.assertEqual(server.process.wait(10 * SLOWER), 0)

    def test_ends_those_who_do_not_end_with_an_error(self):
        with Server("--drain", "0.5") as server:
            with client.Connection(server.address) as connection:
                connection.send(FIRST + HEADER + b"".join(VIEWS[:20]))
                time.sleep(0.3)
                started = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                answer = connection.drain()
                self.assertEqual(answer.end, "error", answer)
                self.assertIn("shutting down", answer.error)
            self.assertEqual(server.process.wait(10 * SLOWER), 0)
            self.assertLess(time.monotonic() - started, 10 * SLOWER)


if __name__ == "__main__":
    unittest.main()
