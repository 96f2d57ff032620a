// Builds the page into one file without any reference to another: `npm ci && npm run build`, in this folder. With
// `--check`, fails if the file that is committed is not what the sources give.
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const target = new URL("../qiskit_functions_mcp/ui/page.html", import.meta.url);
// Hosts load it in a frame for each call, and some over a network.
const MOST_GZIPPED = 150_000;

const bundle = async (entry) => {
  const { outputFiles } = await build({
    entryPoints: [new URL(entry, import.meta.url).pathname],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "inline",
  });
  return outputFiles[0].text;
};

const licence = await readFile(new URL("node_modules/preact/LICENSE", import.meta.url), "utf8");
const script = await bundle("src/main.jsx");
const style = await bundle("src/page.css");
if (/<\/(script|style)/i.test(script + style)) throw new Error("the bundle would end its own element");
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Qiskit Functions job</title>
<!--
Built from server/page/ of qiskit-functions-mcp, which has the licence Apache-2.0. It contains Preact:

${licence.trim()}
-->
<style>${style.trim()}</style>
</head>
<body>
<main id="page"></main>
<script>${script.trim()}</script>
</body>
</html>
`;
const size = gzipSync(page, { level: 9 }).length;
if (size > MOST_GZIPPED) throw new Error(`the page has ${size} bytes gzipped, and may have ${MOST_GZIPPED}`);
if (process.argv.includes("--check")) {
  if ((await readFile(target, "utf8")) !== page) {
    console.error("page.html is not what server/page/ gives: run `npm ci && npm run build` there, and commit it");
    process.exit(1);
  }
} else {
  await writeFile(target, page);
}
console.log(`page.html: ${page.length} characters, ${size} bytes gzipped`);
