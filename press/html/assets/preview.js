// What a reference, citation or footnote points at, shown beside it: on hover, on focus, and on the first tap.
"use strict";

(() => {
  const LINKS = "main a.quarto-xref, main a[role=doc-biblioref], main a.footnote-ref";
  const WAIT = 220, LINGER = 260; // milliseconds
  const pages = new Map(); // address -> promise of a document
  let box = null, owner = null, timer = 0, pointer = "mouse";

  const load = (url) => {
    if (url.pathname === location.pathname) return Promise.resolve(document);
    if (url.origin !== location.origin || !url.protocol.startsWith("http")) return Promise.resolve(null);
    if (!pages.has(url.pathname)) {
      pages.set(url.pathname, fetch(url.pathname)
        .then((answer) => (answer.ok ? answer.text() : ""))
        .then((text) => (text ? new DOMParser().parseFromString(text, "text/html") : null))
        .catch(() => null));
    }
    return pages.get(url.pathname);
  };

  // The part of the page that says enough: a whole figure, an equation, the beginning of a section.
  const excerpt = (page, hash) => {
    const id = decodeURIComponent(hash.slice(1));
    const target = id ? page.getElementById(id) : page.querySelector("main h1");
    if (!target) return null;
    const heading = target.closest("h1");
    if (heading) {
      const title = page.createElement("h2");
      title.innerHTML = heading.innerHTML;
      return [title, page.querySelector("main > p, main > section > p")];
    }
    if (target.matches("section")) {
      return [target.querySelector("h2, h3, h4, h5"), target.querySelector(":scope > p")];
    }
    if (target.matches("tr, td, tr *")) return [target.closest("table")];
    return [target];
  };

  const copies = (nodes, base) => nodes.filter(Boolean).map((node) => {
    const copy = document.importNode(node, true);
    copy.querySelectorAll(".anchorjs-link, .footnote-back, .copy, script").forEach((extra) => extra.remove());
    [copy, ...copy.querySelectorAll("*")].filter((part) => !part.closest("svg")).forEach((part) => {
      part.removeAttribute("id");
      for (const name of ["src", "href"]) {
        if (part.hasAttribute(name)) part.setAttribute(name, new URL(part.getAttribute(name), base).href);
      }
    });
    if (!copy.matches("li")) return copy;
    const item = document.createElement("div");
    item.append(...copy.childNodes);
    return item;
  });

  const place = (link) => {
    const lines = link.getClientRects(), at = lines[0], width = box.offsetWidth, height = box.offsetHeight;
    const left = Math.max(12, Math.min(at.left + scrollX - 20, scrollX + document.documentElement.clientWidth - width - 12));
    const below = lines[lines.length - 1].bottom + 8, above = at.top - height - 8;
    const fits = below + height < innerHeight || above < 0;
    box.style.left = `${left}px`;
    box.style.top = `${(fits ? below : above) + scrollY}px`;
  };

  const hide = () => {
    clearTimeout(timer);
    box?.remove();
    owner?.removeAttribute("aria-describedby");
    box = owner = null;
  };

  const show = async (link, tapped = false) => {
    const url = new URL(link.href), page = await load(url);
    const nodes = page && excerpt(page, url.hash);
    if (!nodes || (!tapped && !link.matches(":hover, :focus"))) return false;
    hide();
    owner = link;
    box = document.createElement("div");
    box.id = "preview";
    box.className = "content";
    box.setAttribute("role", "tooltip");
    box.append(...copies(nodes, url));
    if (tapped) {
      const go = document.createElement("a");
      go.className = "go";
      go.href = link.href;
      go.textContent = "Go there";
      box.append(go);
    }
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", later);
    document.querySelector("main").append(box);
    link.setAttribute("aria-describedby", "preview");
    place(link);
    return true;
  };

  const later = () => { clearTimeout(timer); timer = setTimeout(hide, LINGER); };
  const linkOf = (event) => (event.target instanceof Element ? event.target.closest(LINKS) : null);

  document.addEventListener("pointerover", (event) => {
    const link = linkOf(event);
    if (!link || event.pointerType === "touch" || link.closest("#preview")) return;
    clearTimeout(timer);
    if (link !== owner) timer = setTimeout(() => show(link), WAIT);
  });
  document.addEventListener("pointerout", (event) => { if (linkOf(event) && event.pointerType !== "touch") later(); });
  document.addEventListener("pointerdown", (event) => {
    pointer = event.pointerType;
    if (box && !box.contains(event.target) && linkOf(event) !== owner) hide();
  });
  document.addEventListener("focusin", (event) => {
    const link = linkOf(event);
    if (link && link.matches(":focus-visible") && !link.closest("#preview")) show(link);
    else if (box && !box.contains(event.target)) hide();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("click", async (event) => {
    const link = linkOf(event);
    if (!link || pointer !== "touch" || link === owner || link.closest("#preview")) { if (link) hide(); return; }
    if (!location.protocol.startsWith("http") && new URL(link.href).pathname !== location.pathname) return;
    event.preventDefault();
    if (!(await show(link, true))) location.assign(link.href);
  });
  addEventListener("resize", hide);
})();
