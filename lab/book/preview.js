// In every page that `lab preview` serves: shows it anew, at the same place, or the error.
const place = "preview " + location.pathname;
const kept = sessionStorage.getItem(place);
if (kept) { sessionStorage.removeItem(place); addEventListener("load", () => scrollTo(0, Number(kept))); }
const box = document.createElement("pre");
box.setAttribute("role", "alert");
box.style.cssText = "position:fixed;inset:auto 1rem 1rem;z-index:99;max-height:60vh;overflow:auto;padding:1rem;" +
  "background:#a33022;color:#fff;border-radius:8px;white-space:pre-wrap;font:14px/1.5 monospace";
let known = "";
async function follow() {
  try {
    const { version, error } = await (await fetch("/preview-news")).json();
    const first = known === "";
    if (error) { box.textContent = error; document.body.append(box); } else box.remove();
    if (!first && version !== known && !error) { sessionStorage.setItem(place, scrollY); location.reload(); return; }
    known = version;
  } catch { /* the server is gone; it may come back */ }
  setTimeout(follow, 300);
}
follow();
