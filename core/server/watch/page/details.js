// What is known of the chosen session beside its chain and its picture.
import { byId, bytes, clock, count, duration, figure, make, say, sayList, shortHash, show, stateOf } from './words.js';

const kHistory = 60; // rates in the small curve

export class Details {
  #history = [];
  #number = 0;

  // `rate`: views per second, undefined while not known.
  update(status, now, rate, bytesRate) {
    for (const id of ['session', 'facts']) show(byId(id), true);
    this.#head(status, now);
    this.#tiles(status, rate, bytesRate);
    this.#facts(status, now);
  }

  #head(status, now) {
    const { kind, words } = stateOf(status);
    say(byId('session-title'), `Session ${status.number}`);
    const silent = status.ended === 0 && status.told > 0 && now - status.told > 5 ? `, silent for ${duration(now - status.told)}` : '';
    say(byId('state'), words + silent);
    byId('state').className = kind;
    byId('session').className = `panel ${kind}`;
    say(byId('error'), status.error);
    show(byId('error'), Boolean(status.error));
  }

  #tiles(status, rate, bytesRate) {
    if (status.number !== this.#number || !this.curve) this.#makeTiles(status.number);
    const of = status.promised_views > 0 ? ` / ${count(status.promised_views)}` : '';
    say(this.views, count(status.views) + of);
    this.bar.style.width = `${100 * Math.min(1, status.views / (status.promised_views || Infinity))}%`;
    say(this.rate, rate === undefined ? '–' : figure(rate));
    say(this.rate.previousSibling, status.ended > 0 ? 'views per second, mean' : 'views per second');
    if (rate !== undefined && status.ended === 0) this.#history = [...this.#history, rate].slice(-kHistory);
    this.#draw();
    say(this.data, bytesRate === undefined ? '–' : `${bytes(bytesRate)}/s`);
    say(this.came, `${bytes(status.bytes_in)} in all`);
    say(this.latency, status.last_image_latency > 0 ? duration(status.last_image_latency) : '–');
    say(this.images, `${count(status.images)} ${status.images === 1 ? 'image' : 'images'}, ${count(status.previews)} previews`);
  }

  #makeTiles(number) {
    this.#number = number;
    this.#history = [];
    const tile = (term, ...more) => {
      const value = make('dd');
      return [value, make('div', '', make('dt', '', term), value, ...more)];
    };
    this.bar = make('i');
    this.curve = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.curve.setAttribute('viewBox', `0 0 ${kHistory - 1} 16`);
    this.curve.setAttribute('preserveAspectRatio', 'none');
    this.curve.setAttribute('aria-hidden', 'true');
    this.line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
    this.curve.append(this.line);
    const tiles = [];
    [this.views, tiles[0]] = tile('views', make('dd', 'bar', this.bar));
    [this.rate, tiles[1]] = tile('views per second', make('dd', 'curve', this.curve));
    this.came = make('dd', 'more');
    this.images = make('dd', 'more');
    [this.data, tiles[2]] = tile('data in', this.came);
    [this.latency, tiles[3]] = tile('last view to last image', this.images);
    byId('tiles').replaceChildren(...tiles);
  }

  #draw() {
    const most = Math.max(...this.#history, 1e-9);
    const from = kHistory - this.#history.length;
    this.line.setAttribute('points', this.#history.map((r, i) => `${from + i},${15 - (14 * r) / most}`).join(' '));
  }

  #facts(status, now) {
    const end = status.ended || now;
    sayList(byId('fact-list'), [
      ['chain', [status.chain, shortHash(status.chain_hash)].filter(Boolean).join(' · ')],
      ['parameters', [shortHash(status.parameters), status.parameters_file].filter(Boolean).join(' · ')],
      ['recording', status.recording],
      ['client', status.peer],
      ['began', status.started > 0 ? `${clock(status.started)}, ${status.ended > 0 ? 'took' : 'for'} ${duration(end - status.started)}` : ''],
      ['ended', status.ended > 0 ? clock(status.ended) : ''],
      ['air views', status.air_views > 0 ? count(status.air_views) : ''],
      ['data out', bytes(status.bytes_out)],
      ['threads', status.threads > 0 ? String(status.threads) : ''],
    ]);
  }
}
