// Asks the server what is going on, once a second while the page is seen, and shows it.
import { Chain } from './chain.js';
import { Details } from './details.js';
import { Picture } from './picture.js';
import { Rates } from './rates.js';
import { SessionList } from './sessions.js';
import { byId, clock, hasEnded, say, show, stateOf } from './words.js';

const kPeriod = 1000, kPicturePeriod = 500, kPatience = 8000; // [ms]

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(kPatience), cache: 'no-store' });
  return answer;
}
async function askJson(path) {
  const answer = await ask(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

class Page {
  picked = Number(location.hash.slice(1)) || 0; // session that the user chose; 0: the newest
  lastWord = 0;
  log = null;
  rates = new Rates();
  chain = new Chain();
  details = new Details();
  picture = new Picture(ask);
  list = new SessionList((number) => this.choose(number));

  choose(number) {
    this.picked = number;
    history.replaceState(null, '', `#${number}`);
    this.turn();
  }

  // The picked session, else the newest that runs, else the newest.
  chosenOf(sessions) {
    return sessions.find((s) => s.number === this.picked) ?? sessions.find((s) => !hasEnded(s)) ?? sessions[0];
  }

  async turn() {
    try {
      const all = await askJson('api/sessions');
      all.sessions.sort((a, b) => b.number - a.number);
      this.rates.at(all.now);
      this.rates.keep(new Set(all.sessions.map((s) => s.number)));
      const chosen = this.chosenOf(all.sessions);
      this.list.update(all.sessions, chosen?.number, this.rates);
      this.sayServer(all, chosen);
      if (all.log !== this.log) this.showLog(await (await ask('api/log')).text(), all.log);
      if (chosen) await this.showSession(await askJson(`api/sessions/${chosen.number}`), all.now);
      this.heard();
    } catch (error) {
      this.unheard(error);
    }
  }

  async showSession(status, now) {
    const rate = (name, value) => this.rates.ofSession(status, name, value);
    this.details.update(status, now, rate('views', status.views), rate('bytes', status.bytes_in));
    this.chain.update(status, this.rates);
    await this.picture.update(status.number, status.picture);
    this.shown = status;
  }

  // Between turns: the picture alone, while a scan runs.
  async pictureTurn() {
    if (!this.shown || hasEnded(this.shown)) return;
    const number = this.shown.number;
    try {
      const { picture } = await askJson(`api/sessions/${number}`);
      if (this.shown.number === number) await this.picture.update(number, picture);
    } catch {
      // the next turn tells
    }
  }

  sayServer(all, chosen) {
    say(byId('title'), all.title);
    const running = all.sessions.filter((s) => !hasEnded(s)).length;
    say(byId('server'), `${running === 0 ? 'idle' : `${running} running`} · ${all.version}`);
    byId('server').className = running > 0 ? 'live' : 'good';
    const share = chosen?.promised_views > 0 ? `${Math.floor((100 * chosen.views) / chosen.promised_views)} % ` : '';
    document.title = chosen ? `${hasEnded(chosen) ? stateOf(chosen).words : share} · session ${chosen.number} · Counterflow` : 'Counterflow';
  }

  showLog(text, token) {
    this.log = token;
    const lines = byId('lines');
    const atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 20;
    say(lines, text);
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  heard() {
    this.lastWord = Date.now() / 1000;
    document.body.classList.remove('unheard');
    show(byId('banner'), false);
  }

  unheard() {
    document.body.classList.add('unheard');
    const since = this.lastWord ? `since ${clock(this.lastWord)}` : 'yet';
    say(byId('banner'), `No connection ${since}. What is below is what was last known; trying again.`);
    show(byId('banner'), true);
    say(byId('server'), 'no connection');
    byId('server').className = 'bad';
  }
}

const page = new Page();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
addEventListener('hashchange', () => page.choose(Number(location.hash.slice(1)) || 0));
for (;;) {
  if (!document.hidden) await page.turn();
  await pause(kPicturePeriod);
  if (!document.hidden) await page.pictureTurn();
  await pause(kPeriod - kPicturePeriod);
}
