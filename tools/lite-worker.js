// Goes before the worker in which JupyterLite's Python runs: a part of Python that does not come is asked for again,
// and the page says so meanwhile. What Python would make of a missing part is an error that names none of this.
(() => {
  const QUIET = 10_000, AGAIN = 5_000; // milliseconds
  const STALLED = "Nothing of Python has come for ten seconds: is the network on? It goes on by itself when something comes.";
  const ask = self.fetch;
  const lost = new Map(); // parts, and what the page says of them
  let open = 0, late = null, told = "";

  function tell(words) {
    if (words !== told) postMessage({ stepLabs: words });
    told = words;
  }

  function heard() {
    clearTimeout(late);
    late = open && setTimeout(() => tell(STALLED), QUIET);
    tell([...lost.values()][0] ?? "");
  }

  async function whole(what, { integrity, ...options }) {
    const answer = await ask(what, options);
    if (!answer.ok) throw new Error(`did not come (the server answers ${answer.status}).`);
    const parts = [], reader = answer.body.getReader();
    for (let read; !(read = await reader.read()).done; heard()) parts.push(read.value);
    const type = answer.url.endsWith(".wasm") ? "application/wasm" : ""; // not every server knows it
    const held = URL.createObjectURL(new Blob(parts, { type }));
    const checked = await ask(held, { integrity }).catch(() => { throw new Error("came damaged."); });
    URL.revokeObjectURL(held);
    return checked;
  }

  async function insist(what, options, name) {
    for (let cache = options.cache; ; cache = "reload") {
      open += 1;
      heard();
      const got = await whole(what, { ...options, cache }).catch((error) => error);
      open -= 1;
      if (got instanceof Response) lost.delete(name);
      else lost.set(name, `A part of Python, ${name}, ${got instanceof TypeError ? "did not come: is the network on?" : got.message} It is asked for again every five seconds.`);
      heard();
      if (got instanceof Response) return got;
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }

  self.fetch = (what, options = {}) => {
    const [, name] = /\/static\/pyodide\/([^?]+)/.exec(String(what.url ?? what)) ?? [];
    return name ? insist(what, options, name) : ask(what, options);
  };

  const compile = WebAssembly.instantiateStreaming; // Pyodide never goes on after this has failed
  WebAssembly.instantiateStreaming = (...all) => {
    const made = compile(...all);
    made.catch(() => {
      lost.set("", "Python came damaged: empty this browser's cache for this site, and reload this page.");
      heard();
    });
    return made;
  };
})();
