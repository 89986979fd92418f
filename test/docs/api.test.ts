// docs/API.md against the package: every name that it exports, every member of those shapes, every option with its default and range.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { RingwallError } from "#src/base/errors.js";
import { type LogOptions, resolveOptions } from "#src/log/options.js";
import { root } from "./markdown.js";

const sections = new Map(
  readFileSync(path.join(root, "docs/API.md"), "utf8")
    .split(/^##+ /m)
    .map((section) => [section.slice(0, section.indexOf("\n")), section] as const),
);

/** Words in code: `log.write(items)` has log, write and items. */
function codeWords(text: string): Set<string> {
  return new Set([...text.matchAll(/`([^`\n]+)`/g)].flatMap(([, code]) => (code as string).match(/\w+/g) ?? []));
}

const words = [...sections.values()].map(codeWords);

interface Shape {
  readonly name: string;
  readonly members: readonly string[];
}

/** What the package exports, from its declarations as a user's compiler reads them. */
function exportedShapes(): Shape[] {
  const entry = path.join(root, "dist/index.d.ts");
  const program = ts.createProgram([entry], { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, strict: true, noEmit: true, types: ["node"], typeRoots: [path.join(root, "node_modules/@types")] });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source === undefined ? undefined : checker.getSymbolAtLocation(source);
  assert.ok(module !== undefined, "the package is built");
  return checker.getExportsOfModule(module).map((exported) => {
    const symbol = (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported);
    return { name: exported.name, members: [...new Set([...declaredMembers(checker, symbol), ...membersOfValue(checker, symbol)])] };
  });
}

/** Of an interface, a class or an alias of objects, the library's own alone: an error's `stack` is Node's. */
function declaredMembers(checker: ts.TypeChecker, symbol: ts.Symbol): string[] {
  if ((symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class | ts.SymbolFlags.TypeAlias)) === 0) return [];
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  return (type.isUnion() ? type.types : [type]).filter((part) => (part.flags & ts.TypeFlags.Object) !== 0).flatMap((part) => ownNames(checker.getPropertiesOfType(part)));
}

function membersOfValue(checker: ts.TypeChecker, symbol: ts.Symbol): string[] {
  const [declaration] = symbol.declarations?.filter(ts.isVariableDeclaration) ?? [];
  if (declaration === undefined) return [];
  const type = checker.getTypeOfSymbolAtLocation(symbol, declaration);
  return checker.isTupleType(type) || checker.isArrayType(type) ? [] : ownNames(checker.getPropertiesOfType(type));
}

function ownNames(properties: readonly ts.Symbol[]): string[] {
  const isOwn = (property: ts.Symbol): boolean => property.declarations?.some((declaration) => declaration.getSourceFile().fileName.startsWith(path.join(root, "dist/"))) === true;
  return properties.filter((property) => isOwn(property) && !property.name.startsWith("__@")).map(({ name }) => name);
}

const shapes = exportedShapes();

test("every exported name is there, and every member of its shape in a section that names it", () => {
  assert.ok(shapes.length > 30 && shapes.reduce((sum, { members }) => sum + members.length, 0) > 150, "the shapes are found");
  const missing = shapes.flatMap(({ name, members }) => {
    const places = words.filter((section) => section.has(name));
    return places.length === 0 ? [name] : members.filter((member) => !places.some((section) => section.has(member))).map((member) => `${name}.${member}`);
  });
  assert.deepEqual(missing, []);
});

test("every call that the tables begin with is one", () => {
  const owners = new Map(shapes.map(({ name, members }) => [name.toLowerCase(), members]));
  const calls = [...sections.values()].flatMap((section) => [...section.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell]) => [...(cell as string).matchAll(/`(\w+)\.(\w+)/g)]));
  assert.ok(calls.length > 30);
  assert.deepEqual(calls.filter(([, owner, member]) => owners.get((owner as string).toLowerCase())?.includes(member as string) !== true).map(([call]) => call), []);
});

interface Row {
  readonly option: string;
  readonly fallback: string;
  readonly from: string;
  readonly to: string;
}

function rows(heading: string): Row[] {
  const section = sections.get(heading);
  assert.ok(section !== undefined, heading);
  return section.split("\n").filter((line) => line.startsWith("| `")).map((line) => {
    const [, option = "", fallback = "", from = "", to = ""] = line.split("|").map((cell) => cell.trim());
    return { option: option.replaceAll("`", ""), fallback, from, to };
  });
}

/** "512 KiB", "8", "1.1". */
function quantity(text: string): number {
  const [, digits, unit] = /^([\d.]+)(?: ([KMGT]iB))?$/.exec(text) ?? [];
  assert.ok(digits !== undefined, `a quantity: ${text}`);
  return Number(digits) * 1024 ** ((unit === undefined ? -1 : ["KiB", "MiB", "GiB", "TiB"].indexOf(unit)) + 1);
}

/** Each table of options, how an option of it is given, and where its default stands in what is resolved. */
const tables = [
  { heading: "Options", given: (option: string, value: unknown): object => ({ [option]: value }), resolved: () => resolveOptions({}) as object },
  { heading: "Durability", given: (option: string, value: unknown): object => ({ durability: { mode: "interval", [option]: value } }), resolved: () => resolveOptions({ durability: { mode: "interval" } }).durability },
  { heading: "Reclaim", given: (option: string, value: unknown): object => ({ reclaim: { [option]: value } }), resolved: () => resolveOptions({}).reclaim as object },
  { heading: "sqpoll", given: (option: string, value: unknown): object => ({ sqpoll: { [option]: value } }), resolved: () => resolveOptions({ sqpoll: true }).sqpoll as object },
];

function isTaken(options: object): boolean {
  try {
    resolveOptions(options as LogOptions);
    return true;
  } catch (error) {
    assert.ok(error instanceof RingwallError && error.code === "RINGWALL_INVALID_OPTION");
    return false;
  }
}

for (const { heading, given, resolved } of tables) {
  test(`options under "${heading}": all that there are, with the defaults and the ranges that hold`, () => {
    const documented = rows(heading);
    assert.deepEqual(documented.map(({ option }) => option).sort(), knownBy(given).sort());
    for (const { option, fallback, from, to } of documented) {
      if (/^[\d.]/.test(fallback)) assert.equal((resolved() as Record<string, unknown>)[option], quantity(fallback), `default of ${option}`);
      for (const [bound, beyond] of [[from, -1], [to, 1]] as const) {
        if (bound === "") continue;
        const value = quantity(bound);
        assert.ok(isTaken(given(option, value)), `${option} takes ${bound}`);
        assert.ok(!isTaken(given(option, value + beyond)), `${option} takes no more than ${bound}`);
      }
    }
  });
}

/** The names that a refusal of an unknown one lists. */
function knownBy(given: (option: string, value: unknown) => object): string[] {
  try {
    resolveOptions(given("misspelt", 1) as LogOptions);
  } catch (error) {
    const [, names] = /Known are: (.*)\.$/.exec((error as Error).message) ?? [];
    if (names !== undefined) return names.split(", ");
  }
  throw new Error("an unknown option is not refused");
}
