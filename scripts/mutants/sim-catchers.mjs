// Catchers on simulated storage in which no seed decides anything: see list.mjs. Data only.

/** A life that is cut off after each of its events; its mode and its script name it. */
export const cut = (life) => ({ test: "sim/crash-points.test", name: life, millisMax: 300_000 });

/** One fault at a chosen place. */
export const placed = (name) => ({ test: "sim/placed-faults.test", name });
