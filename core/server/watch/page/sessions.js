// The list of sessions, the newest first.
import { byId, count, duration, figure, hasEnded, make, say, show, stateOf } from './words.js';

function viewsText(status) {
  return status.promised_views > 0 ? `${count(status.views)} of ${count(status.promised_views)} views` : `${count(status.views)} views`;
}

export class SessionList {
  #items = new Map(); // number -> {item, button, ...}

  constructor(choose) {
    this.choose = choose;
  }

  update(sessions, chosen, rates) {
    const list = byId('list');
    const numbers = new Set(sessions.map((s) => s.number));
    for (const [number, parts] of this.#items)
      if (!numbers.has(number)) parts.item.remove(), this.#items.delete(number);
    sessions.forEach((status, i) => {
      const parts = this.#items.get(status.number) ?? this.#make(status.number);
      if (list.children[i] !== parts.item) list.insertBefore(parts.item, list.children[i] ?? null);
      this.#fill(parts, status, status.number === chosen, rates);
    });
    show(byId('no-sessions'), sessions.length === 0);
  }

  #make(number) {
    const p = { state: make('span', 'state'), chain: make('span', 'chain'), peer: make('span', 'peer'), bar: make('i'), note: make('span', 'note'), error: make('span', 'error') };
    p.button = make('button', '', make('span', 'line', make('b', '', `#${number}`), p.chain, p.state), make('span', 'bar', p.bar), p.note, p.error);
    p.button.type = 'button';
    p.button.addEventListener('click', () => this.choose(number));
    p.item = make('li', '', p.button);
    this.#items.set(number, p);
    return p;
  }

  #fill(p, status, chosen, rates) {
    const { kind, short, words } = stateOf(status);
    p.item.className = kind;
    p.button.setAttribute('aria-current', chosen);
    p.button.title = words;
    say(p.state, short);
    say(p.chain, status.chain || 'no chain yet');
    p.bar.style.width = `${100 * Math.min(1, status.views / (status.promised_views || Infinity))}%`;
    const rate = rates.ofSession(status, 'views', status.views);
    const notes = [viewsText(status)];
    if (rate > 0) notes.push(`${figure(rate)}/s`);
    if (status.last_image_latency > 0) notes.push(`image after ${duration(status.last_image_latency)}`);
    notes.push(status.peer);
    say(p.note, notes.join(' · '));
    say(p.error, hasEnded(status) ? status.error : '');
    show(p.error, Boolean(p.error.textContent));
  }
}
