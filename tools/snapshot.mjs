// Python's memory after the simulator was imported, for the site: node tools/snapshot.mjs PYODIDE LABS.zip OUT
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, labs, out] = process.argv.slice(2).map((each) => path.resolve(each));
const { loadPyodide } = await import(pathToFileURL(path.join(folder, "pyodide.mjs")).href);
const options = { indexURL: folder + path.sep };
const python = await loadPyodide({ ...options, _makeSnapshot: true });
python.FS.mkdirTree("/labs");
python.unpackArchive(new Uint8Array(fs.readFileSync(labs)), "zip", { extractDir: "/labs" });
python.runPython(`
import gc, sys
sys.path.insert(0, "/labs")
import widgets.web.live
gc.collect()
`);
const memory = python.makeMemorySnapshot();
try {
  await loadPyodide({ ...options, _loadSnapshot: memory });
} catch (error) {
  // Pyodide begins with 31.4 MB; what has grown beyond that does not fit in again.
  console.error(`Python's memory after the import, ${(memory.length / 1e6).toFixed(1)} MB, cannot be loaded again: ${error.message}`);
  process.exit(1);
}
fs.writeFileSync(out, memory);
