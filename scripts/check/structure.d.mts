export interface StructureError {
  file: string;
  line: number;
  message: string;
}

export interface StructureResult {
  name: string;
  count: number;
  unit: string;
  errors: StructureError[];
  note?: string;
  seconds: number;
}

export function checkStructure(root: string): StructureResult[];
