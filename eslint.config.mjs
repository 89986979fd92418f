// Lint rules: what the compiler does not see. Formatting is not linted; .editorconfig holds what little there is.
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/** Calls of the test runner return promises that the runner itself awaits. */
const testRunnerCalls = [{ from: "package", package: "node:test", name: ["test", "it", "describe", "suite", "skip", "todo", "only"] }];

export default defineConfig(
  { ignores: ["dist/", "build/", "prebuilds/", "coverage/", "node_modules/"] },
  {
    files: ["src/**/*.ts", "test/**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-console": "error",
      "max-params": ["error", 5],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-exports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: testRunnerCalls }],
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/return-await": ["error", "error-handling-correctness-only"],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "none" }],
      // A contract may be asynchronous where one of its implementations has nothing to await.
      "@typescript-eslint/require-await": "off",
      // Numbers and booleans in a message are what a reader wants; objects are still refused.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // `array[i] as number` says what noUncheckedIndexedAccess can't know; the rule would call some of them needless
      // for typed arrays and not for others.
      "@typescript-eslint/no-unnecessary-type-assertion": "off",
    },
  },
  { files: ["src/cli/**/*.ts"], rules: { "no-console": "off" } },
  { files: ["test/**/*.ts"], rules: { "no-console": "off", "@typescript-eslint/no-non-null-assertion": "off" } },
  {
    files: ["scripts/**/*.mjs", "*.mjs"],
    extends: [tseslint.configs.base],
    rules: { eqeqeq: "error", "no-var": "error", "prefer-const": "error", "@typescript-eslint/no-unused-vars": "error" },
  },
);
