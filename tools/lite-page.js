// For every page of JupyterLite: what keeps it from working is said in one sentence, above all else; and what was saved
// of a panel is shown.
(() => {
  const READ = "The labs can still be read, and their panels stepped, on the pages of the site.";
  const OFFLINE = "A part of JupyterLite did not come: is the network on? Reload this page when it is; what was saved is kept.";

  const FORGETFUL = "This browser offers no Service Worker here: the labs run and are saved, but a file that a cell writes is not kept.";

  function say(words) {
    document.querySelector("#step-labs-notice")?.remove();
    if (!words) return;
    const note = document.createElement("p");
    note.id = "step-labs-notice";
    note.setAttribute("role", "alert");
    note.textContent = words;
    note.style.cssText = "position:fixed;z-index:10000;inset:0 0 auto;margin:0;padding:12px 48px 12px 16px;"
      + "font:16px/1.5 system-ui,sans-serif;color:#1b1f24;background:#ffe9b8;border-bottom:2px solid #9a4b00";
    const close = document.createElement("button");
    close.textContent = "\u2715";
    close.setAttribute("aria-label", "close this notice");
    close.style.cssText = "position:absolute;top:8px;right:8px;min-width:32px;min-height:32px;font:inherit";
    close.onclick = () => note.remove();
    note.append(close);
    const show = () => document.body.append(note);
    if (document.body) show(); else addEventListener("DOMContentLoaded", show);
  }

  function isStored() {
    try {
      return Boolean(localStorage && indexedDB);
    } catch { // to ask is already forbidden
      return false;
    }
  }

  if (typeof WebAssembly === "undefined") say(`This browser has no WebAssembly, so Python cannot run in it. ${READ}`);
  else if (!isStored()) say(`This browser keeps nothing for this site, and JupyterLite cannot start without that: allow it to keep data. ${READ}`);
  else if (!navigator.serviceWorker) say(FORGETFUL);
  else {
    const { serviceWorker } = navigator, register = serviceWorker.register;
    serviceWorker.register = (...all) => {
      const made = register.apply(serviceWorker, all);
      made.catch(() => say(FORGETFUL));
      return made;
    };
  }
  addEventListener("error", (event) => { if (event.target.src || event.target.rel === "stylesheet") say(OFFLINE); }, true);
  addEventListener("unhandledrejection", ({ reason }) => {
    if (reason?.name === "ChunkLoadError" || /import.*module|module.*import/i.test(reason?.message ?? reason)) say(OFFLINE);
  });
  // The workers in which Python runs say what does not come (lite-worker.js), and that it has come.
  window.Worker = class extends Worker {
    constructor(...all) {
      super(...all);
      this.addEventListener("message", (event) => {
        if (event.data?.stepLabs === undefined) return;
        event.stopImmediatePropagation();
        say(event.data.stepLabs);
      });
    }
  };

  // JupyterLite's kernels have no answer to comm_info_request (seen in 0.8.6), and JupyterLab waits for one before it
  // shows the widgets that were saved: "Loading widget..." for good. A kernel is as old as its page, and has none yet.
  let app;
  Object.defineProperty(window, "jupyterapp", {
    configurable: true,
    get: () => app,
    set(made) {
      app = made;
      const { kernels } = app.serviceManager, connect = kernels.connectTo;
      kernels.connectTo = (...all) => Object.assign(connect.apply(kernels, all), {
        requestCommInfo: async () => ({ content: { status: "ok", comms: {} } }),
      });
    },
  });
})();
