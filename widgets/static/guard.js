// One for a page. Keys that are pressed after a click in a widget of ours stay there: JupyterLab's one-letter shortcuts
// edit cells. A click that the kernel does not answer is answered here, with a sentence.

const ROOT = ".sl-guard";
const SILENT_AFTER = 3000, ASK_AFTER = 900; // milliseconds after a click
const RESTARTED = "The kernel was restarted or has ended: run this cell again, and the cells above it.";
const SILENT = "The kernel does not answer. If it is busy, wait; if it was restarted, run this cell again, and the cells above it.";
const NOT_STARTED = "This panel is from before: run this cell (Shift+Enter) to bring it to life.";

const page = (globalThis.aarch64StepLabs ??= {});
page.kernels ??= new Map();
page.pointedAt ??= null;
page.board ??= new Promise((give) => { page.giveBoard = give; });
page.giveBoard?.(board); // board.js stands above this text

const classAfter = (element, start) => [...element?.classList ?? []].find((name) => name.startsWith(start))?.slice(start.length);
const tokenOf = (root) => classAfter(root, "sl-of-") ?? "";
const rootsOf = (token) => document.querySelectorAll(`${ROOT}.sl-of-${CSS.escape(token)}`);

// ---- a kernel that does not answer

function complain(root, words) {
  root.classList.add("sl-silent");
  const around = root.parentElement?.closest(ROOT);
  if (around) return complain(around, words); // said once, at the top
  let note = root.querySelector(":scope > .sl-silence");
  if (!note) {
    note = document.createElement("p");
    note.className = "sl-silence";
    note.setAttribute("role", "alert");
    root.prepend(note);
  }
  if (note.textContent !== words) note.textContent = words;
}

// What stands in the notebook from before, saved with it, belongs to no kernel.
function greet(token) {
  if (!page.kernels.get(token)?.saved) return;
  for (const root of rootsOf(token)) complain(root, NOT_STARTED);
}

function forgive(token) {
  for (const root of rootsOf(token)) {
    root.classList.remove("sl-silent");
    root.querySelector(":scope > .sl-silence")?.remove();
  }
}

function ask(kernel) {
  try {
    kernel.model.send({ do: "ask" });
    return true;
  } catch {
    return false;
  }
}

page.heard = (token) => {
  const kernel = page.kernels.get(token);
  if (!kernel) return;
  kernel.heard = performance.now();
  if (kernel.silent) {
    kernel.silent = false;
    forgive(token);
  }
};

function expectAnswer(root) {
  const token = tokenOf(root), kernel = page.kernels.get(token);
  if (!kernel || kernel.gone) {
    complain(root, kernel && !kernel.saved ? RESTARTED : NOT_STARTED);
    return;
  }
  const clicked = performance.now();
  const unheard = () => kernel.heard < clicked;
  setTimeout(() => { if (unheard() && !ask(kernel)) complain(root, RESTARTED); }, ASK_AFTER);
  setTimeout(() => {
    if (!unheard() || kernel.gone) return;
    kernel.silent = true;
    complain(root, SILENT);
    const again = setInterval(() => {
      if (!kernel.silent || kernel.gone || !ask(kernel)) clearInterval(again);
    }, 2000);
  }, SILENT_AFTER);
}

function ended(token) {
  const kernel = page.kernels.get(token);
  kernel.gone = true;
  for (const root of rootsOf(token)) complain(root, RESTARTED);
}

// ---- a notebook that is saved

const namesIn = (value) => JSON.stringify(value)?.match(/[0-9a-f]{32}/g) ?? [];

// JupyterLab saves widgets whose kernel lives, and no others: one save after a restart, or of a notebook of yesterday,
// and every panel in it would be "model not found" from then on. Those that the outputs show are saved, too.
function saveShown(manager) {
  const { get_state_sync: save, _modelsSync: models, context } = manager ?? {};
  if (!save || !models || !context?.model?.toJSON || manager.savesShown) return;
  manager.savesShown = true;
  manager.get_state_sync = (options) => {
    const dead = [...models.values()].filter((model) => !model.comm_live);
    const kept = save.call(manager, options);
    if (!dead.length) return kept;
    for (const model of dead) model._comm_live = true; // by the setter all views would hear of it
    const all = save.call(manager, options).state;
    for (const model of dead) model._comm_live = false;
    const wanted = namesIn(context.model.toJSON().cells.map((cell) => cell.outputs));
    while (wanted.length) {
      const name = wanted.pop();
      if (!(name in all) || name in kept.state) continue;
      kept.state[name] = all[name];
      wanted.push(...namesIn(all[name]));
    }
    return kept;
  };
}

// ---- keys

const TYPED_INTO = "textarea, select, input:not([type=range], [type=radio], [type=checkbox], [type=button])";

function fromPage(target) { // the focus has fallen from a control of ours, that was taken away or disabled
  return page.pointedAt?.isConnected && !target.closest(ROOT)
    && (target === document.body || target.contains(page.pointedAt));
}

function press(root, event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches(TYPED_INTO)) return;
  const keys = root.querySelector("[data-keys]");
  const action = keys && JSON.parse(keys.dataset.keys)[event.key];
  const isHandle = event.target.matches("[role=slider]");
  if (!action || (isHandle && event.key === "Home")) return;
  event.preventDefault();
  if (isHandle && event.key === "End") event.stopPropagation(); // noUiSlider knows only the end that it began with
  request(keys, { do: action });
  expectAnswer(root);
}

// To the panel, through its status line.
function request(keys, detail) {
  keys.dispatchEvent(new CustomEvent("sl-key", { detail, bubbles: true }));
}

// A stock field holds back what is typed while the kernel has not answered, and a stock click overtakes it: here the
// click, or Enter in the field, brings along what the fields of its action say, in place of the stock message.
function bring(root, action, event) {
  const fields = action ? [...root.querySelectorAll(`.sl-in-${action}`)] : [];
  const keys = fields.length && root.querySelector("[data-keys]");
  if (!keys) return false;
  const value = fields.map((field) => field.querySelector("input, select, textarea").value).join(" ");
  event.preventDefault();
  event.stopImmediatePropagation();
  request(keys, { do: action, value });
  keepFocus(root);
  return true;
}

function onPress(event) {
  const root = event.target.closest?.(ROOT);
  const action = classAfter(event.target.closest?.("button:enabled"), "sl-do-");
  if (root && bring(root, action, event)) expectAnswer(root);
}

function onKey(event) {
  let root = event.target.closest?.(ROOT);
  if (!root && fromPage(event.target)) {
    root = page.pointedAt;
    focusRoot(root);
    event.stopImmediatePropagation();
    event.preventDefault();
  }
  if (!root) return;
  page.pointedAt = root;
  // Lumino looks at the element that has the key, and at no other. Save and the like are the notebook's.
  const ours = !(event.ctrlKey || event.metaKey || event.altKey) || event.key === "Enter";
  if (ours) event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  else event.target.removeAttribute("data-lm-suppress-shortcuts");
  press(root, event);
  if (event.key === "Enter" && !event.isComposing && event.target.matches?.("input")) {
    bring(root, classAfter(event.target.closest("[class*=sl-in-]"), "sl-in-"), event);
  }
  if (["Enter", " ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)
      && event.target.matches?.("button, input, [role=slider]") && !event.target.matches("summary")) {
    expectAnswer(root);
  }
}

function focusRoot(root) {
  if (!root.hasAttribute("tabindex")) root.tabIndex = -1;
  root.focus({ preventScroll: true });
}

function keepFocus(root) {
  if (root.isConnected && !root.contains(document.activeElement)) focusRoot(root);
}

function onPointer(event) {
  const root = event.target.closest?.(ROOT) ?? null;
  page.pointedAt = root;
  if (root && !root.hasAttribute("tabindex")) root.tabIndex = -1;
}

function onClick(event) {
  const root = event.target.closest?.(ROOT);
  if (!root) return;
  keepFocus(root);
  setTimeout(() => keepFocus(root)); // JupyterLab gives the focus to the cell
  if (event.target.closest("button, input[type=radio], [data-do], .noUi-target")) expectAnswer(root);
}

function onFocus(event) {
  const now = event.target;
  if (page.pointedAt && !page.pointedAt.contains(now) && !now.contains?.(page.pointedAt)) page.pointedAt = null;
}

if (!page.guarded) {
  page.guarded = true;
  window.addEventListener("keydown", onKey, true);
  window.addEventListener("pointerdown", onPointer, true);
  window.addEventListener("click", onPress, true);
  window.addEventListener("click", onClick);
  window.addEventListener("focusin", onFocus, true);
  window.addEventListener("change", (event) => {
    const root = event.target.closest?.(ROOT);
    if (root && event.target.matches("select, input, [data-set]")) expectAnswer(root);
  });
}

export default {
  async initialize({ model }) {
    const token = model.get("me");
    page.kernels.set(token, { model, heard: 0, gone: false, silent: false });
    model.on("msg:custom", () => page.heard(token));
    const real = await model.widget_manager?.get_model?.(token);
    const stock = real && Object.getPrototypeOf(Object.getPrototypeOf(real))._handle_comm_msg;
    if (real?.comm && stock) real.comm.on_msg(stock.bind(real)); // as in board.js
    saveShown(real?.widget_manager);
    if (real && !real.comm_live) {
      Object.assign(page.kernels.get(token), { gone: true, saved: true });
      for (const wait of [0, 500, 2000]) setTimeout(() => greet(token), wait);
    }
    real?.on("comm_live_update", () => { if (!real.comm_live) ended(token); });
    if (!page.kernels.get(token).saved) forgive(token);
  },
};
