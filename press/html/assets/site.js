// The page's controls: light and dark, the sidebar on small screens, where you are on the page, copying code.
"use strict";

(() => {
  const body = document.body;
  const byId = (id) => document.getElementById(id);

  // Light and dark: the reader's choice is remembered; without one the page follows the system.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("press-theme"); } catch { return null; } };
  const show = (dark) => {
    body.classList.toggle("quarto-dark", dark);
    body.classList.toggle("quarto-light", !dark);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    byId("theme-button").setAttribute("aria-pressed", dark);
  };
  show(body.classList.contains("quarto-dark"));
  byId("theme-button").addEventListener("click", () => {
    const dark = !body.classList.contains("quarto-dark");
    try { localStorage.setItem("press-theme", dark ? "dark" : "light"); } catch { /* a private window */ }
    show(dark);
  });
  system.addEventListener("change", () => { if (!remembered()) show(system.matches); });
  addEventListener("storage", (event) => { if (event.key === "press-theme") show(event.newValue === "dark"); });

  // The sidebar is a drawer on small screens.
  const menu = byId("menu"), sidebar = byId("quarto-sidebar"), scrim = byId("scrim");
  const drawer = (open) => {
    sidebar.classList.toggle("open", open);
    scrim.hidden = !open;
    menu.setAttribute("aria-expanded", open);
    if (open) (sidebar.querySelector("[aria-current]") || sidebar.querySelector("a")).focus();
    else if (sidebar.contains(document.activeElement)) menu.focus();
  };
  const opened = () => sidebar.classList.contains("open");
  menu.addEventListener("click", () => drawer(!opened()));
  scrim.addEventListener("click", () => drawer(false));
  addEventListener("keydown", (event) => { if (event.key === "Escape" && opened()) drawer(false); });
  sidebar.addEventListener("focusout", (event) => {
    if (opened() && event.relatedTarget && !sidebar.contains(event.relatedTarget)) drawer(false);
  });
  const current = sidebar.querySelector("[aria-current]");
  if (current && matchMedia("(min-width: 60rem)").matches) {
    const pane = sidebar.parentElement, far = current.offsetTop - pane.clientHeight * 0.7;
    if (far > 0) pane.scrollTop = far;
  }

  // The contents of the page: beside the text on wide screens, folded above it on others.
  const contents = byId("quarto-margin-sidebar");
  if (contents) {
    const wide = matchMedia("(min-width: 80rem)");
    wide.addEventListener("change", () => { contents.open = wide.matches; });
    contents.querySelector("summary").addEventListener("click", (event) => { if (wide.matches) event.preventDefault(); });
    const links = [...contents.querySelectorAll("a")];
    links.forEach((link) => link.addEventListener("click", () => { if (!wide.matches) contents.open = false; }));
    const places = links.map((link) => byId(decodeURIComponent(link.hash.slice(1))));
    let waiting = false;
    const mark = () => {
      waiting = false;
      const line = Math.max(110, innerHeight * 0.25);
      let at = places.findLastIndex((place) => place && place.getBoundingClientRect().top < line);
      if (innerHeight + scrollY >= document.documentElement.scrollHeight - 2) at = links.length - 1;
      links.forEach((link, index) => {
        link.classList.toggle("active", index === at);
        if (index === at) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
      });
      if (at >= 0 && wide.matches) {
        const top = links[at].offsetTop;
        if (top < contents.scrollTop || top > contents.scrollTop + contents.clientHeight - 40) contents.scrollTop = top - 80;
      }
    };
    const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } };
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    mark();
  }

  // Headings link to themselves.
  document.querySelectorAll("main section[id] > :is(h2, h3, h4, h5):first-child").forEach((heading) => {
    const link = document.createElement("a");
    link.className = "anchorjs-link";
    link.href = "#" + heading.parentElement.id;
    link.textContent = "#";
    link.setAttribute("aria-label", "Link to this section");
    link.setAttribute("data-pagefind-ignore", "");
    heading.append(link);
  });

  // Code can be copied.
  document.querySelectorAll("main pre > code").forEach((code) => {
    if (code.matches(".cell-output > pre > code")) return; // what a cell printed
    const pre = code.parentElement, button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    const box = document.createElement("div");
    box.className = "code-box";
    pre.replaceWith(box);
    box.append(pre, button);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent.replace(/\n$/, ""));
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Press Ctrl-C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  });

  // On phones a figure can be seen as wide pages show it, which scrolls.
  document.querySelectorAll("main .quarto-float-fig :is(img, .drawing)").forEach((image) => {
    const box = document.createElement("div"), button = document.createElement("button");
    box.className = "figure-box";
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "Enlarge";
    button.setAttribute("data-pagefind-ignore", "");
    button.addEventListener("click", () => {
      const large = box.classList.toggle("large");
      button.textContent = large ? "Whole figure" : "Enlarge";
      reach();
    });
    image.replaceWith(box);
    box.append(image);
    box.after(button);
  });

  // Tables of prose are stacked on phones; their parts keep saying what they are.
  const roles = { table: "table", tbody: "rowgroup", thead: "rowgroup", tr: "row", th: "columnheader", td: "cell" };
  document.querySelectorAll('main table:has(col):not(:has([style*="right"], tr > :nth-child(5)))').forEach((table) => {
    [table, ...table.querySelectorAll("thead, tbody, tr, th, td")].forEach((part) => {
      part.setAttribute("role", roles[part.localName]);
    });
  });

  // What scrolls sideways can be reached and scrolled by keyboard.
  const reach = () => {
    document.querySelectorAll("span.too-wide").forEach((box) => box.replaceWith(...box.childNodes));
    document.querySelectorAll('main math[display="inline"]').forEach((formula) => {
      let room = formula.parentElement; // the nearest that is a block: cells of stacked tables are not
      while (getComputedStyle(room).display === "inline") room = room.parentElement;
      if (formula.closest(".math-scroll, pre") || formula.getBoundingClientRect().width <= room.clientWidth) return;
      const box = document.createElement("span");
      box.className = "math-scroll too-wide";
      formula.replaceWith(box);
      box.append(formula);
    });
    document.querySelectorAll(".table-scroll, .math-scroll, .figure-box, main pre").forEach((box) => {
      if (getComputedStyle(box).overflowX !== "visible" && box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
        const kind = box.matches(".table-scroll") ? "Table" : box.matches(".figure-box") ? "Figure" : "";
        const caption = kind === "Table" && box.closest("figure")?.querySelector("figcaption");
        const name = caption ? caption.textContent.match(/^\s*(\S+\s[A-Z\d][\d.]*\d)/)?.[1] ?? kind : kind; // "Table 4.2": each its own
        if (kind) {
          box.setAttribute("role", "region");
          box.setAttribute("aria-label", name + ", scrolls sideways");
        }
      } else ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
    });
  };
  reach();
  addEventListener("resize", reach);
  document.fonts.ready.then(reach);
  document.fonts.addEventListener("loadingdone", reach); // the font of formulas comes late

  // Printed pages show what is folded away.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    folded.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
})();
