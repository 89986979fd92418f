// What must be undone on every way out: mounts, loop devices, processes, files. Also on Ctrl-C and after a failure.

/** Newest first. */
const steps: (() => void)[] = [];
let installed = false;

/** Registers a step; the returned function takes it out again, once it has been done in the ordinary way. Steps must not wait. */
export function onTeardown(step: () => void): () => void {
  if (!installed) install();
  steps.unshift(step);
  return () => {
    const at = steps.indexOf(step);
    if (at >= 0) steps.splice(at, 1);
  };
}

function install(): void {
  installed = true;
  process.on("exit", () => {
    for (const step of steps.splice(0)) {
      try {
        step();
      } catch (error) {
        console.error(`while cleaning up: ${String(error)}`);
      }
    }
  });
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) process.on(signal, () => process.exit(code));
}
