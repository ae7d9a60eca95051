#!/usr/bin/env python3
"""What the page of a running server is told of its sessions: the same views, images and ends that their clients know."""

import json
import os
import signal
import socket
import time
import unittest
import urllib.error
import urllib.request
from typing import ClassVar

from served import SLOWER, Server, expected


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Watching(unittest.TestCase):
    server: ClassVar[Server]

    @classmethod
    def setUpClass(cls):
        cls.url = f"http://127.0.0.1:{free_port()}"
        cls.server = Server("--http", cls.url[7:])

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10 * SLOWER) as answer:
            return answer.read()

    def newest(self, state: str) -> dict:
        """The newest session, once it is told to have ended so."""
        until = time.monotonic() + 10 * SLOWER
        while True:
            sessions = json.loads(self.get("/api/sessions"))["sessions"]
            if sessions and sessions[-1]["state"] == state:
                return json.loads(self.get(f"/api/sessions/{sessions[-1]['number']}"))
            self.assertLess(time.monotonic(), until, sessions)
            time.sleep(0.02)

    def test_tells_what_a_client_was_sent(self):
        self.assertEqual(self.server.converse().images, expected())
        session = self.newest("complete")
        self.assertEqual((session["views"], session["air_views"], session["promised_views"]), (36, 3, 36))
        self.assertEqual([gadget["messages"] for gadget in session["gadgets"][:3]], [36, 36, 36])
        self.assertEqual((session["parameters"], session["chain"]), ("initial", "material_images.xml"))
        head = json.loads(self.get(f"/api/sessions/{session['number']}/image"))
        self.assertEqual((head["names"], head["preview"], head["slice"]), (["water", "iodine"], False, 1))
        planes = [self.get(f"/api/sessions/{session['number']}/image?version={head['version']}&channel={k}") for k in range(2)]
        self.assertIn(b"".join(planes), [image.pixels for image in expected()], "the picture is none of the images")
        self.assertIn('end="complete"', self.get("/metrics").decode())

    def test_tells_errors_and_losses_apart(self):
        answer = self.server.converse("fails_late.xml")
        self.assertEqual(answer.end, "error")
        self.assertEqual(self.newest("error")["error"].strip(), answer.error.strip())
        self.server.converse("crash.xml")
        self.assertIn("signal 11", self.newest("lost")["error"])
        self.assertIn("signal 11", self.get("/api/log").decode())

    def test_is_there_again_when_its_process_was_killed(self):
        self.server.converse()
        before = self.newest("complete")["number"]
        until = time.monotonic() + 20 * SLOWER
        while len(pages := [pid for pid, _ in self.server.children()]) > 1:  # the session's process may still be ending
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)
        self.assertEqual(len(pages), 1)
        os.kill(pages[0], signal.SIGKILL)
        until = time.monotonic() + 20 * SLOWER
        while True:
            try:
                self.assertEqual(self.newest("complete")["number"], before)
                break
            except (urllib.error.URLError, ConnectionError):
                self.assertLess(time.monotonic(), until, self.server.said())
                time.sleep(0.05)
        self.assertEqual(self.server.converse().images, expected())


if __name__ == "__main__":
    unittest.main()
