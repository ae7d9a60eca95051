"""What the end-to-end tests share: a small scan, chains, the images that `counterflow run` gives of them, and a server."""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from functools import lru_cache
from pathlib import Path

import minimal_client as client

COMMAND = os.environ["COUNTERFLOW_COMMAND"]
SOURCE = Path(os.environ["COUNTERFLOW_SOURCE_DIR"])
TEST_PLUGINS = os.environ["COUNTERFLOW_TEST_PLUGIN_DIR"]
CACHE = os.environ["COUNTERFLOW_TEST_CACHE"]
SLOWER = float(os.environ.get("COUNTERFLOW_SLOWER", "1"))  # a sanitized build
COMMON = ["--cache", CACHE, "--plugins", TEST_PLUGINS, "--quiet"]

AIR = "<gadget><name>air</name><dll>counterflow_air_calibration</dll><classname>AirCalibration</classname></gadget>"
LIKELIHOOD = """<gadget><name>likelihood</name><dll>counterflow_decomposition</dll><classname>MaximumLikelihood</classname>
<property name="materials" value="water iodine"/></gadget>"""
FBP = "<gadget><name>fbp</name><dll>counterflow_fbp</dll><classname>FilteredBackprojection</classname></gadget>"
PASS = "<gadget><dll>counterflow_test_gadgets</dll><classname>TestPass</classname></gadget>"


def faulty(kind: str, **properties) -> str:
    listed = "".join(f'<property name="{name}" value="{value}"/>' for name, value in properties.items())
    return f"<gadget><name>faulty</name><dll>counterflow_test_gadgets</dll><classname>Faulty{kind}</classname>{listed}</gadget>"


def chain_of(*gadgets: str) -> str:
    return "<configuration><version>2</version><stream>" + "\n".join(gadgets) + "</stream></configuration>"


# As Gadgetron's users write them, with its own readers and writers; both do the same.
VERSION_2 = f"""<?xml version="1.0" encoding="utf-8"?>
<configuration><version>2</version>
<readers><reader><classname>gadgetron::core::readers::AcquisitionReader</classname></reader></readers>
<writers><writer><classname>gadgetron::core::writers::ImageWriter</classname></writer></writers>
<stream>{AIR}{LIKELIHOOD}{FBP}</stream></configuration>"""
VERSION_1 = f"""<?xml version="1.0" encoding="utf-8"?>
<gadgetronStreamConfiguration xmlns="http://gadgetron.org/gadgetron" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://gadgetron.org/gadgetron gadgetron.xsd">
<reader><slot>1008</slot><dll>gadgetron_mricore</dll><classname>GadgetIsmrmrdAcquisitionMessageReader</classname></reader>
<writer><slot>1022</slot><dll>gadgetron_mricore</dll><classname>MRIImageWriter</classname></writer>
{AIR}{LIKELIHOOD}{FBP}</gadgetronStreamConfiguration>"""

CHAINS = {
    "material_images.xml": (SOURCE / "xml/chains/material_images.xml").read_text(),
    "version_1.xml": VERSION_1,
    "version_2.xml": VERSION_2,
    "passes.xml": chain_of(faulty("Counts")),
    "views.xml": chain_of(AIR, LIKELIHOOD),
    "misspelt.xml": chain_of(AIR, LIKELIHOOD.replace("materials", "materails"), FBP),
    "no_plugin.xml": chain_of(AIR.replace("air_cal", "air_kal")),
    "broken.xml": "<configuration><stream>",
    "fails_at_first.xml": chain_of(faulty("Counts", moment="view", at=0), AIR, LIKELIHOOD, FBP),
    "fails_late.xml": chain_of(AIR, LIKELIHOOD, faulty("Paths", moment="view", at=30), FBP),
    "fails_at_begin.xml": chain_of(faulty("Counts", moment="begin"), AIR, LIKELIHOOD, FBP),
    "fails_when_made.xml": chain_of(faulty("Counts", moment="make"), AIR, LIKELIHOOD, FBP),
    "fails_between_images.xml": chain_of(AIR, LIKELIHOOD, FBP, faulty("Images", moment="view", at=1)),
    "terabyte.xml": chain_of(faulty("Counts", moment="view", at=5, fault="allocate"), AIR, LIKELIHOOD, FBP),
    "crash.xml": chain_of(faulty("Counts", moment="view", at=5, fault="crash"), AIR, LIKELIHOOD, FBP),
    "loop.xml": chain_of(faulty("Counts", moment="view", at=5, fault="loop"), AIR, LIKELIHOOD, FBP),
    "slow.xml": chain_of(faulty("Counts", moment="view", fault="sleep", seconds=0.05), AIR, LIKELIHOOD, FBP),
}


@lru_cache
def recorded() -> bytes:
    """The scan as a stream of bytes: header, acquisitions, CLOSE."""
    return counterflow("simulate", SOURCE / "tests/protocol/small.xml", "-o", "-", *COMMON)


@lru_cache
def parts() -> list[bytes]:
    return list(client.messages(recorded()))


def counterflow(*arguments, given: bytes = b"") -> bytes:
    return subprocess.run([COMMAND, *map(str, arguments)], input=given, capture_output=True, check=True).stdout


@lru_cache
def expected(chain: str = "material_images.xml", stream: bytes = b"") -> list[client.Image]:
    """What `run` gives of the scan."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(CHAINS[chain])
        file.flush()
        return client.images_of(counterflow("run", file.name, "-", "-o", "-", *COMMON, given=stream or recorded()))


def chain_folder(folder: Path) -> Path:
    folder.mkdir()
    for name, xml in CHAINS.items():
        (folder / name).write_text(xml)
    return folder


class Server:
    """`counterflow serve` on a port of its own, over the chains above."""

    def __init__(self, *options: str, files: int = 0, wrapper=()):
        self.folder = Path(tempfile.mkdtemp(prefix="counterflow-serve-"))
        self.folder.chmod(0o755)
        self.chains = chain_folder(self.folder / "chains")
        if os.geteuid() == 0:  # a server does not run as root, unless the build lies where only root may look
            is_open = all(folder.stat().st_mode & 1 for folder in Path(COMMAND).resolve().parents)
            options = ("--user", "nobody" if is_open else "root", *options)
        command = [*wrapper, COMMAND, "serve", "--listen", "127.0.0.1:0", "--chains", self.chains, *COMMON[:-1], *options]
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            [str(c) for c in command], stdout=subprocess.PIPE, stderr=self.log, text=True, preexec_fn=limit
        )
        line = self.process.stdout.readline()
        port = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
        if not port:
            self.process.kill()
            raise RuntimeError(f"the server does not say where it listens: {line}{self.said()}")
        self.address = ("127.0.0.1", int(port[1]))
        self.sink = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.sink.start()

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self, patience: float = 20) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience * SLOWER)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def children(self) -> list[tuple[int, str]]:
        """Its sessions, and the state of each: Z is a zombie."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == self.process.pid:
                found.append((int(stat.parent.name), fields[0]))
        return found

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_of_sessions(self) -> float:
        """The most that any of its sessions has held by now [MiB]."""
        most = 0.0
        for pid, _ in self.children():
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            most = max(most, int(found[1]) / 1024 if found else 0)
        return most

    def settle(self, patience: float = 10):
        """Waits until no session is left."""
        until = time.monotonic() + patience * SLOWER
        while self.children() and time.monotonic() < until:
            time.sleep(0.01)

    def converse(self, chain: str = "material_images.xml", stream=None, **options) -> client.Answer:
        return client.converse(self.address, [client.config_file(chain.encode()), *(stream or [recorded()])], **options)


class ServedTest(unittest.TestCase):
    """One server for all tests of a class; after each of them it serves a reference scan as if nothing had been."""

    options: tuple = ()

    @classmethod
    def setUpClass(cls):
        recorded(), expected()
        cls.server = Server(*cls.options)
        cls.server.converse()
        cls.server.settle()
        cls.idle_descriptors = cls.server.descriptors()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def tearDown(self):
        self.assert_unharmed()

    def assert_images(self, answer: client.Answer, wanted=None):
        self.assertEqual(answer.end, "complete", (answer.why, answer.texts))
        self.assertEqual(answer.unsent, "")
        self.assertEqual(answer.stray, 0)
        wanted = expected() if wanted is None else wanted
        self.assertEqual(len(answer.images), len(wanted))
        self.assertEqual(answer.images, wanted)

    def assert_error(self, answer: client.Answer, *words: str):
        """One readable sentence that ends in a line break, then CLOSE."""
        self.assertEqual(answer.end, "error", (answer.why, answer.texts, answer.kinds))
        self.assertEqual(answer.stray, 0)
        self.assertTrue(answer.error.endswith("\n"), answer.error)
        self.assertTrue(answer.error[:-1].isprintable(), answer.error)
        for word in words:
            self.assertIn(word, answer.error)

    def assert_unharmed(self):
        started = time.monotonic()
        self.assertIsNone(self.server.process.poll(), self.server.said()[-2000:])
        answer = self.server.converse()
        while "is busy" in answer.error and time.monotonic() - started < 10 * SLOWER:  # with those who have just gone
            time.sleep(0.1)
            answer = self.server.converse()
        self.assert_images(answer)
        self.assertLess(time.monotonic() - started, 10 * SLOWER)
        self.server.settle()
        self.assertEqual(self.server.children(), [], "sessions or zombies are left")
        self.assertLessEqual(self.server.descriptors(), self.idle_descriptors, "descriptors are left")
        self.assertIsNone(self.server.process.poll())
