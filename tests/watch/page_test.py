"""The page in a browser: page_test.py SERVE_FOLDER SCREENSHOTS. Ends with 77 where there is no chromium."""
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_up
from browser import Browser

SIDE = made_up.SIDE
# Column and row of places in the body: outside, fat, muscle, lung, heart's blood, aorta, spine.
PLACES = [(3, 3), (160, 62), (95, 220), (100, 140), (174, 139), (164, 195), (160, 221)]


def expect(true, *words):
    if not true:
        raise AssertionError(" ".join(str(w) for w in words))


class Server:
    def __init__(self, program, folder, address="127.0.0.1:0"):
        self.process = subprocess.Popen([program, folder, address], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def end(self):
        self.process.terminate()
        expect(self.process.wait(10) == 0, "the server ended with", self.process.returncode)


class PageTest:
    def __init__(self, browser, server, folder, screenshots):
        self.browser, self.server, self.folder, self.screenshots = browser, server, folder, screenshots
        self.running = made_up.Running(folder, time.time())
        self.planes = made_up.body(0.02, 1)
        made_up.others(folder, time.time())
        self.running.tell(time.time())
        made_up.write_picture(folder, 14, 3, self.planes, True)
        made_up.write_picture(folder, 13, 9, made_up.body(0.008, 2), False)

    def open(self, session, version):
        self.browser.open("about:blank")
        self.browser.open(f"{self.server.url}#{session}")
        self.browser.wait(f"document.querySelector('#canvas')?.dataset.version === '{version}'")

    def window(self):
        data = self.browser.run("({...document.querySelector('#canvas').dataset})")
        return float(data["centre"]), float(data["width"]), data["unit"]

    def greys(self):
        """Red, green and blue of PLACES as the canvas holds them."""
        return self.browser.run("(() => { const c = document.querySelector('#canvas').getContext('2d'); return "
                                f"{json.dumps(PLACES)}.map(([x, y]) => [...c.getImageData(x, y, 1, 1).data].slice(0, 3)); }})()")

    def expect_greys(self, value, what):
        """value(k): of pixel k in the unit of the window."""
        centre, width, _ = self.window()
        seen = set()
        for (x, y), grey in zip(PLACES, self.greys()):
            right = min(255, max(0, 255 * ((value(y * SIDE + x) - centre) / width + 0.5)))
            expect(grey[0] == grey[1] == grey[2] and abs(grey[0] - right) <= 0.51, what, "at", x, y, ": expected grey", right, "got", grey)
            seen.add(grey[0])
        expect(len(seen) >= 3, what, ": all places look alike:", seen)

    def hounsfield(self, energy):
        head = self.browser.run("fetch('api/sessions/14/image').then((r) => r.json())")
        at = head["energies"].index(energy)
        weights = [1000 * mu[at] / head["water"][at] for mu in head["attenuation"]]
        return lambda k: sum(w * p[k] for w, p in zip(weights, self.planes)) - 1000

    def wait_for_frame(self):
        self.browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    # ---- what is tested ----

    def shows_what_the_server_tells(self):
        self.open(14, 3)
        text = self.browser.run("document.body.innerText")
        for words in ("Session 14", "views arrive", "material_images.xml", "9 216", "MaximumLikelihood", "6 waiting", "learned_2026-11.h5", "5d41402abc4b",
                      "0014.h5", "2 running", "127.0.0.1:51872", "PathLengths", "preview", "session 13: complete"):
            expect(words in text, "expected on the page:", words)
        expect(len(self.browser.run("[...document.querySelectorAll('#list button')].map((b) => b.innerText)")) == 5, "expected 5 sessions")
        self.browser.wait("document.querySelector('#tiles div:nth-child(2) dd').textContent !== '–'")
        for _ in range(5):
            time.sleep(0.4)
            self.running.tell(time.time())
        rate = float(self.browser.run("document.querySelector('#tiles div:nth-child(2) dd').textContent"))
        expect(80 < rate < 160, "expected about 118 views per second, got", rate)

    def text_of_sessions_stays_text(self):
        self.browser.click("#list li:nth-child(4) button")
        self.browser.wait("document.querySelector('#session-title').textContent === 'Session 12'")
        expect("<img src=x onerror=alert(1)>" in self.browser.run("document.querySelector('#error').textContent"), "the error is shown as it is")
        expect("<script>alert(1)</script>" in self.browser.run("document.querySelector('#lines').textContent"), "the log is shown as it is")
        expect(self.browser.run("document.querySelectorAll('img, #lines script').length") == 0, "text of a session became elements")
        self.browser.wait("document.querySelector('#no-picture').checkVisibility() && document.querySelector('#picture').className.includes('none')")

    def image_is_the_values_in_the_window(self):
        self.open(14, 3)
        expect(self.window() == (40, 400, "HU"), "expected the window 400 at 40 HU, got", self.window())
        self.expect_greys(self.hounsfield(70), "monoenergetic at 70 keV")
        self.browser.run("document.querySelector('#kev').focus()")
        for _ in range(12):
            self.browser.key("ArrowLeft", 37)
        expect(self.browser.run("document.querySelector('#kev-value').textContent") == "58 keV", "twelve keys are 12 keV")
        self.expect_greys(self.hounsfield(58), "monoenergetic at 58 keV")
        self.browser.click("#channels label:nth-child(3)")
        self.browser.wait("document.querySelector('#canvas').dataset.unit === 'mg/mL'")
        self.expect_greys(lambda k: 1000 * self.planes[1][k], "iodine")
        self.browser.click("#channels label:nth-child(2)")
        self.browser.wait("document.querySelector('#canvas').dataset.unit === 'g/cm³'")
        self.expect_greys(lambda k: self.planes[0][k], "water")

    def dragging_moves_the_window(self):
        self.open(14, 3)
        x, y = self.browser.middle("#canvas")
        side = self.browser.run("document.querySelector('#canvas').clientWidth")
        self.browser.drag([(x, y), (x + 20, y + 5), (x + 60, y + 40)])
        self.expect_window(40 - 400 * 40 / side, 400 * math.exp(2 * 60 / side))
        self.expect_greys(self.hounsfield(70), "after a drag")
        self.browser.run("document.querySelector('#canvas').focus()")
        centre, width, _ = self.window()
        self.browser.key("ArrowUp", 38)
        self.expect_window(centre + 0.02 * width, width)
        self.browser.drag([(x, y)])
        expect(self.browser.run("!document.querySelector('#pin').hidden"), "a click pins the reading")
        self.browser.mouse("mouseMoved", 1, 1)
        self.wait_for_frame()
        column = math.floor((x - self.browser.run("document.querySelector('#canvas').getBoundingClientRect().x")) / side * SIDE)
        said = self.browser.run("document.querySelector('#value').textContent")
        right = self.hounsfield(70)(column + column * SIDE)
        expect(abs(float(said.split(" HU")[0].replace("−", "-")) - right) <= 0.51, "expected a reading of", right, "got", said)
        time.sleep(0.5)
        self.browser.drag([(x, y)])
        self.browser.drag([(x, y)])
        self.expect_window(40, 400)

    def expect_window(self, centre, width):
        self.wait_for_frame()
        got = self.window()
        expect(abs(got[0] - centre) < 1e-6 * width and abs(got[1] - width) < 1e-6 * width, "expected window", width, "at", centre, "got", got)

    def a_new_picture_appears_by_itself(self):
        self.open(14, 3)
        before = self.greys()
        self.planes = made_up.body(0.008, 5)
        for k in range(len(self.planes[0])):
            self.planes[0][k] *= 0.9
        made_up.write_picture(self.folder, 14, 4, self.planes, False)
        self.browser.wait("document.querySelector('#canvas').dataset.version === '4'", 5)
        self.expect_greys(self.hounsfield(70), "the new version")
        expect(self.greys() != before, "the picture did not change")
        expect(self.browser.run("document.querySelector('#badge').textContent") == "final", "expected the badge to say final")
        for version in range(5, 205):  # faster than they can be fetched
            made_up.write_picture(self.folder, 14, version, self.planes, version % 2 == 0)
            time.sleep(0.01)
        self.browser.wait("document.querySelector('#canvas').dataset.version === '204'", 5)
        self.planes = made_up.body(0.02, 1)
        made_up.write_picture(self.folder, 14, 3, self.planes, True)

    def fingers_move_the_window_too(self):
        self.browser.size(390, 844, phone=True, scale=2)
        self.open(14, 3)
        x, y = self.browser.middle("#canvas")
        side = self.browser.run("document.querySelector('#canvas').clientWidth")
        self.browser.touch([(x, y), (x - 30, y - 10), (x - 60, y - 30)])
        self.expect_window(40 + 400 * 30 / side, 400 * math.exp(-2 * 60 / side))
        self.expect_greys(self.hounsfield(70), "after a touch")

    def fits_and_reads_well(self):
        for width, height, phone in ((390, 844, True), (820, 1100, True), (1440, 900, False), (320, 640, True)):
            self.browser.size(width, height, phone, 2 if phone else 1)
            for scheme in ("dark", "light"):
                self.browser.colours(scheme)
                self.open(14, 3)
                self.browser.wait("document.querySelector('#fact-list').children.length > 0")
                self.running.tell(time.time())
                self.browser.wait("document.querySelector('#tiles div:nth-child(2) dd').textContent !== '–'")
                wide = self.browser.run("[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > "
                                        f"{width} + 0.5 && e.checkVisibility() && !e.closest('svg')).map((e) => e.tagName + '#' + e.id + '.' + e.className)")
                expect(not wide and self.browser.run("document.documentElement.scrollWidth") <= width, "wider than", width, ":", wide)
                low = self.browser.run(LOW_CONTRAST)
                expect(not low, scheme, width, ": contrast below 4.5:", low)
                self.browser.picture(os.path.join(self.screenshots, f"{width}_{scheme}.png"))
        self.browser.colours("dark")
        self.browser.size(1440, 900)

    def everything_is_reached_by_keys(self):
        self.open(14, 3)
        reached = set()
        for _ in range(14):
            self.browser.key("Tab", 9)
            reached.add(self.browser.run("(() => { const e = document.activeElement; return e.id || e.name || e.tagName; })()"))
        for name in ("BUTTON", "channel", "kev", "canvas", "lines"):
            expect(name in reached, "expected Tab to reach", name, "; it reaches", reached)
        unnamed = self.browser.run("[...document.querySelectorAll('input, button, canvas, nav, section, [role=radiogroup]')].filter((e) => !(e.getAttribute("
                                   "'aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length || e.textContent)).map((e) => e.outerHTML)")
        expect(not unnamed, "without a name for screen readers:", unnamed)

    def says_when_the_server_is_gone_and_comes_back(self, program):
        address = self.server.url.split("/")[2]
        self.server.end()
        self.browser.wait("!document.querySelector('#banner').hidden && document.querySelector('#banner').textContent.includes('No connection since')")
        expect(self.browser.run("document.querySelector('#canvas').dataset.version") == "3", "what was last known stays")
        self.browser.picture(os.path.join(self.screenshots, "no_connection.png"))
        self.server = Server(program, self.folder, address)
        self.browser.wait("document.querySelector('#banner').hidden")


# Texts whose contrast with the nearest ground behind them is below WCAG's 4.5.
LOW_CONTRAST = """(() => {
  const light = (c) => { const [r, g, b] = c.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                         return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const numbers = (text) => text.match(/[0-9.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
                          if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const out = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    if (e.className === 'dots' || e.disabled) continue;
    const a = light(numbers(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) out.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return out;
})()"""


def main(program, screenshots):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        print("page_test: skipped: no chromium here (scripts/setup installs it)")
        return 77
    os.makedirs(screenshots, exist_ok=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        server = Server(program, folder)
        browser = Browser(chromium)
        try:
            browser.size(1440, 900)
            browser.colours("dark")
            test = PageTest(browser, server, folder, screenshots)
            for part in (test.shows_what_the_server_tells, test.text_of_sessions_stays_text, test.image_is_the_values_in_the_window,
                         test.dragging_moves_the_window, test.a_new_picture_appears_by_itself, test.everything_is_reached_by_keys,
                         test.fingers_move_the_window_too, test.fits_and_reads_well):
                begun = time.time()
                part()
                expect(not browser.errors, part.__name__, ": the console says", browser.errors)
                print(f"ok {part.__name__} ({time.time() - begun:.1f} s)")
            test.says_when_the_server_is_gone_and_comes_back(program)
            server = test.server
            wrong = [e for e in browser.errors if "ERR_" not in e]
            expect(not wrong, "without a server the console says", wrong)
            print("ok says_when_the_server_is_gone_and_comes_back")
        finally:
            browser.close()
            server.process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
