// How fast counters of sessions grow, from what was told at which times.

const kSpan = 3; // seconds that a rate is taken over
const kSilence = 5; // seconds without word after which nothing is taken to move

export class Rates {
  #samples = new Map(); // name -> [{time, value}]
  #now = 0;

  at(now) {
    this.#now = now;
  }

  // Growth per second of a counter that had this value at this time; undefined while it is not known.
  of(name, time, value) {
    let list = this.#samples.get(name);
    if (!list) this.#samples.set(name, (list = []));
    const last = list.at(-1);
    if (last && value < last.value) list.length = 0;
    if (!last || time > last.time) list.push({ time, value });
    while (list.length > 2 && list[1].time <= time - kSpan) list.shift();
    if (this.#now - time > kSilence) return 0;
    const first = list[0];
    return time > first.time ? (value - first.value) / (time - first.time) : undefined;
  }

  // Of a session: while it runs as it grows, and after its end the mean over its life.
  ofSession(status, name, value) {
    if (status.ended > 0) {
      const life = (status.last_view || status.ended) - status.started;
      return life > 0 ? value / life : undefined;
    }
    return this.of(`${status.number} ${name}`, status.told || this.#now, value);
  }

  // Forgets all but these sessions.
  keep(numbers) {
    for (const name of this.#samples.keys()) if (!numbers.has(Number(name.split(' ')[0]))) this.#samples.delete(name);
  }
}
