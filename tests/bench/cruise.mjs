// Runs dependency-cruiser over groups of files, each under the tsconfig.json that is nearest to it.
//
//     node cruise.mjs PLAN ANSWER
//
// PLAN: {tool, root, groups: [{files, config}], scripts}; `tool` is the folder that dependency-cruiser was
// installed into, `config` a tsconfig.json or jsconfig.json (relative to `root`) or null; with `scripts`,
// JavaScript is read by acorn, which knows AMD, and not by TypeScript's parser.
// ANSWER: {edges: [[importer, imported]], unresolved: [[importer, specifier]], unreadable: [file]}.
//
// dependency-cruiser takes `paths` relative to where it runs, so each group is given what TypeScript
// itself reads from the configuration and those that it extends, with absolute places.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [planFile, answerFile] = process.argv.slice(2).map((path) => resolve(path));
const plan = JSON.parse(readFileSync(planFile, "utf8"));
const root = resolve(plan.root);
const modules = join(plan.tool, "node_modules");
const load = (path) => import(pathToFileURL(join(modules, path)));
const { cruise } = await load("dependency-cruiser/src/main/index.mjs");
const { compile } = await load("svelte/src/compiler/index.js");
const { default: typescript } = await load("typescript/lib/typescript.js");
process.chdir(root);

const RESOLVE = {
  // what `depcruise --init` writes for a project of ES modules
  exportsFields: ["exports"],
  conditionNames: ["import", "require", "node", "default", "types"],
  mainFields: ["module", "main", "types", "typings"],
};

function parsed(config) {
  const { config: raw } = typescript.readConfigFile(config, typescript.sys.readFile);
  if (raw?.extends === "./.svelte-kit/tsconfig.json") makeSvelteKitConfig(dirname(config));
  return typescript.parseJsonConfigFileContent(raw ?? {}, typescript.sys, dirname(config), {}, config);
}

/** Write what `svelte-kit sync` would: the application's `$lib`. */
function makeSvelteKitConfig(folder) {
  const made = join(folder, ".svelte-kit", "tsconfig.json");
  if (existsSync(made)) return;
  mkdirSync(dirname(made), { recursive: true });
  const paths = { $lib: ["../src/lib"], "$lib/*": ["../src/lib/*"] };
  writeFileSync(made, JSON.stringify({ compilerOptions: { paths } }));
}

/** Return the absolute `paths` of a configuration, or of the first project that a solution file names. */
function pathsOf(config) {
  const own = parsed(config);
  const told = (options) => options.paths || options.baseUrl;
  const projects = told(own.options) ? [] : (own.projectReferences ?? []);
  const files = projects.map(({ path }) => (path.endsWith(".json") ? path : join(path, "tsconfig.json")));
  const all = [own, ...files.filter((file) => existsSync(file)).map(parsed)];
  const options = all.map((one) => one.options).find(told);
  if (!options) return null;
  const base = options.baseUrl ?? options.pathsBasePath;
  const paths = {};
  for (const [pattern, places] of Object.entries(options.paths ?? {})) {
    paths[pattern] = places.map((place) => resolve(base, place).slice(1));
  }
  // without a pattern of its own for all names, the resolver would try them from `/`, for ever
  paths["*"] ??= options.baseUrl ? [join(options.baseUrl, "*").slice(1)] : [];
  return paths;
}

function readable(file) {
  if (!file.endsWith(".svelte")) return true;
  try {
    compile(readFileSync(join(root, file), "utf8"), {});
    return true;
  } catch {
    return false;
  }
}

const answer = { edges: [], unresolved: [], unreadable: [] };
for (const [index, group] of plan.groups.entries()) {
  const files = group.files.filter(readable);
  answer.unreadable.push(...group.files.filter((file) => !files.includes(file)));
  if (!files.length) continue;
  const paths = group.config && pathsOf(join(root, group.config));
  let resolution = {};
  if (paths) {
    const fileName = join(dirname(planFile), `paths-${index}.json`);
    writeFileSync(fileName, JSON.stringify({ compilerOptions: { baseUrl: "/", paths } }));
    resolution = { tsConfig: fileName };
  }
  const options = {
    baseDir: root,
    tsPreCompilationDeps: !plan.scripts,
    doNotFollow: { path: "." },
    enhancedResolveOptions: RESOLVE,
  };
  const wanted = new Set(files);
  const transpile = { tsConfig: { options: paths ? { baseUrl: "/" } : {} } };
  const { output } = await cruise(files, options, resolution, transpile);
  for (const module of output.modules) {
    if (!wanted.has(module.source)) continue;
    for (const found of module.dependencies) {
      if (found.couldNotResolve) answer.unresolved.push([module.source, found.module]);
      else if (!found.coreModule) answer.edges.push([module.source, found.resolved]);
    }
  }
}
writeFileSync(answerFile, JSON.stringify(answer));
