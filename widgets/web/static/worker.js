// Python for a page: fetched once, in a worker, so that a long run never stops the page.
const parts = [["pyodide/pyodide.asm.wasm", 0.62], ["pyodide/python_stdlib.zip", 0.18], ["labs.zip", 0.08]];
const here = new URL(".", import.meta.url).href;

async function fetched([name, weight], tell) {
  const answer = await fetch(here + name);
  if (!answer.ok) throw new Error(`${name} is missing on this site (${answer.status}).`);
  const whole = Number(answer.headers.get("content-length")) || 0;
  const chunks = [];
  let got = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    got += value.length;
    if (whole) tell(Math.min(1, got / whole) * weight, name);
  }
  tell(weight, name);
  return new Blob(chunks).arrayBuffer();
}

async function start() {
  const so_far = {};
  const tell = (part, name) => {
    so_far[name] = part;
    const sum = Object.values(so_far).reduce((a, b) => a + b, 0);
    postMessage({ progress: sum, words: `Python is loading: ${Math.round(sum * 100)} %` });
  };
  const loaded = Promise.all(parts.map((part) => fetched(part, tell)));
  const { loadPyodide } = await import(here + "pyodide/pyodide.mjs");
  const [wasm, stdlib, labs] = await loaded;
  // What is loaded already is not fetched again.
  const held = new Map([["pyodide.asm.wasm", [wasm, "application/wasm"]], ["python_stdlib.zip", [stdlib, "application/zip"]]]);
  const ask = self.fetch;
  self.fetch = (what, options) => {
    const [body, type] = held.get(String(what.url ?? what).split("/").pop()) ?? [];
    return body ? Promise.resolve(new Response(body, { headers: { "content-type": type } })) : ask(what, options);
  };
  const python = await loadPyodide({ indexURL: here + "pyodide/" });
  self.fetch = ask;
  postMessage({ progress: 0.95, words: "Python starts" });
  python.FS.mkdirTree("/labs");
  python.unpackArchive(labs, "zip", { extractDir: "/labs" });
  return python.runPython("import sys; sys.path.insert(0, '/labs')\nfrom widgets.web.live import answer\nanswer");
}

let python = null;
let last = Promise.resolve();
onmessage = ({ data }) => {
  last = last.then(async () => {
    try {
      python ??= start();
      postMessage(JSON.parse((await python)(JSON.stringify(data))));
    } catch (error) {
      python = null;
      const words = String(error.message ?? error).trim().split("\n").pop();
      postMessage({ error: `Python did not do this: ${words}` });
    }
  });
};
