// The live image of a session: what it shows, its window, and the value under the pointer.
import { automatic, dragged, greys, material, monoenergetic } from './pixels.js';
import { byId, make, reading, say, show } from './words.js';

const kMono = -1; // "channel" of the monoenergetic image

export class Picture {
  #session = 0;
  #version = 0; // that is shown
  #loads = 0; // begun; an older one is not shown
  #head = null;
  #planes = new Map(); // channel -> Float32Array, of #head.version
  #channel = kMono;
  #energy = 70;
  #windows = new Map(); // what is shown -> window that was chosen
  #shown = null; // {values, unit, scale}
  #window = { centre: 0, width: 1 };
  #place = null; // pixel under the pointer
  #pinned = null;
  #drag = null;
  #tap = { time: 0, x: 0, y: 0 };

  constructor(fetchFrom) {
    this.fetchFrom = fetchFrom;
    this.canvas = byId('canvas');
    this.#listen();
  }

  // The newest version that the server has of a session's picture; 0: none.
  async update(session, version) {
    show(byId('picture'), true);
    if (session !== this.#session) this.#forget(session);
    if (version !== 0 && version !== this.#version) await this.#load();
  }

  #forget(session) {
    this.#session = session;
    this.#version = 0;
    ++this.#loads;
    this.#head = this.#shown = this.#pinned = this.#place = null;
    this.#planes.clear();
    byId('picture').classList.add('none');
    this.canvas.width = this.canvas.height = 0;
    show(byId('pin'), false);
  }

  // Head and the planes that are needed; again when the picture was replaced between.
  async #load() {
    const session = this.#session, load = ++this.#loads;
    for (let tries = 0; tries < 5; ++tries) {
      const head = await this.fetchFrom(`api/sessions/${session}/image`).then((r) => (r.ok ? r.json() : null));
      if (load !== this.#loads || !head) return;
      const planes = new Map();
      const whole = await this.#fetchPlanes(head, planes, this.#channelsShown(head));
      if (load !== this.#loads) return;
      if (!whole) continue;
      this.#head = head;
      this.#planes = planes;
      this.#version = head.version;
      this.#layOut();
      this.#compose();
      return;
    }
  }

  async #fetchPlanes(head, planes, channels) {
    for (const channel of channels) {
      if (planes.has(channel)) continue;
      const answer = await this.fetchFrom(`api/sessions/${this.#session}/image?version=${head.version}&channel=${channel}`);
      if (answer.status !== 200) return false; // replaced by a newer one
      const values = new Float32Array(await answer.arrayBuffer());
      if (values.length !== head.nx * head.ny) return false;
      planes.set(channel, values);
    }
    return true;
  }

  #channelsShown(head) {
    if (this.#channel >= head.names.length || (this.#channel === kMono && !head.attenuation)) this.#channel = head.attenuation ? kMono : 0;
    return this.#channel === kMono ? head.names.map((_, m) => m) : [this.#channel];
  }

  async #choose(channel) {
    this.#channel = channel;
    this.#layOut();
    if (await this.#fetchPlanes(this.#head, this.#planes, this.#channelsShown(this.#head))) this.#compose();
    else await this.#load();
  }

  // Selector, badge and the frame's shape.
  #layOut() {
    const head = this.#head;
    byId('picture').classList.remove('none');
    const names = [...(head.attenuation ? [[kMono, 'monoenergetic']] : []), ...head.names.map((name, m) => [m, name])];
    const group = byId('channels');
    if (group.dataset.names !== JSON.stringify(names)) {
      group.dataset.names = JSON.stringify(names);
      group.replaceChildren(...names.map(([channel, name]) => this.#option(channel, name)));
    }
    for (const input of group.querySelectorAll('input')) input.checked = Number(input.value) === this.#channel;
    show(byId('kev-line'), Boolean(head.attenuation) && this.#channel === kMono);
    if (head.attenuation) {
      byId('kev').min = head.energies[0];
      byId('kev').max = head.energies.at(-1);
    }
    const badge = byId('badge');
    say(badge, head.preview ? 'preview' : 'final');
    badge.className = head.preview ? 'preview' : 'final';
    const slice = head.slices > 1 ? `slice ${head.slice + 1} of ${head.slices} · ` : '';
    say(byId('picture-note'), `${slice}${head.nx} × ${head.ny}`);
    byId('picture-note').title = `pixels of ${head.voxel[0]} × ${head.voxel[1]} mm`;
    byId('frame').style.aspectRatio = `${head.nx * head.voxel[0]} / ${head.ny * head.voxel[1]}`;
    if (this.canvas.width !== head.nx || this.canvas.height !== head.ny) {
      this.canvas.width = head.nx;
      this.canvas.height = head.ny;
      this.pixels = this.canvas.getContext('2d').createImageData(head.nx, head.ny);
    }
  }

  #option(channel, name) {
    const input = make('input');
    Object.assign(input, { type: 'radio', name: 'channel', value: String(channel) });
    input.addEventListener('change', () => this.#choose(channel));
    return make('label', '', input, make('span', '', name));
  }

  #compose() {
    const head = this.#head;
    if (this.#channel === kMono) this.#shown = monoenergetic(head, head.names.map((_, m) => this.#planes.get(m)), this.#energy);
    else this.#shown = material(head, this.#planes.get(this.#channel), this.#channel);
    this.#window = this.#windows.get(this.#key()) ?? automatic(this.#shown, head.nx, head.ny);
    this.#draw();
  }

  #key() {
    return this.#shown.unit === 'HU' ? 'HU' : `${this.#head.names[this.#channel]} ${this.#shown.unit}`;
  }

  #draw() {
    greys(this.#shown, this.#window, this.pixels.data);
    this.canvas.getContext('2d').putImageData(this.pixels, 0, 0);
    const { centre, width, automatic: chosenHere } = this.#window, unit = this.#shown.unit;
    const near = (v) => reading(v, width);
    say(byId('low'), near(centre - width / 2));
    say(byId('high'), `${near(centre + width / 2)} ${unit}`);
    say(byId('window'), `window ${near(width)} at ${near(centre)} ${unit}`);
    byId('reset').disabled = Boolean(chosenHere);
    Object.assign(this.canvas.dataset, { version: this.#head.version, centre, width, unit });
    this.#read();
  }

  #setWindow(window) {
    this.#window = window;
    this.#windows.set(this.#key(), window);
    if (!this.frameAsked) this.frameAsked = requestAnimationFrame(() => ((this.frameAsked = 0), this.#shown && this.#draw()));
  }

  #reset() {
    if (!this.#shown) return;
    this.#windows.delete(this.#key());
    this.#window = automatic(this.#shown, this.#head.nx, this.#head.ny);
    this.#pinned = null;
    this.#draw();
  }

  // The value under the pointer, else at the pinned place.
  #read() {
    const place = this.#place ?? this.#pinned, head = this.#head;
    show(byId('pin'), Boolean(this.#pinned));
    if (this.#pinned) {
      byId('pin').style.left = `${(100 * (this.#pinned.i + 0.5)) / head.nx}%`;
      byId('pin').style.top = `${(100 * (this.#pinned.j + 0.5)) / head.ny}%`;
    }
    if (!place || !this.#shown) return say(byId('value'), '');
    const { values, unit, scale } = this.#shown;
    const value = reading(scale * values[place.j * head.nx + place.i], this.#window.width / 10);
    const mm = (n, size, voxel, centre) => reading(centre + (n - (size - 1) / 2) * voxel, 1000 * voxel);
    const x = mm(place.i, head.nx, head.voxel[0], head.centre[0]), y = mm(place.j, head.ny, head.voxel[1], head.centre[1]);
    say(byId('value'), `${value} ${unit} at ${x}, ${y} mm`);
  }

  #placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const i = Math.floor(((event.clientX - box.left) / box.width) * this.canvas.width);
    const j = Math.floor(((event.clientY - box.top) / box.height) * this.canvas.height);
    return i >= 0 && j >= 0 && i < this.canvas.width && j < this.canvas.height ? { i, j } : null;
  }

  #listen() {
    const canvas = this.canvas;
    canvas.addEventListener('pointerdown', (event) => {
      if (!this.#shown || event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#drag = { x: event.clientX, y: event.clientY, window: this.#window, moved: false };
    });
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    canvas.addEventListener('pointerup', (event) => this.#release(event));
    canvas.addEventListener('pointercancel', () => (this.#drag = null));
    canvas.addEventListener('pointerleave', () => ((this.#place = null), this.#head && this.#read()));
    canvas.addEventListener('keydown', (event) => this.#press(event));
    byId('reset').addEventListener('click', () => this.#reset());
    byId('kev').addEventListener('input', (event) => {
      this.#energy = Number(event.target.value);
      say(byId('kev-value'), `${this.#energy} keV`);
      if (this.#head && this.#channel === kMono) this.#compose();
    });
  }

  #move(event) {
    if (!this.#shown) return;
    const drag = this.#drag;
    if (drag) {
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      drag.moved ||= Math.hypot(dx, dy) > 4;
      if (drag.moved) this.#setWindow(dragged(drag.window, dx / this.canvas.clientWidth, -dy / this.canvas.clientHeight));
    }
    this.#place = event.pointerType === 'mouse' ? this.#placeOf(event) : null;
    this.#read();
  }

  #release(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag || drag.moved) return;
    const tap = { time: event.timeStamp, x: event.clientX, y: event.clientY };
    const twice = tap.time - this.#tap.time < 400 && Math.hypot(tap.x - this.#tap.x, tap.y - this.#tap.y) < 24;
    this.#tap = twice ? { time: 0, x: 0, y: 0 } : tap;
    if (twice) return this.#reset();
    this.#pinned = this.#placeOf(event);
    this.#read();
  }

  #press(event) {
    const steps = { ArrowRight: [0.02, 0], ArrowLeft: [-0.02, 0], ArrowUp: [0, 0.02], ArrowDown: [0, -0.02] };
    if (!this.#shown) return;
    if (steps[event.key]) this.#setWindow(dragged(this.#window, ...steps[event.key]));
    else if (event.key === 'Home' || event.key === 'Escape') this.#reset();
    else return;
    event.preventDefault();
  }
}
