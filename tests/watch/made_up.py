"""Statuses and pictures of made-up sessions, written as core/server/status.h says and not by it."""
import array
import json
import math
import os
import random
import struct

SIDE, VOXEL = 320, 0.7  # pixels and mm

# Ellipses of a body: centre, half axes [part of half the side], turn, water and iodine [g/cm^3] that hold within.
BODY = [
    (0, 0, 0.80, 0.62, 0, 0.96, 0), (0, 0, 0.76, 0.58, 0, 1.03, 0),
    (-0.36, -0.12, 0.26, 0.33, 0.2, 0.27, 0.0002), (0.38, -0.12, 0.25, 0.33, -0.2, 0.27, 0.0002),
    (0.05, -0.14, 0.19, 0.21, 0.5, 1.05, 0.0010), (0.09, -0.13, 0.10, 0.12, 0.5, 1.05, 0.0085), (-0.06, -0.24, 0.06, 0.06, 0, 1.05, 0.0070),
    (0.03, 0.22, 0.045, 0.045, 0, 1.05, 0.0100), (-0.33, -0.05, 0.02, 0.03, 0, 1.05, 0.006), (0.33, 0.0, 0.03, 0.02, 0, 1.05, 0.006),
    (0, 0.38, 0.10, 0.09, 0, 1.18, 0.0075), (0, 0.38, 0.075, 0.065, 0, 1.08, 0.0030), (0, 0.50, 0.03, 0.08, 0, 1.16, 0.0065),
    (0, 0.465, 0.028, 0.024, 0, 1.03, 0), (0, -0.52, 0.09, 0.022, 0, 1.14, 0.0060),
    (-0.62, 0.05, 0.018, 0.07, 0.15, 1.2, 0.008), (0.62, 0.05, 0.018, 0.07, -0.15, 1.2, 0.008),
    (-0.52, 0.32, 0.07, 0.018, -0.8, 1.2, 0.008), (0.52, 0.32, 0.07, 0.018, 0.8, 1.2, 0.008),
    (-0.50, -0.36, 0.06, 0.017, 0.75, 1.2, 0.008), (0.50, -0.36, 0.06, 0.017, -0.75, 1.2, 0.008),
]


def body(noise, seed):
    """[material][pixel] water and iodine."""
    rng = random.Random(seed)
    water, iodine = array.array("f", bytes(4 * SIDE * SIDE)), array.array("f", bytes(4 * SIDE * SIDE))
    for cx, cy, a, b, turn, w, i in BODY:
        cos, sin, reach = math.cos(turn), math.sin(turn), max(a, b)
        rows = [max(0, int((c - reach + 1) * SIDE / 2) - 1) for c in (cy, cx)]
        ends = [min(SIDE, int((c + reach + 1) * SIDE / 2) + 2) for c in (cy, cx)]
        for row in range(rows[0], ends[0]):
            y = (row + 0.5) * 2 / SIDE - 1 - cy
            for column in range(rows[1], ends[1]):
                x = (column + 0.5) * 2 / SIDE - 1 - cx
                if ((x * cos + y * sin) / a) ** 2 + ((y * cos - x * sin) / b) ** 2 <= 1:
                    water[row * SIDE + column], iodine[row * SIDE + column] = w, i
    normal = [rng.gauss(0, noise) for _ in range(4099)]
    for k in range(SIDE * SIDE):
        n = normal[(k * 7 + (k // SIDE) * 31) % 4099]
        water[k] += n
        iodine[k] += 0.02 * normal[(k * 13 + (k // SIDE) * 101) % 4099] - 0.01 * n
    return [water, iodine]


def replace(file, content):
    with open(file + ".part", "wb") as out:
        out.write(content)
    os.rename(file + ".part", file)


def write_picture(folder, number, version, planes, preview):
    head = json.dumps({"version": version, "preview": preview, "quantity": "density", "unit": "g/cm^3", "names": ["water", "iodine"],
                       "grid": [SIDE, SIDE, 16], "voxel": [VOXEL, VOXEL, 1.0], "centre": [0.0, 0.0, 0.0], "slice": 8,
                       "shape": [2, SIDE, SIDE]}).encode()
    head += b" " * (-(len(head) + 12) % 16)
    replace(f"{folder}/{number}.image", b"CFPICT1\n" + struct.pack("<I", len(head)) + head + b"".join(p.tobytes() for p in planes))


def write_status(folder, number, **members):
    replace(f"{folder}/{number}.json", json.dumps({"number": number, **members}).encode())


def gadgets(done, seconds):
    """A chain after `done` views and `seconds`."""
    def gadget(name, classname, takes, gives, messages, queue, busy, after=""):
        return {"name": name, "classname": classname, "in": takes, "out": gives, "messages": messages, "queue": queue,
                "busy": busy * seconds, "after": after}
    return [gadget("bad_pixels", "BadPixels", "Counts", "Counts", done, 0, 0.02),
            gadget("air", "AirCalibration", "Counts", "Counts", done, 0, 0.05),
            gadget("drift", "BinDrift", "Counts", "Counts", done, 1, 0.16),
            gadget("decomposition", "MaximumLikelihood", "Counts", "PathLengths", max(0, done - 6), 6, 1.35),
            gadget("fbp", "FilteredBackprojection", "PathLengths", "Image", max(0, done - 7), 1, 0.72),
            gadget("mono", "MonoenergeticImage", "Image", "Image", done // 60, 0, 0.01, "fbp")]


class Running:
    """Session 14, whose views arrive as time goes."""

    def __init__(self, folder, now):
        self.folder, self.started, self.now = folder, now - 31, now

    def tell(self, now):
        seconds = now - self.started
        views = min(9216, int(118 * seconds))
        write_status(self.folder, 14, peer="127.0.0.1:51872", chain="material_images.xml",
                     chain_hash="9f2c4ab07d13e6f8a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778",
                     parameters="5d41402abc4b2a76b9719d911017c592aabbccddeeff00112233445566778899", parameters_file="learned_2026-11.h5",
                     state="stream", views=views, air_views=64, promised_views=9216, bytes_in=views * 442368, bytes_out=views * 700,
                     images=0, previews=int(2 * seconds), waiting_bytes=2654208, started=self.started, told=now, last_view=now,
                     threads=4, recording="/data/scans/2026-11-23T07-15-02_0014.h5", gadgets=gadgets(views, seconds))


def others(folder, now):
    """Sessions that have ended, one a way, and one that has not begun."""
    common = {"chain": "material_images.xml", "chain_hash": "9f2c4ab07d13e6f8", "parameters": "initial", "promised_views": 1152,
              "air_views": 64, "threads": 4}
    write_status(folder, 15, peer="127.0.0.1:51880", state="config", started=now - 1, told=now)
    write_status(folder, 13, **common, peer="127.0.0.1:51702", state="complete", views=1152, bytes_in=509607936, bytes_out=13107200, images=32,
                 previews=18, started=now - 75, ended=now - 65.1, last_view=now - 65.2, told=now - 65, last_image_latency=0.121,
                 gadgets=gadgets(1152, 9.8))
    write_status(folder, 12, **common, peer="127.0.0.1:51544", state="error", views=417, bytes_in=184467456, started=now - 300, ended=now - 296,
                 last_view=now - 296, told=now - 296, error="gadget 'decomposition', view 417: expected counts of 8 bins, got 5; "
                 "the scan's header says 8: <img src=x onerror=alert(1)>", gadgets=gadgets(417, 3.5))
    write_status(folder, 11, **common, peer="127.0.0.1:51301", state="lost", views=803, bytes_in=355221504, started=now - 900, ended=now - 890,
                 last_view=now - 893, told=now - 890, error="the connection ended after view 802, without CLOSE")
    lines = ["07:11:02 listening on 127.0.0.1:9002; chains from xml/chains", "07:12:10 session 11: lost: the connection ended after view 802",
             "07:14:55 session 12: error: gadget 'decomposition', view 417: expected counts of 8 bins, got 5 <script>alert(1)</script>",
             "07:18:40 session 13: complete: 1152 views, 32 images, last image 121 ms after the last view",
             "07:19:58 session 14: material_images.xml, parameters learned_2026-11.h5 (5d41402abc4b)",
             "07:20:00 session 15: connected from 127.0.0.1:51880"]
    with open(f"{folder}/log", "w", encoding="utf-8") as log:
        log.write("\n".join(lines) + "\n")
