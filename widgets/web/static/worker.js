// Python for a page: fetched once, in a worker, so that a long run never stops the page.
// What the site made is Python's memory after everything was imported; a browser that cannot take it starts from nothing.
const here = new URL(".", import.meta.url).href;
const MEMORY = "pyodide/memory.gz";
const weights = { "pyodide.asm.wasm": 0.4, "memory.gz": 0.4, "python_stdlib.zip": 0.1, "labs.zip": 0.05 };

const so_far = {};
function tell(name, part) {
  so_far[name] = part * (weights[name] ?? 0);
  const sum = Object.values(so_far).reduce((a, b) => a + b, 0);
  postMessage({ progress: sum, words: `Python is loading: ${Math.round(sum * 100)} %` });
}

// What did not come is said at once: not everybody who waits for a file hears of it. Memory alone can be done without.
function lacking(name, words) {
  if (!MEMORY.endsWith(name)) postMessage({ error: `${name} ${words}` });
  throw new Error(`${name} ${words}`);
}
self.onunhandledrejection = (event) => {
  event.preventDefault();
  postMessage({ error: refusal(event.reason) });
};

// Every file is counted while it passes: WebAssembly is compiled while it still comes in.
const ask = self.fetch;
self.fetch = async (what, options) => {
  const name = String(what.url ?? what).split("/").pop();
  const broken = () => lacking(name, "did not come: is the network on?");
  const answer = await ask(what, options).catch(broken);
  if (!answer.ok) lacking(name, answer.status === 404 ? "is missing on this site (404)." : `did not come (the server answers ${answer.status}).`);
  const whole = Number(answer.headers.get("content-length")) || 0;
  let got = 0;
  const counted = new TransformStream({
    transform(chunk, out) {
      got += chunk.length;
      if (whole) tell(name, Math.min(1, got / whole));
      out.enqueue(chunk);
    },
    flush() { tell(name, 1); },
  });
  early(answer.body.pipeTo(counted.writable).catch(broken));
  const type = name.endsWith(".wasm") ? "application/wasm" : answer.headers.get("content-type"); // not every server knows it
  return new Response(counted.readable, { headers: { "content-type": type } });
};

// Pyodide never goes on after this has failed.
const compile = WebAssembly.instantiateStreaming;
WebAssembly.instantiateStreaming = (...all) => {
  const made = compile(...all);
  made.catch((error) => postMessage({ error: refusal(error) }));
  return made;
};

async function memory() {
  const { body } = await fetch(here + MEMORY);
  return new Response(body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// Begun now and awaited later: a failure is met then, and not before.
function early(promise) {
  promise.catch(() => {});
  return promise;
}

async function boot() {
  const { loadPyodide } = await import(here + "pyodide/pyodide.mjs");
  const options = { indexURL: here + "pyodide/" };
  try {
    return await loadPyodide({ ...options, _loadSnapshot: early(memory()) });
  } catch {
    return loadPyodide(options);
  }
}

async function start() {
  const labs = early(fetch(here + "labs.zip").then((answer) => answer.arrayBuffer()));
  const python = await boot();
  postMessage({ progress: 0.97, words: "Python starts", whole: true });
  python.FS.mkdirTree("/labs");
  python.unpackArchive(await labs, "zip", { extractDir: "/labs" });
  return python.runPython("import sys\nif '/labs' not in sys.path: sys.path.insert(0, '/labs')\nfrom widgets.web.live import receive\nreceive");
}

function refusal(error) {
  const words = String(error?.message ?? error).trim().split("\n").pop();
  if (/import.*module|module.*import/i.test(words)) return "A part of Python did not come: is the network on?";
  if (/did not come|is missing/.test(words)) return words;
  return started ? `Python did not do this: ${words}` : `A part of Python came damaged (${words}): fetch it again later.`;
}

const post = (text) => postMessage(JSON.parse(text));
let python = null, started = false;
onmessage = async ({ data }) => {
  try {
    python ??= start();
    const receive = await python;
    started = true;
    receive(JSON.stringify(data), post);
  } catch (error) {
    python = null;
    postMessage({ error: refusal(error) });
  }
};
