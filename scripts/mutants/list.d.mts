export interface Catcher {
  seeds?: number;
  from?: number;
  test?: string;
  name?: string;
  env?: Record<string, string>;
  hangs?: boolean;
  millisMax?: number;
}

export interface Mutant {
  name: string;
  breaks: string;
  edits: { file: string; find: string; replace: string }[];
  catchers: Catcher[];
}

export const mutants: Mutant[];
