// Search over the whole book. The index is loaded when the search is first opened.
"use strict";

(() => {
  const dialog = document.getElementById("search"), input = document.getElementById("search-input");
  const list = document.getElementById("search-results"), status = document.getElementById("search-status");
  const MOST = 30;
  let engine = null, asked = 0;

  const load = async () => {
    if (!location.protocol.startsWith("http")) {
      throw new Error("Search works when the site is served, not when a page is opened as a file.");
    }
    const root = new URL(document.body.dataset.root, location.href);
    const pagefind = await import(new URL("pagefind/pagefind.js", root).href).catch(() => null);
    if (!pagefind) throw new Error("The search index is missing from this copy of the site.");
    await pagefind.options({ baseUrl: root.pathname, excerptLength: 24 });
    return pagefind;
  };

  const open = () => {
    if (dialog.open) return;
    dialog.showModal();
    input.select();
    engine ??= load();
    engine.then(() => { status.textContent = ""; search(); }, (error) => { status.textContent = error.message; });
  };

  const entry = (url, title, excerpt, kind) => {
    const item = document.createElement("li"), link = document.createElement("a");
    const name = document.createElement("b"), words = document.createElement("span");
    link.href = url;
    link.className = kind;
    name.textContent = title;
    words.innerHTML = excerpt; // escaped by pagefind, apart from its own <mark>
    link.append(name, ...(excerpt ? [words] : []));
    item.append(link);
    return item;
  };

  // Pagefind shortens a word until something begins with it: more than an ending lost is another word, and fewer than four
  // letters left are none.  Of the pages that it finds those come first that have the words as they are typed, in the title,
  // side by side (the more often the better), or at least all of them; appendices, in which every word comes up, after the
  // chapters unless their title is meant.
  const bare = (words) => words.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
  const split = (words) => words.split(/\s+/).map(bare).filter(Boolean);
  const stem = (word) => word.slice(0, Math.max(4, word.length - 4));
  const wordsOf = (page) => bare(page.meta.title + page.content);
  const marks = (page) => [...page.excerpt.matchAll(/<mark>(.*?)<\/mark>/g)].map(([, mark]) => bare(mark));
  const rank = (page, words) => {
    const text = wordsOf(page), typed = bare(words), each = split(words);
    const has = (word) => text.includes(stem(word));
    if (!each.every((word) => has(word) || marks(page).some((mark) => mark.startsWith(word.slice(0, 4))))) return 0;
    if (!each.every(has)) return 1;
    if (bare(page.meta.title).includes(typed)) return 5;
    const times = text.split(typed).length - 1;
    if (times) return page.meta.appendix ? 2.5 : 4 + Math.min(times, 99) / 100;
    return each.every((word) => text.includes(word)) ? 3 : 2;
  };

  const search = async () => {
    const words = input.value.trim(), turn = ++asked;
    if (!words) { list.replaceChildren(); status.textContent = ""; return; }
    const pagefind = await engine;
    const found = await pagefind.search(words.replace(/_+/g, ""));
    const all = await Promise.all(found.results.slice(0, MOST).map((result) => result.data()));
    if (turn !== asked) return;
    const ranked = all.map((page) => [rank(page, words), page]).filter(([good]) => good);
    const pages = ranked.sort(([a], [b]) => b - a).map(([, page]) => page);
    list.replaceChildren(...pages.flatMap((page) => {
      const sections = page.sub_results.filter((part) => part.url.includes("#")).slice(0, 3);
      const whole = sections.length && page.sub_results[0].url.includes("#") ? "" : page.excerpt;
      return [
        entry(page.url, page.meta.title, whole, "page"),
        ...sections.map((part) => entry(part.url, part.title, part.excerpt, "section")),
      ];
    }));
    const strange = ranked[0]?.[0] === 1 && words.split(/\s+/).find((word) => pages.every((page) => !wordsOf(page).includes(stem(bare(word)))));
    status.textContent = !pages.length ? `Nothing found for “${words}”.`
      : strange ? `No page has “${strange}”; these have words that begin like it.`
      : `${pages.length} ${pages.length === 1 ? "page" : "pages"}`;
  };

  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => search().catch(() => {}), 120);
  });
  document.getElementById("search-button").addEventListener("click", open);
  dialog.addEventListener("click", (event) => { if (event.target === dialog || event.target.closest("a")) dialog.close(); });

  dialog.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")], at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && at + 1 < links.length) links[at + 1].focus();
    else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] || input).focus();
    else if (event.key === "Escape") dialog.close(); // at once, where a search field would first clear itself
    else if (event.key === "Enter" && document.activeElement === input) links[0]?.click();
    else return;
    event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
    const slash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (slash || (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      open();
    }
  });
})();
