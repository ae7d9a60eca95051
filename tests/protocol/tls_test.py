#!/usr/bin/env python3
"""TLS with certificates on both sides: who has none that the server's authority signed does not get in."""

import os
import shutil
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

import minimal_client as client
from served import COMMAND, COMMON, SLOWER, SOURCE, Server, expected, recorded

WHOLE = client.config_file(b"material_images.xml") + recorded()


class Authority:
    """Signs certificates: files NAME.pem and NAME.key, its own being ca.pem."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)
        self.openssl("req", "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem",
                     "-addext", "basicConstraints=critical,CA:TRUE")  # fmt: skip
        folder.chmod(0o755)

    def openssl(self, command: str, *arguments: str):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"] if command == "req" else []
        subprocess.run(["openssl", command, *key, *arguments], cwd=self.folder, check=True, capture_output=True)

    def sign(self, name: str, subject: str) -> list[Path]:
        self.openssl("req", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / "names").write_text(f"subjectAltName={subject}\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                     "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
        (self.folder / f"{name}.key").chmod(0o644)
        return [self.folder / f"{name}.pem", self.folder / f"{name}.key"]

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"


@unittest.skipUnless(shutil.which("openssl"), "needs the program openssl to make certificates")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="counterflow-tls-"))
        cls.folder.chmod(0o755)
        cls.ours, cls.others = Authority(cls.folder / "ours"), Authority(cls.folder / "others")
        certificate, key = cls.ours.sign("server", "IP:127.0.0.1")
        cls.client, cls.stranger = cls.ours.sign("client", "DNS:client"), cls.others.sign("client", "DNS:client")
        cls.server = Server("--certificate", certificate, "--key", key, "--client-ca", cls.ours.file)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()
        shutil.rmtree(cls.folder)

    def context(self, certificate=()) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ours.file))
        if certificate:
            context.load_cert_chain(*map(str, certificate))
        return context

    def images_by(self, context) -> client.Answer:
        with client.Connection(self.server.address, tls=context) as connection:
            connection.send(WHOLE)
            return connection.drain()

    def send(self, *options, to=None) -> subprocess.CompletedProcess:
        scan, images = self.folder / "scan.h5", self.folder / "images.h5"
        if not scan.exists():
            subprocess.run([COMMAND, "simulate", SOURCE / "tests/protocol/small.xml", "-o", scan, *COMMON], check=True)
        address = to or f"127.0.0.1:{self.server.address[1]}"
        return subprocess.run([COMMAND, "send", scan, "--to", address, "--chain", "material_images.xml", "-o", images, *options,
                               "--quiet"], capture_output=True, text=True)  # fmt: skip

    def test_lets_in_who_has_a_certificate_and_gives_the_same_images(self):
        answer = self.images_by(self.context(self.client))
        self.assertEqual((answer.end, answer.images), ("complete", expected()))
        certificate, key = self.client
        sent = self.send("--certificate", certificate, "--key", key, "--ca", self.ours.file)
        self.assertEqual((sent.returncode, sent.stderr), (0, ""))

    def test_lets_nobody_else_in(self):
        old = self.context(self.client)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        for context in (self.context(), self.context(self.stranger), old, None):
            try:
                answer = self.images_by(context)
                self.assertEqual((answer.end, answer.images, answer.kinds[1:]), (answer.end, [], []))
                self.assertNotIn(answer.end, ("complete", "error"))
            except OSError:
                pass  # refused within the handshake
        answer = self.images_by(self.context(self.client))
        self.assertEqual(answer.images, expected())

    def test_and_a_client_say_by_name_what_is_wrong(self):
        certificate, key = self.client
        for options in (
            ["--certificate", certificate, "--key", key, "--ca", self.others.file],
            ["--certificate", self.stranger[0], "--key", self.stranger[1], "--ca", self.ours.file],
            ["--certificate", certificate, "--key", key],
            ["--certificate", certificate, "--key", self.stranger[1], "--ca", self.ours.file],
            [],
        ):
            sent = self.send(*options)
            self.assertEqual(sent.returncode, 1, options)
            self.assertEqual(sent.stderr.count("\n"), 1, sent.stderr)
        sent = self.send("--certificate", certificate, "--key", key, "--ca", self.ours.file, to=f"localhost:{self.server.address[1]}")
        self.assertIn("handshake failed", sent.stderr)  # the certificate is not for this name

    def test_is_needed_for_any_address_but_loopback(self):
        user = ["--user", "nobody"] if os.geteuid() == 0 else []
        for address in ("0.0.0.0:0", "[::]:0"):
            refused = subprocess.run([COMMAND, "serve", "--listen", address, "--chains", self.server.chains, *user],
                                     capture_output=True, text=True, timeout=20 * SLOWER)  # fmt: skip
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn("--certificate", refused.stderr)


if __name__ == "__main__":
    unittest.main()
