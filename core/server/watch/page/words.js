// Numbers and states in words, and elements made of them. All text that comes from sessions goes through textContent.

export const kStates = {
  config: { kind: 'open', short: 'connecting', words: 'waits for the name of its chain' },
  header: { kind: 'open', short: 'connected', words: 'waits for the header of its scan' },
  stream: { kind: 'live', short: 'scanning', words: 'views arrive' },
  draining: { kind: 'live', short: 'finishing', words: 'all views are in, images are being made' },
  complete: { kind: 'good', short: 'complete', words: 'complete' },
  error: { kind: 'bad', short: 'error', words: 'ended with an error' },
  lost: { kind: 'bad', short: 'lost', words: 'lost: the connection ended before the scan did' },
};

export const stateOf = (status) => kStates[status.state] ?? { kind: 'open', short: status.state, words: status.state || 'unknown' };
export const hasEnded = (status) => ['complete', 'error', 'lost'].includes(status.state);

// Three significant digits.
export function figure(value) {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  const text = size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 0.01 ? value.toFixed(2) : value.toPrecision(2);
  return text.replace('-', '−');
}

// A value for a read-out, with as many places as a window of this width can tell apart.
export function reading(value, width) {
  if (!Number.isFinite(value)) return '–';
  const places = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(width))));
  const text = value.toFixed(places);
  return (Number(text) === 0 ? text.replace('-', '') : text).replace('-', '−');
}

export function count(value) {
  return value.toLocaleString('en').replaceAll(',', ' ');
}

export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) (value /= 1000), ++unit;
  return `${unit === 0 ? value : figure(value)} ${units[unit]}`;
}

export function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${figure(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function clock(seconds) {
  return seconds > 0 ? new Date(seconds * 1000).toLocaleTimeString('en-GB') : '–';
}

export const shortHash = (hash) => (/^[0-9a-f]{16,}$/.test(hash) ? hash.slice(0, 12) : hash);

// make('p', 'class', child or text, ...)
export function make(tag, kind, ...children) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...children);
  return element;
}

// Only what changed is touched, so that a selection or a focus stays.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}
export const byId = (id) => document.getElementById(id);

// Rows of a <dl>: [[term, text], ...], empty texts left out.
export function sayList(list, rows) {
  const kept = rows.filter(([, text]) => text);
  const terms = kept.map(([term]) => term).join('\n');
  if (list.dataset.terms !== terms) {
    list.dataset.terms = terms;
    list.replaceChildren(...kept.map(([term]) => make('div', '', make('dt', '', term), make('dd'))));
  }
  kept.forEach(([, text], i) => say(list.children[i].lastChild, text));
}
