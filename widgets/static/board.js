// A part of a page: HTML with named slots, filled by messages from the kernel, and controls that answer with messages.
// A message may be for other widgets, too: this one hands it on, so that a move is one message.
// The guard brings this text to the page, once; each board only asks for `board`.

function findSlots(root) {
  const slots = new Map();
  for (const element of root.querySelectorAll("[data-slot]")) {
    slots.set(element.dataset.slot, element);
  }
  return slots;
}

function setAttribute(element, name, value) {
  if (name === "value") {
    // What was told before is no news: what the learner has typed since stays.
    if (element.edited && element.told === String(value)) return;
    element.edited = false;
    element.told = String(value);
    if (element.value !== element.told) element.value = element.told;
  } else if (value === false) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value);
  }
}

class View {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.behind = true; // the observer calls when it is laid out: asking for its size now would lay the page out twice
    this.fill();
    new ResizeObserver(() => { if (this.behind) this.follow(); }).observe(root);
  }

  fill() {
    this.root.innerHTML = this.model.get("skeleton");
    this.slots = findSlots(this.root);
    this.show(this.model.get("shown"));
  }

  // The first message is shown at once, those that follow before the next frame together. Not across a new listing:
  // it makes its slots anew.
  showSoon(values) {
    if (this.waiting && "listing" in values) this.flush();
    if (this.waiting) {
      Object.assign(this.waiting, values);
      return;
    }
    this.show(values);
    if (document.hidden) return; // there are no frames
    this.waiting = {};
    requestAnimationFrame(() => this.flush());
  }

  flush() {
    const values = this.waiting;
    this.waiting = null;
    if (values) this.show(values);
  }

  show(values) {
    const entries = Object.entries(values);
    let remade = false;
    // Content first: it may bring the slots that the rest is about.
    for (const [key, value] of entries) {
      if (key.startsWith("#") || key.includes("@") || key.endsWith(".text")) continue;
      const element = this.slots.get(key);
      if (!element) continue;
      if (element.tagName === "STYLE") element.textContent = value;
      else {
        const focused = focusedIn(element);
        element.innerHTML = value;
        if (focused) element.querySelector(focused)?.focus({ preventScroll: true });
        if (/data-slot|<button|<input|<summary|tabindex/.test(value)) {
          remade = true;
        }
      }
    }
    if (remade) this.slots = new Map([...this.slots, ...findSlots(this.root)]);
    for (const [key, value] of entries) {
      if (key.startsWith("#")) {
        const text = this.root.querySelector(`#${CSS.escape(key.slice(1))} text`);
        if (text) text.textContent = value;
      } else if (key.endsWith(".text")) {
        const element = this.slots.get(key.slice(0, -5));
        if (element) element.textContent = value;
      } else if (key.includes("@")) {
        const [slot, name] = key.split("@");
        const element = this.slots.get(slot);
        if (element) setAttribute(element, name, value);
      }
    }
    for (const group of this.root.querySelectorAll("[data-group]")) openGroup(group);
    if (!this.behind) this.follow();
  }

  // A list that is not displayed, in a tab behind or a cell that JupyterLab has taken away, scrolls once it is back.
  follow() {
    this.behind = !this.root.clientWidth;
    if (this.behind) return;
    for (const now of this.root.querySelectorAll("[data-follow] .sl-now")) follow(now);
  }
}

// What has the focus inside an element that is about to be filled anew, as a selector; null if nothing has.
function focusedIn(element) {
  const focused = document.activeElement;
  if (!focused || focused === element || !element.contains(focused)) return null;
  const { do: action, value } = focused.dataset;
  if (action && value !== undefined) return `[data-do="${action}"][data-value="${CSS.escape(value)}"]`;
  const place = [...element.querySelectorAll(focused.tagName)].indexOf(focused);
  return element.children[place] === focused ? `${focused.tagName}:nth-child(${place + 1})` : null;
}

// Tab finds exactly one button of a group; where none is marked, the first that belongs to the current line.
function openGroup(group) {
  if (group.querySelector("button[tabindex='0']")) return;
  const first = group.querySelector(".sl-now button") || group.querySelector("button");
  if (first) first.tabIndex = 0;
}

// Scroll the list, not the page, so that the current line is to be seen.
function follow(line) {
  const box = line.closest("[data-follow]");
  const there = (line.querySelector("[aria-current]") || line).getBoundingClientRect();
  const top = there.top - box.getBoundingClientRect().top + box.scrollTop;
  const height = Math.min(there.height, box.clientHeight - 60);
  if (top < box.scrollTop + 20) box.scrollTop = Math.max(0, top - 40);
  else if (top + height > box.scrollTop + box.clientHeight - 20) {
    box.scrollTop = top + height - box.clientHeight + 40;
  }
}

function connect(model, root) {
  const send = (element, extra) => {
    const message = { do: element.dataset.do || element.dataset.set, ...extra };
    if (element.dataset.value !== undefined) message.value = element.dataset.value;
    model.send(message);
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button && button.getAttribute("aria-disabled") !== "true") send(button, {});
  });
  root.addEventListener("change", ({ target }) => {
    if (target.dataset.set) send(target, { value: target.value });
  });
  root.addEventListener("input", ({ target }) => { target.edited = true; });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || moveInGroup(event)) return;
    // A change event comes when the focus leaves; who writes a word and presses Enter wants to see it now.
    if (event.key === "Enter" && event.target.matches("input[data-set]")) send(event.target, { value: event.target.value });
  });
  root.addEventListener("sl-key", (event) => model.send(event.detail));
}

// A group of buttons is one stop for Tab; the arrow keys move inside it.
function moveInGroup(event) {
  const group = event.target.closest("[data-group]");
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!group || !by || event.target.tagName !== "BUTTON") return false;
  const buttons = [...group.querySelectorAll("button")].filter((each) => each.offsetParent); // shown
  const next = buttons[buttons.indexOf(event.target) + by];
  if (next) {
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }
  return true;
}

// Into another widget of the same panel, the ticks into the slider for instance, as soon as it is there.
function place(root) {
  const panel = root.closest(".sl-panel"), bar = root.closest(".sl-controls");
  for (const element of root.querySelectorAll("[data-into]")) {
    const place = bar?.querySelector(element.dataset.into);
    if (place && !place.querySelector(":scope > [data-into]")) place.append(element);
  }
  for (const element of panel?.querySelectorAll("[data-labels]") ?? []) {
    for (const [selector, label] of Object.entries(JSON.parse(element.dataset.labels))) {
      panel.querySelector(selector)?.setAttribute("aria-label", label);
    }
  }
}

const WIDE = 1150; // pixels of a panel that has room for one more column

// The status line tells the kernel whether its panel is wide: what has no room is not computed.
function watchWidth(model, panel, root) {
  if (!panel || panel.watched || !root.querySelector("[data-keys]")) return;
  panel.watched = true;
  let was = false;
  new ResizeObserver(() => {
    const is = panel.clientWidth >= WIDE;
    if (is !== was && panel.clientWidth) model.send({ do: "wide", value: is });
    if (panel.clientWidth) was = is;
  }).observe(panel);
}

// The status line tells the kernel that its panel is painted: what is folded need not come sooner.
function sayShown(model, root) {
  if (root.said || !root.querySelector("[data-keys]")) return;
  root.said = true;
  model.send({ do: "shown" });
}

function handOn(manager, { shows, states }) {
  for (const [id, show] of Object.entries(shows ?? {})) {
    manager.get_model(id).then((other) => other.trigger("msg:custom", { show }, []));
  }
  for (const [id, state] of Object.entries(states ?? {})) {
    manager.get_model(id).then((other) => setState(other, state));
  }
}

// A slider must never be told a value that is beyond its end: it would answer with another one.
function setState(other, { max, value, ...rest }) {
  const grows = max >= other.get("max");
  if (max !== undefined && value !== undefined) other.set_state(grows ? { max } : { value });
  const known = (name, what) => (what === undefined ? {} : { [name]: what });
  other.set_state({ ...known("max", max), ...known("value", value), ...rest });
}

const board = {
  async initialize({ model }) {
    model.on("msg:custom", (message) => {
      globalThis.aarch64StepLabs?.heard?.(model.get("guard"));
      // In place: a change event would make every view show everything again.
      if (message.show) Object.assign(model.get("shown"), message.show);
      if (message.shows || message.states) handOn(model.widget_manager, message);
    });
    // anywidget gives a model up after two seconds, and drops what the kernel says then: a slow machine needs longer.
    const real = await model.widget_manager?.get_model?.(model.get("me"));
    const stock = real && Object.getPrototypeOf(Object.getPrototypeOf(real))._handle_comm_msg;
    if (real?.comm && stock) real.comm.on_msg(stock.bind(real));
    model.send({ do: "ready" });
  },
  render({ model, el }) {
    const root = document.createElement("div");
    root.className = "sl-board";
    el.append(root);
    const view = new View(model, root);
    connect(model, root);
    for (const wait of [0, 50, 250, 1000]) {
      setTimeout(() => {
        if (!root.isConnected) return;
        watchWidth(model, root.closest(".sl-panel.jupyter-widgets"), root);
        if (!el.closest(".sl-guard")) el.classList.add("sl-guard", `sl-of-${model.get("guard")}`);
        place(root);
        greet(model.get("guard"));
        if (wait) sayShown(model, root);
      }, wait);
    }
    const onMessage = (message) => {
      if (message.show) view.showSoon(message.show);
      if (message.ask) model.send({ do: "here" });
    };
    const onChange = () => view.show(model.get("shown"));
    const onSkeleton = () => view.fill();
    model.on("msg:custom", onMessage);
    model.on("change:skeleton", onSkeleton);
    model.on("change:shown", onChange);
    return () => {
      model.off("msg:custom", onMessage);
      model.off("change:skeleton", onSkeleton);
      model.off("change:shown", onChange);
    };
  },
};
