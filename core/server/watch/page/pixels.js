// Values that are shown, and the greys of a window. No document here.

// Of material images rho_m [g/cm^3]: HU(E) = 1000 (sum_m mu_m(E) rho_m - mu_water(E)) / mu_water(E), attenuation mu_m [cm^2/g] as the
// server tells it at head.energies.
export function monoenergetic(head, planes, energy) {
  const at = head.energies.indexOf(energy);
  const weights = head.attenuation.map((mu) => (1000 * mu[at]) / head.water[at]);
  const out = new Float32Array(planes[0].length);
  for (let i = 0; i < out.length; ++i) {
    let hu = -1000;
    for (let m = 0; m < planes.length; ++m) hu += weights[m] * planes[m][i];
    out[i] = hu;
  }
  return { values: out, unit: 'HU', scale: 1 };
}

// One channel; an element's density is shown as a solute's, in mg/mL.
export function material(head, plane, channel) {
  const solute = head.unit === 'g/cm^3' && head.solutes?.[channel];
  return { values: plane, unit: solute ? 'mg/mL' : head.unit.replace('cm^3', 'cm³'), scale: solute ? 1000 : 1 };
}

// The window of most of what lies within the circle that fits the image: between the half and the 99.5th percent, a little wider.
export function automatic({ values, unit, scale }, nx, ny) {
  if (unit === 'HU') return { centre: 40, width: 400, automatic: true };
  const some = [];
  const step = Math.max(1, Math.floor(Math.sqrt((nx * ny) / 20000)));
  for (let j = 0; j < ny; j += step)
    for (let i = 0; i < nx; i += step) {
      const value = values[j * nx + i];
      if (Number.isFinite(value) && Math.hypot((2 * i + 1) / nx - 1, (2 * j + 1) / ny - 1) <= 1) some.push(value * scale);
    }
  if (some.length === 0) return { centre: 0, width: 1, automatic: true };
  const sorted = Float32Array.from(some).sort();
  const low = sorted[Math.floor(0.005 * (sorted.length - 1))], high = sorted[Math.ceil(0.995 * (sorted.length - 1))];
  const width = 1.1 * (high - low) || Math.abs(high) || 1;
  return { centre: (low + high) / 2, width, automatic: true };
}

// RGBA; the lowest value of the window is black and the highest white, what is no number is black.
export function greys({ values, scale }, window, out) {
  const factor = (255 * scale) / window.width, offset = 127.5 - (255 * window.centre) / window.width;
  for (let i = 0, o = 0; i < values.length; ++i) {
    out[o++] = out[o++] = out[o++] = factor * values[i] + offset; // clamped and rounded by the array
    out[o++] = 255;
  }
}

// A drag by parts of the frame: to the right widens, up raises the centre.
export function dragged(window, right, up) {
  const width = Math.min(1e9, Math.max(1e-9, window.width * Math.exp(2 * right)));
  return { centre: window.centre + up * window.width, width, automatic: false };
}
