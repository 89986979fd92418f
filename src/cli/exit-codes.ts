// Exit codes of every command, as `--help` documents them.

export const exitCode = {
  ok: 0,
  /** The log says no: damage, or records that are not there. */
  refused: 1,
  /** Usage, or an environment that does not do what was asked. */
  failed: 2,
  /** 128 + SIGINT. */
  interrupted: 130,
  /** 128 + SIGTERM. */
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

export const exitCodeHelp = `
Exit codes:
  0    done
  1    the log says no: it is damaged, or the records are not there
  2    wrong usage, or something outside the log failed (files, disk, permissions, a lock)
  130  interrupted (Ctrl-C); 143 when terminated`;

/** What a command tells its caller. */
export interface Outcome {
  code: ExitCode;
}
