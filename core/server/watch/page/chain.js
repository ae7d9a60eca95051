// The chain of a session, from the client down and back to it: gadgets, what travels between them and waits there, how busy each is.
import { byId, bytes, count, figure, make, say, show } from './words.js';

const kDots = 10; // messages shown as dots

function connector() {
  const parts = { type: make('span', 'type'), dots: make('span', 'dots'), queue: make('span', 'queue') };
  parts.row = make('div', 'connector', parts.type, parts.dots, parts.queue);
  return parts;
}

function fillConnector(parts, type, queue, words) {
  say(parts.type, type);
  say(parts.dots, '●'.repeat(Math.min(queue, kDots)));
  say(parts.queue, words);
}

export class Chain {
  #rows = [];
  #shape = '';

  update(status, rates) {
    const gadgets = status.gadgets ?? [];
    show(byId('chain'), gadgets.length > 0);
    const shape = JSON.stringify([status.number, gadgets.map((g) => [g.name, g.classname, g.after])]);
    if (shape !== this.#shape) this.#build(gadgets, shape);
    const busy = gadgets.map((g, i) => rates.ofSession(status, `busy ${i}`, g.busy) ?? 0);
    const all = busy.reduce((a, b) => a + b, 0);
    gadgets.forEach((g, i) => this.#fill(this.#rows[i], g, rates.ofSession(status, `messages ${i}`, g.messages), all > 0 ? busy[i] / all : 0, busy[i]));
    const first = this.#rows[0];
    if (first) {
      const waiting = status.waiting_bytes > 0 ? `${bytes(status.waiting_bytes)} read, not yet taken` : '';
      say(first.connector.queue, [waiting, first.connector.queue.textContent].filter(Boolean).join(', '));
      const images = `${count(status.images)} ${status.images === 1 ? 'image' : 'images'}, ${count(status.previews)} previews, ${bytes(status.bytes_out)}`;
      fillConnector(this.end.connector, gadgets.findLast((g) => !g.after)?.out ?? '', 0, images);
      say(this.start.words, status.peer || 'client');
    }
  }

  #build(gadgets, shape) {
    this.#shape = shape;
    this.#rows = gadgets.map((g) => {
      const r = { connector: connector(), rate: make('span', 'rate'), bar: make('i'), share: make('span', 'share') };
      const name = make('span', 'name', make('b', '', g.name), ' ', make('span', 'class', g.classname === g.name ? '' : g.classname));
      r.box = make('div', 'gadget', name, r.rate, make('span', 'bar', r.bar), r.share);
      r.item = make('li', g.after ? 'side' : '', r.connector.row, r.box);
      r.after = g.after;
      return r;
    });
    this.start = { words: make('b') };
    this.end = { connector: connector() };
    byId('gadgets').replaceChildren(
      make('li', 'client', make('div', 'gadget', this.start.words)),
      ...this.#rows.map((r) => r.item),
      make('li', 'client', this.end.connector.row, make('div', 'gadget', make('b', '', 'back to the client'))),
    );
  }

  #fill(r, gadget, rate, share, cores) {
    const side = r.after ? `${gadget.in}, beside ${r.after}` : gadget.in;
    fillConnector(r.connector, side, gadget.queue, gadget.queue > 0 ? `${count(gadget.queue)} waiting` : '');
    say(r.rate, rate === undefined ? count(gadget.messages) : `${figure(rate)}/s`);
    r.rate.title = `${count(gadget.messages)} messages done`;
    r.bar.style.width = `${100 * share}%`;
    say(r.share, `${Math.round(100 * share)} %`);
    r.share.title = `${figure(cores)} cores busy in it; ${Math.round(100 * share)} % of the time spent in the chain`;
  }
}
