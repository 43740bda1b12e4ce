// A panel on a page with no Jupyter. Its steps come from a history in the page, or from Python in a worker.
// One classic script, so that a page opened from a disk works, too.
"use strict";
(() => {

const read = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* storage is off: nothing is kept */ } };
const embedded = new URLSearchParams(location.search).has("embed");
const short = (text) => (text.length > 40 ? `${text.slice(0, 40)}\u2026` : text);

// What a link asks for: #kernel=v4.3&step=2; some programs encode all of it.
function asked(hash) {
  let text = hash.slice(1);
  if (!text.includes("=")) try { text = decodeURIComponent(text); } catch { /* then it asks for nothing */ }
  return new URLSearchParams(text);
}

// The history that a page holds. Both sources are asked with `do` and answer by calling `page.show`.
class Recorded {
  constructor(data, page) {
    this.data = data;
    this.page = page;
    this.kernel = this.find(data.start.kernel);
    this.step = 0;
  }

  find(name) { return this.data.kernels.find((kernel) => kernel.name === name); }
  get last() { return this.kernel.frames.length - 1; }

  view() {
    const shown = {};
    this.data.slots.forEach((slot, n) => { shown[slot] = this.data.texts[this.kernel.frames[this.step][n]]; });
    return { shown, kernel: this.kernel.name, summary: this.kernel.summary, step: this.step, length: this.last,
             stuck: this.step === this.last, running: false, listing: this.data.listing };
  }

  do(verb, value) {
    if (verb === "kernel" && this.find(value)) this.kernel = this.find(value);
    const to = { start: 0, back: this.step - 1, step: this.step + 1, run: this.last, goto: Number(value), reach: Number(value) }[verb] ?? this.step;
    this.step = Math.max(0, Math.min(to, this.last));
    this.page.show(this.view());
  }
}

// Python in a worker, from where the reader stands.
class Live {
  constructor(base, page, start) {
    this.worker = new Worker(base + "worker.js", { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if (data.view) page.show(data.view);
      else if (data.said) page.say(data.said);
      else if (data.kernels) page.goLive(this, data.kernels);
      else if (data.error) page.fail(data.error);
      else page.progress(data.progress, data.words, data.whole);
    };
    this.worker.onerror = () => page.fail("Python did not start in this browser: this page's scripts could not be loaded.");
    this.worker.postMessage({ do: "open", ...start });
  }

  do(verb, value) { this.worker.postMessage({ do: verb, value: String(value ?? "") }); }
  end() { this.worker.terminate(); }
}

const all = [];

class Panel {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.name = root.dataset.panel;
    this.prefix = `web${all.length + 1}-`;
    root.innerHTML = this.own(root.innerHTML);
    this.source = new Recorded(data, this);
    this.together = root.dataset.together;
    this.slots = {};
    this.find(root);
    for (const [name, text] of [["tabindex", 0], ["role", "group"], ["aria-label", "program"]]) {
      this.slots.listing.setAttribute(name, text); // it scrolls, and has no buttons before Python is there
    }
    this.select = root.querySelector("select");
    this.range = root.querySelector("input[type=range]");
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("input", (event) => this.chosen(event));
    root.addEventListener("keydown", (event) => this.typed(event));
    root.classList.add("web-alive");
  }

  find(part) { for (const slot of part.querySelectorAll("[data-slot]")) this.slots[slot.dataset.slot] = slot; }

  async open() {
    await this.act("kernel", this.data.start.kernel);
    await this.act("reach", this.data.start.step, false);
  }

  own(text) { return text.replaceAll(this.data.prefix, this.prefix); }

  // #kernel=v4.3&step=2, on a page with several panels with &panel=NAME. A page in a page shows the panel of its link alone.
  async follow(hash) {
    const wanted = asked(hash);
    const name = wanted.get("panel");
    const there = !name || all.some((panel) => panel.name === name);
    const mine = there && name ? name === this.name : this.isFirst;
    this.root.hidden = embedded && !mine;
    if (mine && !there) this.say(`This link names a panel that is not on this page: ${short(name)}.`);
    else if (mine && (wanted.has("kernel") || wanted.has("step"))) {
      await this.goTo(wanted.get("kernel"), wanted.get("step"));
    }
  }

  async goTo(kernel, step) {
    const words = [];
    if (kernel !== null && ![...this.select.options].some((option) => option.value === kernel)) {
      words.push(`This link names a kernel that is not in the list: ${short(kernel)}.`);
    } else if (kernel !== null) await this.act("kernel", kernel);
    if (step !== null && !/^\d+$/.test(step)) words.push(`This link names a step that is not a number: ${short(step)}.`);
    else if (step !== null) {
      await this.act("reach", step);
      if (Number(step) > this.view.length) words.push(`This link names step ${short(step)}; there are ${this.view.length}.`);
    }
    if (words.length) this.say(words.join(" "));
    if (!this.isFirst) this.root.scrollIntoView({ block: "nearest" });
  }

  get isFirst() { return all[0] === this; }

  async act(verb, value, leads = true) {
    if (leads && ["start", "back", "step", "run", "goto", "reach"].includes(verb)) {
      for (const other of all) {
        if (other !== this && this.together && other.together === this.together) other.act(verb, value, false);
      }
    }
    await new Promise((shown) => {
      this.whenShown = shown;
      this.source.do(verb, value);
    });
  }

  say(words) { this.slots.status.textContent = words; }

  show(view) {
    this.view = view;
    this.list(view.listing);
    for (const [key, text] of Object.entries(view.shown)) this.fill(key, text);
    this.mark(JSON.parse(view.shown.marks));
    this.slots.summary.textContent = view.summary;
    if (!view.shown.event) this.slots.event.textContent = "";
    this.slots.position.textContent = `step ${view.step} of ${view.length}`;
    this.range.max = view.length;
    this.range.value = view.step;
    this.range.setAttribute("aria-valuetext", `step ${view.step} of ${view.length}`);
    if (this.select.value !== view.kernel) this.select.value = view.kernel;
    this.enable(view);
    this.whenShown?.();
  }

  // As board.js does it: "slot" is HTML, "slot.text" text, "slot@name" an attribute, "#id" the text in a drawing.
  fill(key, text) {
    const [slot, name] = key.split("@");
    if (key.startsWith("#")) {
      const place = this.root.querySelector(`#${CSS.escape(this.own(key.slice(1)))} text`);
      if (place) place.textContent = text;
    } else if (key.endsWith(".text")) {
      this.slots[key.slice(0, -5)].textContent = text;
    } else if (name) {
      this.slots[slot]?.setAttribute(name, text);
    } else if (this.slots[slot]?.tagName === "STYLE") {
      this.slots[slot].textContent = this.own(text);
    } else if (this.slots[slot] && this.slots[slot].told !== text) {
      this.slots[slot].innerHTML = this.slots[slot].told = text;
    }
  }

  enable(view) {
    const off = { start: !view.step, back: !view.step, step: view.stuck, run: view.stuck };
    for (const [verb, is] of Object.entries(off)) {
      this.button(verb).setAttribute("aria-disabled", is || view.running);
    }
    this.button("stop").hidden = !view.running;
  }

  button(verb) { return this.root.querySelector(`[data-do=${verb}]`); }

  list(listing) {
    const list = this.slots.listing;
    if (list.told === listing) return;
    list.innerHTML = list.told = listing;
    this.find(list);
  }

  mark(marks) {
    const list = this.slots.listing;
    for (const row of list.querySelectorAll("tr[data-slot]")) {
      row.className = marks[row.dataset.slot] ?? "";
      if (!row.classList.contains("sl-now")) { row.removeAttribute("aria-current"); continue; }
      row.setAttribute("aria-current", "step");
      const top = row.offsetTop;
      if (top < list.scrollTop + 20 || top > list.scrollTop + list.clientHeight - 40) list.scrollTop = top - 40;
    }
  }

  clicked(event) {
    const button = event.target.closest("[data-do]");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    const verb = button.dataset.do;
    if (verb === "event" && !this.isLive) this.slots.event.textContent = button.title;
    else if (verb === "link") this.copy();
    else if (verb === "python") this.fetchPython();
    else if (verb === "assemble") this.act(verb, this.field("source").value);
    else if (verb === "travel") this.act(verb, `run ${this.field("where").value}`);
    else this.act(verb, button.dataset.value);
  }

  field(name) { return this.root.querySelector(`[data-field=${name}]`); }

  chosen(event) {
    const { set } = event.target.dataset;
    if (set) this.act(set, event.target.value);
  }

  typed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const field = event.target;
    if (field.dataset.field === "where" && event.key === "Enter") this.act("travel", `run ${field.value}`);
    if (field.matches("textarea, select, input[type=text]")) return;
    if (event.key === "Home" && field === this.range) return;
    const button = this.root.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (button) { event.preventDefault(); button.click(); }
  }

  get link() {
    const several = all.length > 1 ? `panel=${this.name}&` : "";
    return `${location.href.split("#")[0]}#${several}kernel=${this.view.kernel}&step=${this.view.step}`;
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.link);
      this.slots.event.textContent = "The link to this step is on the clipboard.";
    } catch {
      history.replaceState(null, "", `#${this.link.split("#")[1]}`); // not followed: we are there
      this.slots.event.textContent = `The link to this step: ${this.link}`;
    }
  }

  fetchPython() {
    if (typeof WebAssembly === "undefined") {
      this.slots["progress-words"].textContent = "This browser has no WebAssembly, so Python cannot run in it; the steps above go on.";
      return;
    }
    if (this.coming) { this.fail("Python is not fetched any more."); return; }
    this.progress(0, "Python is loading");
    this.slots.progress.hidden = false;
    this.button("python").textContent = "Cancel";
    const { kernel, step } = this.view;
    try {
      this.coming = new Live(base, this, { source: this.data.source, kernel, step });
    } catch { // a page that was opened from a disk may start no worker
      this.fail("Python cannot be started from here: it needs this page to come from a web server.");
    }
  }

  progress(part, words, whole = false) {
    const say = (now) => { this.slots["progress-words"].textContent = now; };
    this.slots.progress.value = part;
    say(words);
    clearTimeout(this.patience);
    const stalled = `${words}. Nothing has come for ten seconds: is the network on? It goes on by itself when something comes.`;
    if (!whole) this.patience = setTimeout(say, 10_000, stalled);
  }

  get isLive() { return this.source instanceof Live; }

  goLive(live, kernels) {
    clearTimeout(this.patience);
    this.coming = null;
    this.source = live;
    this.select.replaceChildren(...kernels.map(([name, title]) => new Option(title, name)));
    this.slots.python.hidden = true;
    this.slots.editor.hidden = false;
    this.field("source").value = this.data.source;
  }

  fail(error) {
    if (this.isLive) { this.say(error); return; }
    clearTimeout(this.patience);
    this.coming?.end();
    this.coming = null;
    this.button("python").textContent = "Fetch Python";
    this.slots.progress.hidden = true;
    this.slots["progress-words"].textContent = `${error.replace(/([^.?!])$/, "$1.")} The steps above go on.`;
  }
}

// A prediction: every answer has its response; what was chosen is kept in this browser.
function question(field) {
  const key = `step-labs:${location.pathname}:${field.dataset.question}`;
  const said = JSON.parse(field.querySelector("script").textContent);
  const show = (n) => { field.querySelector("[data-slot=response]").innerHTML = said[n]; };
  field.addEventListener("change", (event) => { show(event.target.value); keep(key, event.target.value); });
  // What was clicked before this script was there counts, too.
  field.querySelector(".web-unscripted").remove();
  const radio = field.querySelector("input:checked") ?? field.querySelector(`input[value="${CSS.escape(read(key) ?? "")}"]`);
  if (radio) { radio.checked = true; show(radio.value); }
}

const base = document.currentScript.src.replace(/[^/]*$/, "");
document.documentElement.classList.toggle("web-embed", embedded);
const follow = async () => { for (const panel of all) await panel.follow(location.hash); };
addEventListener("DOMContentLoaded", async () => {
  document.querySelectorAll("[data-question]").forEach(question);
  for (const root of document.querySelectorAll("[data-panel]")) {
    try {
      const panel = new Panel(root, JSON.parse(root.nextElementSibling.textContent));
      await panel.open();
      all.push(panel);
    } catch (error) { // its picture stays
      console.error(error);
      root.classList.remove("web-alive");
    }
  }
  await follow();
  for (const panel of all) panel.root.dataset.ready = "";
  addEventListener("hashchange", follow);
});

})();
