// The runs of `npm run figures`: what is measured, how long, and how long one may take at most.
//
// Rounds are short and several, so that all of it takes less than half an hour on two cores: rounds of contenders alternate, and a machine drifts.

/** Of a suite: seconds of a round, and rounds. */
const timed = (seconds, repeat) => ["--seconds", String(seconds), "--repeat", String(repeat)];
const small = ["--segment-bytes", "4MiB", "--buffer-bytes", "64KiB"];

/** In their order. `quick`: each as short as it can be. */
export function runsOf(isQuick) {
  const rounds = (seconds, repeat) => (isQuick ? timed(0.1, 2) : timed(seconds, repeat));
  const repeated = (repeat) => ["--repeat", String(isQuick ? 2 : repeat)];
  const log = isQuick ? [...small, "--warm-up", "0.05"] : [];
  const space = isQuick ? small : [];
  const size = (usual, quick) => (isQuick ? quick : usual);
  const append = (callers, ...more) => ["append", "--callers", String(callers), "--enqueue-records", "0", ...more, ...log];
  const bench = (name, ...args) => ({ name, program: "bench", args, secondsMax: 300 });
  return [
    bench("floor", "floor", ...rounds(1, 5)),
    bench("append-256", ...append(256, "--compare", "baseline", ...rounds(1, 7))),
    bench("append-256-spin", ...append(256, "--completion", "spin", "--compare", "baseline", ...rounds(1, 5))),
    bench("append-256-100b", ...append(256, "--bytes", "100", "--compare", "baseline", ...rounds(1, 5))),
    bench("append-64", ...append(64, "--compare", "baseline", "--floor", ...rounds(0.7, 7))),
    bench("append-1", ...append(1, "--compare", "baseline", "--floor", ...rounds(0.7, 7))),
    bench("append-1-spin", ...append(1, "--completion", "spin", "--compare", "baseline", "--floor", ...rounds(0.7, 7))),
    bench("append-1-busy", ...append(1, "--busy", "1", "--compare", "baseline", ...rounds(0.7, 7))),
    bench("append-1-busy-spin", ...append(1, "--busy", "1", "--completion", "spin", "--compare", "baseline", ...rounds(0.7, 7))),
    bench("latency", "latency", "--records", size("10000", "200"), ...repeated(5), ...space),
    bench("enqueue-100b", "enqueue", "--bytes", "100", "--records", size("1000000", "5000"), ...repeated(5), ...space),
    bench("enqueue-1k", "enqueue", "--bytes", "1024", "--records", size("300000", "5000"), ...repeated(5), ...space),
    bench("batch", "batch", ...rounds(1, 5), ...log),
    bench("producers", "producers", ...rounds(0.7, 5), ...log),
    bench("atomic", "atomic", ...rounds(0.5, 3), ...log),
    bench("partitions", "partitions", "--partitions", size("1,1000,100000", "1,50"), ...rounds(1, 3), ...log),
    bench("threads", "threads", ...rounds(0.7, 5), ...log),
    bench("threads-sqpoll", "threads", "--sqpoll", "--backend", "uring", ...rounds(0.7, 3), ...log),
    bench("lanes", "lanes", ...rounds(0.7, 5), ...log),
    bench("open", "open", "--partitions", size("1000,100000", "10,1000"), "--bytes", size("256MiB", "1MiB"), ...repeated(3), ...space),
    bench("tailers", "tailers", "--tailers", size("1,100,1000", "1,10"), ...rounds(1, 3), ...space),
    bench("reclaim", "reclaim", "--patterns", size("lifetimes,at-random", "at-random"), ...rounds(1, 3), ...(isQuick ? ["--live", "4MiB"] : [])),
    bench("modes", "modes", ...rounds(0.5, 5), ...log),
    bench("storage", "storage", ...rounds(0.5, 3), "--file-bytes", size("64MiB", "1MiB")),
    bench("read", "read", "--bytes", size("256MiB", "2MiB"), ...rounds(0.7, 5), ...space),
    bench("transactions", "transactions", ...rounds(1, 5), ...log),
    bench("syscalls", "syscalls", ...rounds(2, 3), ...space),
    bench("fio", "fio", "--bytes", size("512MiB", "16MiB"), ...rounds(1, 3), ...space),
    bench("recover", "recover", "--bytes", size("512MiB", "2MiB"), "--sealed-bytes", size("64MiB", "2MiB"), ...repeated(5)),
    bench("recover-10g", "recover", "--bytes", size("10GiB", "12MiB"), "--segment-bytes", size("100MiB", "1MiB"), "--sealed-bytes", "1MiB", "--damage", ...repeated(3)),
    bench("soak", "soak", "--seconds", size("60", "1"), ...space),
    bench("soak-thread", "soak", "--lane", "thread", "--seconds", size("30", "1"), ...space),
    bench("soak-stall", "soak", "--stall", size("8", "0.5"), "--seconds", size("30", "2"), "--segment-bytes", size("16MiB", "4MiB")),
    { name: "peers", program: "peers", args: rounds(0.5, 3), secondsMax: 420 },
  ];
}
