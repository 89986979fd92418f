// Keeps one core busy until it is killed, or whoever started it is gone.

const lookMillis = 200;

const parent = process.ppid;
do {
  for (const until = performance.now() + lookMillis; performance.now() < until; );
} while (process.ppid === parent);
