#!/usr/bin/env python3
"""What is said between a client and the server, message by message: the images of `run`, bit for bit, or one named error."""

import struct
import unittest

import minimal_client as client
from served import CHAINS, SLOWER, VERSION_1, ServedTest, Server, chain_of, expected, parts, recorded

FIRST = client.config_file(b"material_images.xml")
HEADER, *VIEWS, CLOSE = parts()


def converse(server: Server, *messages: bytes, **options) -> client.Answer:
    return client.converse(server.address, messages, **options)


class Images(ServedTest):
    def test_are_those_of_run_bit_for_bit(self):
        self.assert_images(converse(self.server, FIRST, HEADER, *VIEWS, CLOSE))

    def test_are_the_same_however_the_bytes_are_cut(self):
        whole = FIRST + recorded()
        for size in (1021, 4096, 65536):
            self.assert_images(converse(self.server, *(whole[k : k + size] for k in range(0, len(whole), size))))
        self.assert_images(converse(self.server, *(whole[k : k + 1] for k in range(6000)), whole[6000:]))

    def test_are_the_same_from_configs_of_both_versions(self):
        for chain in ("version_1.xml", "version_2.xml"):
            self.assertEqual([i.pixels for i in expected(chain)], [i.pixels for i in expected("version_2.xml")])
            self.assert_images(self.server.converse(chain), expected(chain))

    def test_come_with_texts_queries_and_waveforms_in_between(self):
        beside = [client.text(b"hello"), client.query(7, b"gadgetron::info"), client.waveform(5, 2, range(10)), client.text(b"")]
        mixed = [part for view in VIEWS for part in (view, *beside)]
        answer = converse(self.server, client.text(b"first"), FIRST, client.text(b"then"), HEADER, *mixed, CLOSE)
        self.assert_images(answer)
        self.assertIn("version", answer.responses[7])
        self.assertEqual(answer.kinds.count(client.RESPONSE), len(VIEWS))

    def test_of_compressed_acquisitions_are_those_of_what_compression_leaves(self):
        for bits in (9, 16, 24):
            pairs = [client.compressed(view, bits) for view in VIEWS]
            left = HEADER + b"".join(plain for _, plain in pairs) + CLOSE
            answer = converse(self.server, FIRST, HEADER, *(small for small, _ in pairs), CLOSE)
            self.assert_images(answer, expected(stream=left))

    def test_of_many_scans_one_after_the_other_are_the_same(self):
        for _ in range(10):
            self.assert_images(self.server.converse())


class Conversation(ServedTest):
    def test_without_a_scan_is_answered_with_close_alone(self):
        for before in ([], [FIRST], [client.text(b"x")], [FIRST, client.text(b"x")]):
            answer = converse(self.server, *before, CLOSE)
            self.assertEqual((answer.end, answer.kinds, answer.stray), ("complete", [client.CLOSE], 0), (before, answer))

    def test_answers_queries_in_every_phase(self):
        questions = [b"gadgetron::info", b"counterflow::info", b"counterflow::chains", b"what?", b""]
        asked = [client.query(2**63 + k, question) for k, question in enumerate(questions)]
        for before in ([], [FIRST], [FIRST, HEADER], [FIRST, HEADER, VIEWS[0]]):
            with client.Connection(self.server.address) as connection:
                connection.send(b"".join([*before, *asked]))
                for _ in asked:
                    self.assertEqual(connection.receive(), client.RESPONSE)
                answers = [connection.answer.responses[2**63 + k] for k in range(len(questions))]
                connection.reset()
            self.assertIn("version: ", answers[0])
            self.assertIn("message_ids: 2000 2001", answers[1])
            self.assertEqual(answers[2].split(), sorted(CHAINS))
            self.assertEqual(answers[3:], ["", ""])

    def test_of_text_alone_may_last(self):
        answer = converse(self.server, *(client.text(b"line %d" % k) for k in range(1000)), FIRST, HEADER, *VIEWS, CLOSE)
        self.assert_images(answer)

    def test_is_never_in_our_own_messages_with_a_client_that_sent_none(self):
        answer = converse(self.server, FIRST, HEADER, *VIEWS, CLOSE)
        self.assertEqual(set(answer.kinds), {client.IMAGE, client.CLOSE})


def with_value(view: bytes, at: int, value: float) -> bytes:
    at = 342 + 8 * at
    return view[:at] + struct.pack("<f", value) + view[at + 4 :]


def with_field(view: bytes, at: int, form: str, value) -> bytes:
    at += 2
    return view[:at] + struct.pack(form, value) + view[at + struct.calcsize(form) :]


def named(name: bytes) -> list[bytes]:
    return [client.config_file(name), HEADER, *VIEWS, CLOSE]


def streamed(*views: bytes) -> list[bytes]:
    return [FIRST, HEADER, *views, CLOSE]


# What is sent, and words that the one text before CLOSE must hold.
ERRORS = {
    "an unknown id": ([struct.pack("<H", 1234)], ["1234"]),
    "an unknown id among views": (streamed(VIEWS[0], struct.pack("<H", 77)), ["77"]),
    "a response": ([client.message(7, bytes(16))], ["7"]),
    "an image": (streamed(client.message(1022, bytes(300))), ["1022"]),
    "ZFP": (streamed(with_field(VIEWS[0], 2, "<Q", 1 << 52)), ["ZFP"]),
    "a header before the config": ([HEADER], ["config"]),
    "a view before the config": ([VIEWS[0]], ["config"]),
    "a view before the header": ([FIRST, VIEWS[0]], ["header"]),
    "two configs": ([FIRST, FIRST], ["header"]),
    "two headers": ([FIRST, HEADER, HEADER], ["header"]),
    "no config at all": ([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ["id"]),
    "a misspelt property": (named(b"misspelt.xml"), ["materails", "materials"]),
    "a missing plugin": (named(b"no_plugin.xml"), ["counterflow_air_kalibration", "counterflow_air_calibration"]),
    "a broken chain": (named(b"broken.xml"), ["broken.xml"]),
    "a chain that there is not": (named(b"material_imagse.xml"), ["material_images.xml"]),
    "views for a client that knows none": (named(b"views.xml"), ["likelihood", "PathLengths"]),
    "a chain of one's own where that is not allowed": (
        [client.config_script(VERSION_1.encode()), HEADER, *VIEWS, CLOSE],
        ["--allow-client-chains"],
    ),
    "a config of 4 GiB": ([client.message(2, b"\xff\xff\xff\xff")], ["4294967295"]),
    "a header of 4 GiB": ([FIRST, client.message(3, b"\xff\xff\xff\xff")], ["4294967295"]),
    "a text of 4 GiB": ([client.message(5, b"\xff\xff\xff\xff")], ["4294967295"]),
    "a query of 2^64 bytes": ([client.message(6, bytes(16) + b"\xff" * 8)], ["18446744073709551615"]),
    "a header that is no XML": ([FIRST, client.header(b"nonsense")], ["header"]),
    "a header of another kind": ([FIRST, client.header(b"<ismrmrdHeader/>")], ["header"]),
    "a header with entities": (
        [FIRST, client.header(b'<!DOCTYPE x [<!ENTITY a SYSTEM "/etc/passwd">]><x>&a;</x>')],
        ["DOCTYPE"],
    ),
    "NaN": (streamed(*VIEWS[:8], with_value(VIEWS[8], 3, float("nan"))), ["view 5"]),
    "infinity": (streamed(*VIEWS[:8], with_value(VIEWS[8], 3, float("inf"))), ["view 5"]),
    "a negative count": (streamed(*VIEWS[:8], with_value(VIEWS[8], 3, -1.0)), ["view 5"]),
    "a missing view": (streamed(*VIEWS[:8], *VIEWS[9:]), ["view"]),
    "a repeated view": (streamed(*VIEWS[:8], *VIEWS[7:]), ["view"]),
    "permuted views": (streamed(*VIEWS[:8], VIEWS[9], VIEWS[8], *VIEWS[10:]), ["view"]),
    "too few views": (streamed(*VIEWS[:20]), ["36"]),
    "no view": (streamed(), ["36"]),
    "too many views": (streamed(*VIEWS, VIEWS[-1]), ["view"]),
    "too many samples": (streamed(with_field(VIEWS[0], 34, "<H", 65535)), ["65535"]),
    "no channel": (streamed(with_field(VIEWS[0], 38, "<H", 0)), ["0"]),
    "a trajectory": (streamed(with_field(VIEWS[0], 176, "<H", 65535)), ["trajectory"]),
    "a gadget that fails when it is made": (named(b"fails_when_made.xml"), ["faulty", "asked to fail"]),
    "a gadget that fails when it begins": (named(b"fails_at_begin.xml"), ["faulty", "asked to fail"]),
    "a gadget that fails at the first view": (named(b"fails_at_first.xml"), ["faulty", "view 0", "asked to fail"]),
    "a gadget that fails late": (named(b"fails_late.xml"), ["faulty", "view 30", "asked to fail"]),
    "a gadget that asks for a terabyte": (named(b"terabyte.xml"), ["faulty", "memory"]),
}

HOSTILE_NAMES = [
    b"../material_images.xml", b"../../etc/passwd", b"./material_images.xml", b"/etc/passwd", b"//etc/passwd", b"/dev/zero",
    b"material_images.xml/", b"material_images.xml/.", b"chains/material_images.xml", b"a/../material_images.xml", b"..", b".", b"",
    b" ", b"material_images", b"material_images.xml ", b" material_images.xml", b"material_images.xml.", b"material_images.xml...",
    b"MATERIAL_IMAGES.XML", b"material_images.xml%00", b"%2e%2e%2fetc%2fpasswd", b"..%2fetc%2fpasswd", b"..\\..\\etc\\passwd",
    b"C:\\material_images.xml", b"con", b"con.xml", b"NUL", b"aux.xml", b"~/x.xml", b"~root/x.xml", b"$HOME/x.xml", b"`id`.xml",
    b"$(id).xml", b"x;id.xml", b"x|id.xml", b"*.xml", b"?.xml", b".hidden.xml", b"-rf.xml", b"file:///etc/passwd",
    b"http://127.0.0.1/x.xml", b"\xe2\x80\xaelmx.segami", b"mater\xc3\xadal_images.xml", b"\xd0\xbcaterial_images.xml",
    b"material_images\xef\xbc\x8exml", b"material_images.xml\xe2\x80\x8b", b"\xff\xfe\xfd.xml", b"a\nb.xml", b"a\rb.xml", b"\x1b[31m.xml",
    b"a" * 1023, b"a" * 1019 + b".xml", b"../" * 340, b"/" * 1023,
]  # fmt: skip


class Errors(ServedTest):
    def test_are_one_readable_sentence_and_close(self):
        for name, (sent, words) in ERRORS.items():
            if "terabyte" in name and SLOWER > 1:
                continue  # a sanitizer ends the process for it
            with self.subTest(name):
                answer = converse(self.server, *sent)
                self.assert_error(answer, *words)
                self.assertEqual(answer.images, [])
                self.assert_images(self.server.converse())

    def test_answer_every_hostile_name_and_tell_nothing(self):
        self.assertGreaterEqual(len(HOSTILE_NAMES), 40)
        for name in HOSTILE_NAMES:
            with self.subTest(name):
                answer = converse(self.server, client.config_file(name), CLOSE)
                self.assert_error(answer)
                self.assertNotIn("root:", answer.error)
                self.assertLess(len(answer.error), 1000)

    def test_of_a_name_without_its_nul_are_named(self):
        self.assert_error(converse(self.server, client.message(client.CONFIG_FILE, b"a" * 1024), CLOSE))

    def test_come_behind_the_images_that_were_made(self):
        answer = self.server.converse("fails_between_images.xml")
        self.assert_error(answer, "faulty", "asked to fail")
        self.assertEqual([i.pixels for i in answer.images], [i.pixels for i in expected("version_2.xml")[:1]])

    def test_let_the_client_go_on_until_its_own_close(self):
        """A stock client sends all it has before it looks."""
        answer = self.server.converse("fails_at_first.xml", [HEADER, *VIEWS, *(VIEWS[-1:] * 5000), CLOSE])
        self.assert_error(answer, "faulty")
        self.assertEqual(answer.unsent, "")

    def test_of_half_a_message_that_ends_are_told(self):
        whole = (len(FIRST), len(FIRST + recorded()) - 2)
        for cut in (1, 2, 500, 1028, 1040, 5000, 20000, *whole):
            with self.subTest(cut), client.Connection(self.server.address) as connection:
                connection.send((FIRST + recorded())[:cut])
                connection.socket.shutdown(1)
                self.assert_error(connection.drain(), "without CLOSE" if cut in whole else "byte")


class ClientChains(ServedTest):
    options = ("--allow-client-chains",)

    def script(self, xml: str) -> client.Answer:
        return converse(self.server, client.config_script(xml.encode()), HEADER, *VIEWS, CLOSE)

    def test_are_run_where_they_are_allowed(self):
        for chain in ("material_images.xml", "version_1.xml", "version_2.xml"):
            self.assert_images(self.script(CHAINS[chain]), expected(chain))

    def test_are_refused_by_name_where_they_are_none(self):
        bomb = '<!DOCTYPE a [<!ENTITY a "aaaa">]><configuration>&a;</configuration>'
        for xml, word in [("", "config"), ("<a/>", "configuration"), (bomb, "DOCTYPE"), ("<configuration>" * 100, "config"),
                          (CHAINS["misspelt.xml"], "materails"), (CHAINS["no_plugin.xml"], "kalibration"),
                          (chain_of("<gadget><dll>/lib/x86_64-linux-gnu/libc.so.6</dll><classname>X</classname></gadget>"), "never a path"),
                          (" " * 262145, "262144")]:  # fmt: skip
            with self.subTest(xml[:40]):
                self.assert_error(self.script(xml), word)

    def test_that_crash_cost_their_session_alone(self):
        answer = self.script(CHAINS["crash.xml"])
        self.assertIn(answer.end, ("lost", "error"))
        self.assertEqual(answer.images, [])


if __name__ == "__main__":
    unittest.main()
