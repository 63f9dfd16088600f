// SPDX-License-Identifier: Apache-2.0
// Logits of a real classifier on files of Debian's packages: the network of Visual Studio Code that tells 54 languages
// of source code apart (npm: @vscode/vscode-languagedetection, MIT).
//
//   npm pack @vscode/vscode-languagedetection@1.0.23 && tar -xzf vscode-vscode-languagedetection-1.0.23.tgz
//   node collect.mjs package OUT
//
// Into OUT: logits.npy float32 [N, 54] and labels.npy int64 [N] of files whose language their name tells, unknown.npy
// [M, 54] of files of no language that it knows, classes.txt, and files.tsv, which says which file each row is.
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [packageFolder, out] = process.argv.slice(2);
const MOST_PER_CLASS = 200;
const LEAST_BYTES = 200; // of a file, and it is cut to the network's 100,000
const MOST_PER_FOLDER = 4; // files that lie together are alike

// The language of a file, by its extension. `.h` and `.m` would be ambiguous; Linux's own headers are C.
const KNOWN = {
  py: "py", pyi: "py", pl: "pm", pm: "pm", js: "js", mjs: "js", cjs: "js", ts: "ts", json: "json", c: "c",
  cpp: "cpp", hpp: "cpp", cc: "cpp", tcc: "cpp", ipp: "cpp", cmake: "cmake", css: "css", html: "html", xml: "xml",
  svg: "xml", yaml: "yaml", yml: "yaml", md: "md", php: "php", sql: "sql", sh: "sh", bash: "sh", pas: "pas", f90: "f90",
  csv: "csv", ini: "ini", toml: "toml", tex: "tex", sty: "tex", java: "java", lua: "lua", rb: "rb", rs: "rs", go: "go",
  bat: "bat", ps1: "ps1", hs: "hs", ml: "ml", r: "r", lisp: "lisp", el: "lisp", erl: "erl", asm: "asm", s: "asm",
};
// Of none of the 54: other languages, other texts.
const UNKNOWN = { vim: "vim", rst: "rst", adb: "ada", ads: "ada", tcl: "tcl", m4: "m4", tmac: "troff", td: "tablegen",
  bib: "bib", po: "po", desktop: "desktop", txt: "text", mod: "mod", awk: "awk", sed: "sed", ps: "postscript",
  msg: "messages", log: "log", afm: "metrics", pem: "pem", crt: "pem" };

function kindOf(file) {
  const name = path.basename(file);
  const extension = path.extname(name).slice(1).toLowerCase();
  if (name === "CMakeLists.txt") return { known: "cmake" };
  if (name === "Makefile") return { known: "makefile" };
  if (name === "copyright" || file.includes("/common-licenses/")) return { unknown: "license" };
  if (file.startsWith("/usr/share/dict/")) return { unknown: "words" };
  if (extension === "h" && /^\/usr\/(include|src)\/(linux|asm|asm-generic|x86_64-linux-gnu\/asm)/.test(file)) {
    return { known: "c" };
  }
  if (/^\/usr\/include\/c\+\+\/\d+\/[a-z_]+$/.test(file)) return { known: "cpp" };
  if (extension in KNOWN) return { known: KNOWN[extension] };
  if (extension in UNKNOWN) return { unknown: UNKNOWN[extension] };
  return {};
}

/** The files of Debian's packages under /usr, those of other publishers' left out. */
function* filesOfPackages() {
  const lists = "/var/lib/dpkg/info";
  for (const list of readdirSync(lists).filter((name) => name.endsWith(".list")).sort()) {
    for (const file of readFileSync(path.join(lists, list), "utf8").split("\n")) {
      if (file.startsWith("/usr/") && !file.startsWith("/usr/lib/google-cloud-sdk/")) yield file;
    }
  }
}

const hash = (text) => createHash("sha256").update(text).digest("hex");

/** For each kind, at most MOST_PER_CLASS files, in the order of their names' hashes: no two are equal. */
function choose() {
  const byKind = new Map();
  for (const file of filesOfPackages()) {
    const { known, unknown } = kindOf(file);
    const kind = known ?? (unknown && `-${unknown}`);
    if (kind === undefined) continue;
    if (!byKind.has(kind)) byKind.set(kind, []);
    byKind.get(kind).push([hash(file), file]);
  }
  const chosen = [];
  for (const kind of [...byKind.keys()].sort()) {
    const seen = new Set();
    const inFolder = new Map();
    for (const [, file] of byKind.get(kind).sort()) {
      if (seen.size === MOST_PER_CLASS) break;
      const folder = path.dirname(file);
      const neighbors = inFolder.get(folder) ?? 0;
      if (neighbors === MOST_PER_FOLDER || !lstatSync(file, { throwIfNoEntry: false })?.isFile()) continue;
      const bytes = readFileSync(file);
      const text = bytes.toString("utf8");
      if (bytes.length < LEAST_BYTES || text.includes("\0") || text.includes("\ufffd")) continue; // no text, or no UTF-8
      if (seen.has(hash(bytes))) continue;
      seen.add(hash(bytes));
      inFolder.set(folder, neighbors + 1);
      chosen.push({ kind, file, text });
    }
  }
  return chosen;
}

/** The network with its last node, the softmax, turned into the identity: confidences are logits. */
function network() {
  const require = createRequire(import.meta.url);
  const { ModelOperations } = require(path.resolve(packageFolder, "dist/lib/index.js"));
  const model = JSON.parse(readFileSync(path.join(packageFolder, "model/model.json"), "utf8"));
  const last = model.modelTopology.node.find((node) => node.name === "head/predictions/probabilities");
  last.op = "Identity";
  return new ModelOperations({ modelJsonLoaderFunc: async () => model });
}

function writeNpy(name, values, shape) {
  const type = values instanceof Float32Array ? "<f4" : "<i8";
  let header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const begin = Buffer.alloc(10);
  begin.write("\x93NUMPY\x01\x00", "latin1");
  begin.writeUInt16LE(header.length, 8);
  writeFileSync(path.join(out, name), Buffer.concat([begin, Buffer.from(header), Buffer.from(values.buffer)]));
}

mkdirSync(out, { recursive: true });
const model = network();
let classes = [];
const rows = { known: [], unknown: [] };
const labels = [];
const lines = [];
for (const { kind, file, text } of choose()) {
  const results = await model.runModel(text);
  const logits = new Map(results.map(({ languageId, confidence }) => [languageId, confidence]));
  classes = [...logits.keys()].sort();
  const side = kind.startsWith("-") ? "unknown" : "known";
  if (side === "known") labels.push(BigInt(classes.indexOf(kind)));
  rows[side].push(classes.map((name) => logits.get(name)));
  lines.push([side, kind.replace("-", ""), results[0].languageId, file].join("\t"));
}
writeNpy("logits.npy", Float32Array.from(rows.known.flat()), [rows.known.length, classes.length]);
writeNpy("labels.npy", BigInt64Array.from(labels), [labels.length]);
writeNpy("unknown.npy", Float32Array.from(rows.unknown.flat()), [rows.unknown.length, classes.length]);
writeFileSync(path.join(out, "classes.txt"), classes.join("\n") + "\n");
writeFileSync(path.join(out, "files.tsv"), lines.join("\n") + "\n");
console.log(`${rows.known.length} files of ${new Set(labels).size} languages, ${rows.unknown.length} of none that it knows`);
