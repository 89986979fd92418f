// What a backend can use for its writes: each with whether it does here, how, and why or why not. The one table of it:
// `log.info.features` is these rows, `log.info.backendNotes` is them as sentences, and `ringwall doctor` prints them.

export type FeatureName =
  | "ring" | "SQPOLL" | "IOPOLL" | "SINGLE_ISSUER" | "COOP_TASKRUN" | "DEFER_TASKRUN"
  | "registered buffers" | "registered files" | "linked flush" | "vectored writes" | "blocks in flight" | "completion" | "direct I/O" | "flush";

export interface BackendFeature {
  readonly name: FeatureName;
  readonly isOn: boolean;
  /** How it is used, where there are several ways. */
  readonly detail?: string;
  /** Why it is off; where it is on, why so and not otherwise. */
  readonly reason?: string;
}

export const notWanted = "not wanted";

export function on(name: FeatureName, detail?: string, reason?: string): BackendFeature {
  return { name, isOn: true, ...(detail === undefined ? {} : { detail }), ...(reason === undefined ? {} : { reason }) };
}

export function off(name: FeatureName, reason: string): BackendFeature {
  return { name, isOn: false, reason };
}

/** In one line: "registered buffers: off: ENOMEM". */
export function noteOf({ name, isOn, detail, reason }: BackendFeature): string {
  return [name, isOn ? (detail ?? "on") : "off", ...(reason === undefined ? [] : [reason])].join(": ");
}

/** Adds what is new: some are known only once there was a file. */
export function learn(features: BackendFeature[], found: BackendFeature): void {
  const note = noteOf(found);
  if (!features.some((feature) => noteOf(feature) === note)) features.push(found);
}
