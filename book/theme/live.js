// What moves on a page: figures, the lines of verdicts, and the glossary's notes.  All numbers come with the page, from lab/live.py
// and lab/book/verdicts.py; the glossary is in glossary.lua.
"use strict";

window.notesMeasured ??= (() => {
  const MINUS = "\u2212";
  const superscript = (power) => String(power).replace(/[-\d]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  // A number with three digits that count, as the book prints it.
  const shown = (value, digits = 3) => {
    if (value === null || Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value < 0 ? MINUS + "∞" : "∞";
    const size = Math.abs(value);
    if (size && (size < 1e-3 || size >= 1e6)) {
      const [head, power] = value.toExponential(digits - 1).split("e");
      const short = head.replace(/\.?0+$/, "").replace("-", MINUS);
      return `${short === "1" ? "" : `${short} × `}10${superscript(Number(power))}`;
    }
    return String(Number(value.toPrecision(digits))).replace("-", MINUS);
  };

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const drawn = (name, attributes = {}, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  let count = 0; // of ids

  // A slider with its label and the value that it stands at.
  const slider = (label, last, start, words, changed) => {
    const id = `live-${++count}`;
    const input = element("input", { type: "range", id, min: 0, max: last, step: 1, value: start });
    const value = element("span", { class: "live-value" });
    const show = () => {
      value.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", value.textContent);
    };
    input.addEventListener("input", () => { show(); changed(); });
    show();
    return { input, show, row: element("div", { class: "live-row" }, element("label", { for: id }, label), input, value) };
  };
  const toggle = (label, start, words, changed) => {
    const input = element("input", { type: "checkbox", role: "switch" });
    input.checked = start > 0;
    input.addEventListener("change", changed);
    return { input, show() {}, row: element("label", { class: "live-row live-switch", title: words.join(", ") }, input, ` ${label}`) };
  };

  // ---- figures to move ----

  const ticks = (low, high, log, room) => {
    if (log) {
      const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
      const powers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i));
      const plain = powers.length > 1 ? powers : [1, 2, 5].flatMap((m) => [10 ** (first - 1) * m, 10 ** first * m]).filter((t) => t >= low && t <= high);
      const every = Math.ceil(plain.length / room);
      return plain.filter((_, i) => (powers.length > 1 ? first + i : i) % every === 0); // 1 is among them
    }
    const raw = (high - low) / room, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((m) => m >= raw);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
    return found;
  };

  // The ends of an axis: those given, else of all that is ever drawn, so that nothing jumps while one moves.
  const limits = (axis, values) => {
    const there = values.filter((v) => v !== null && (!axis.log || v > 0));
    let low = axis.low ?? Math.min(...there), high = axis.high ?? Math.max(...there);
    if (low === high) [low, high] = axis.log ? [low / 2, high * 2] : [low - 1, high + 1];
    return [low, high];
  };

  const figure = (box) => {
    const live = JSON.parse(box.querySelector("script").textContent);
    const { x, y, frames } = live, controls = live.controls ?? [], fixed = live.fixed ?? [];
    const all = [...fixed, ...frames.flatMap((frame) => frame.curves ?? [])];
    const [left, right] = limits(x, [...all.flatMap((c) => c.x), ...frames.flatMap((f) => f.mark ?? [])]);
    const [bottom, top] = limits(y, all.flatMap((c) => [...c.y, ...(c.low ?? []), ...(c.high ?? [])]));
    const clip = `live-clip-${++count}`;
    const svg = drawn("svg", { role: "group", "aria-label": `${y.label} against ${x.label}. Arrow keys go from point to point.` });
    const note = element("div", { class: "live-note", "aria-hidden": "true", hidden: "" });
    const sentence = element("output", { class: "live-sentence" });

    const parts = controls.map((c) => c.switch ? toggle(c.label, c.start ?? 0, c.values, () => draw()) : slider(c.label, c.values.length - 1, c.start ?? 0, (i) => c.values[i], () => draw()));
    const setting = () => controls.reduce((i, c, k) => i * c.values.length + (c.switch ? Number(parts[k].input.checked) : Number(parts[k].input.value)), 0);
    let place = null;
    if (live.position) {
      const points = frames[0].curves[0].x, start = live.position_start ?? -1;
      place = slider(live.position, points.length - 1, start < 0 ? points.length - 1 : start, (i) => shown(frames[setting()].curves[0].x[i]), () => draw());
    }
    const reset = element("button", { type: "button" }, "Start again");
    reset.addEventListener("click", () => {
      parts.forEach((part, k) => { if (controls[k].switch) part.input.checked = (controls[k].start ?? 0) > 0; else { part.input.value = controls[k].start ?? 0; part.show(); } });
      if (place) { place.input.value = place.input.defaultValue; place.show(); }
      draw();
    });
    const panel = element("div", { class: "live-panel" }, ...parts.map((p) => p.row), ...(place ? [place.row] : []));
    const plot = element("div", { class: "live-plot" }, svg, note);
    box.append(element("div", { class: "live-head" }, element("p", { class: "live-title" }, live.title), reset), panel, plot, sentence);
    box.hidden = false;

    let focused = null; // the point that has the keyboard, as "curve point"
    const draw = () => {
      const width = Math.max(plot.clientWidth, 240), height = Math.round(Math.min(320, Math.max(210, width * 0.5)));
      const frame = frames[setting()], moving = frame.curves ?? [];
      const margin = { left: 58, right: 14, top: 10, bottom: 42 };
      const scale = (axis, low, high, from, to) => axis.log
        ? (v) => from + (to - from) * (Math.log(v) - Math.log(low)) / (Math.log(high) - Math.log(low))
        : (v) => from + (to - from) * (v - low) / (high - low);
      const across = scale(x, left, right, margin.left + 6, width - margin.right - 6);
      const up = scale(y, bottom, top, height - margin.bottom - 6, margin.top + 6);
      const seen = (v, axis) => v !== null && v !== undefined && (!axis.log || v > 0);
      const inside = (px, py) => px >= margin.left - 1 && px <= width - margin.right + 1 && py >= margin.top - 1 && py <= height - margin.bottom + 1;
      const hold = svg.contains(document.activeElement);

      svg.replaceChildren();
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("height", height);
      const area = drawn("clipPath", { id: clip });
      area.append(drawn("rect", { x: margin.left, y: margin.top, width: width - margin.left - margin.right, height: height - margin.top - margin.bottom }));
      const frameLines = drawn("g", { class: "live-axes", "aria-hidden": "true" });
      for (const t of ticks(left, right, x.log, Math.max(3, Math.floor(width / 95)))) {
        frameLines.append(drawn("line", { x1: across(t), x2: across(t), y1: margin.top, y2: height - margin.bottom }));
        frameLines.append(drawn("text", { x: across(t), y: height - margin.bottom + 16, "text-anchor": "middle" }, shown(t)));
      }
      for (const t of ticks(bottom, top, y.log, 5)) {
        frameLines.append(drawn("line", { x1: margin.left, x2: width - margin.right, y1: up(t), y2: up(t) }));
        frameLines.append(drawn("text", { x: margin.left - 7, y: up(t) + 4, "text-anchor": "end" }, shown(t)));
      }
      frameLines.append(drawn("text", { x: (margin.left + width - margin.right) / 2, y: height - 6, "text-anchor": "middle", class: "live-axis" }, x.label));
      const middle = (margin.top + height - margin.bottom) / 2;
      frameLines.append(drawn("text", { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})`, class: "live-axis" }, y.label));
      const curves = drawn("g", { "clip-path": `url(#${clip})`, "aria-hidden": "true" }), points = drawn("g"), names = drawn("g", { "aria-hidden": "true" });
      svg.append(area, frameLines, curves, points, names);

      const at = place ? Number(place.input.value) : null;
      const mark = place ? moving[0].x[at] : frame.mark;
      if (seen(mark, x)) curves.append(drawn("line", { class: "live-mark", x1: across(mark), x2: across(mark), y1: margin.top, y2: height - margin.bottom }));

      const labels = [], ink = [];
      [...fixed, ...moving].forEach((curve, k) => {
        const still = k < fixed.length, kind = `live-${curve.meaning ?? "measured"}`;
        const good = curve.x.map((v, i) => i).filter((i) => seen(curve.x[i], x) && seen(curve.y[i], y));
        if (curve.low) {
          const sides = [good.map((i) => [across(curve.x[i]), up(seen(curve.high[i], y) ? curve.high[i] : curve.y[i])]), good.toReversed().map((i) => [across(curve.x[i]), up(seen(curve.low[i], y) ? curve.low[i] : curve.y[i])])];
          if (curve.line ?? true) curves.append(drawn("path", { class: `live-band ${kind}`, d: `M${sides.flat().map((p) => p.map((v) => v.toFixed(1)).join(" ")).join("L")}Z` }));
          else good.filter((i) => curve.high[i] >= bottom).forEach((i) => curves.append(drawn("line", { class: `live-bar ${kind}`, x1: across(curve.x[i]), x2: across(curve.x[i]), y1: up(Math.max(curve.low[i], bottom)), y2: up(curve.high[i]) })));
        }
        if (curve.line ?? true) {
          let path = "", last = -2;
          for (const i of good) { path += `${i === last + 1 ? "L" : "M"}${across(curve.x[i]).toFixed(1)} ${up(curve.y[i]).toFixed(1)}`; last = i; }
          curves.append(drawn("path", { class: `live-line ${kind}${still ? " live-still" : ""}`, d: path }));
        }
        let before = null;
        for (const i of good) {
          const [px, py] = [across(curve.x[i]), up(curve.y[i])];
          const parts = before && (curve.line ?? true) ? Math.min(200, Math.ceil(Math.hypot(px - before[0], py - before[1]) / 5)) : 1;
          for (let part = 1; part <= parts; part++) ink.push([...(parts === 1 ? [px, py] : [0, 1].map((d) => before[d] + ([px, py][d] - before[d]) * part / parts)), k]);
          before = [px, py];
          if (!inside(px, py)) continue;
          const ring = (still || place) && curve.x[i] === mark;
          const dot = drawn("circle", { class: `live-dot ${kind}${curve.line === false ? " live-shown" : ""}${ring ? " live-ring" : ""}`, cx: px.toFixed(1), cy: py.toFixed(1), r: ring ? 6 : 3.5, role: "img", tabindex: -1 });
          const interval = curve.low ? ` (${shown(curve.low[i])} to ${shown(curve.high[i])})` : "";
          dot.setAttribute("aria-label", `${curve.name ? `${curve.name}: ` : ""}${x.label} ${shown(curve.x[i])}, ${y.label} ${shown(curve.y[i])}${interval}`);
          dot.dataset.place = `${k} ${i}`;
          points.append(dot);
        }
        const drawnAt = good.map((i) => [across(curve.x[i]), up(curve.y[i])]).filter(([px, py]) => inside(px, py));
        if (curve.name && drawnAt.length) labels.push({ name: curve.name, kind, points: drawnAt, of: k });
      });
      // A name stands above or below the end of its curve, or further back, where it hides least; names keep the order of the ends.
      labels.sort((a, b) => a.points.at(-1)[1] - b.points.at(-1)[1]);
      for (const label of labels) {
        label.text = drawn("text", { class: `live-name ${label.kind}`, "text-anchor": "end" }, label.name);
        names.append(label.text);
      }
      for (const label of labels) {
        const wide = label.text.getComputedTextLength();
        label.places = [1, 0.7, 0.4, 0].flatMap((part) => {
          const [px, py] = label.points[Math.round(part * (label.points.length - 1))];
          const right = Math.min(Math.max(px, margin.left + wide + 4), width - margin.right);
          return [-8, 19, -23, 34, -38, 49].map((by) => ({ left: right - wide, right, y: py + by, cost: Math.abs(by) / 4 + 4 * (1 - part) }));
        }).filter(({ y }) => y > margin.top + 10 && y < height - margin.bottom);
        for (const place of label.places) {
          const hidden = ink.filter(([px, py]) => px > place.left - 2 && px < place.right && py > place.y - 12 && py < place.y + 4);
          place.cost += hidden.reduce((sum, [, , k]) => sum + (k === label.of ? 1 : 4), 0); // on another curve it would name that
        }
        label.places = label.places.sort((a, b) => a.cost - b.cost).slice(0, labels.length > 4 ? 4 : 8);
      }
      let best = { cost: Infinity, chosen: [] };
      const choose = (chosen, cost) => {
        if (cost >= best.cost) return;
        if (chosen.length === labels.length) { best = { cost, chosen }; return; }
        const label = labels[chosen.length];
        for (const place of label.places) {
          const clash = chosen.reduce((sum, other, k) => {
            if (other.left > place.right + 6 || place.left > other.right + 6) return sum;
            const swapped = place.y < other.y && label.points.at(-1)[1] - labels[k].points.at(-1)[1] > 1;
            return sum + (Math.abs(place.y - other.y) < 15 ? 100 : 0) + (swapped ? 50 : 0);
          }, 0);
          choose([...chosen, place], cost + place.cost + clash);
        }
      };
      choose([], 0);
      best.chosen.forEach(({ right, y }, k) => { labels[k].text.setAttribute("x", right); labels[k].text.setAttribute("y", y); });

      const dots = [...points.children];
      const current = dots.find((dot) => dot.dataset.place === focused) ?? dots.find((dot) => dot.classList.contains("live-ring")) ?? dots[0];
      if (current) { current.setAttribute("tabindex", 0); if (hold) current.focus({ preventScroll: true }); }
      const values = place ? { x: mark, ...Object.fromEntries(moving.map((curve, i) => [i, curve.y[at]])) } : {};
      const words = frame.sentence.replace(/\{(\w+)\}/g, (whole, key) => key in values ? shown(values[key]) : whole);
      if (sentence.textContent !== words) sentence.textContent = words;
      if (place) place.show();
    };

    // Which point one looks at: the one under the pointer or the keyboard.
    const tell = (dot) => {
      svg.querySelectorAll(".live-near").forEach((other) => other.classList.remove("live-near"));
      note.hidden = !dot;
      if (!dot) return;
      dot.classList.add("live-near");
      note.textContent = dot.getAttribute("aria-label");
      const [px, py] = [Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy"))];
      note.style.left = `${Math.min(Math.max(px - note.offsetWidth / 2, 0), plot.clientWidth - note.offsetWidth)}px`;
      note.style.top = `${py > note.offsetHeight + 16 ? py - note.offsetHeight - 12 : py + 14}px`;
    };
    svg.addEventListener("pointermove", (event) => {
      const frame = svg.getBoundingClientRect();
      const near = [...svg.querySelectorAll(".live-dot")].map((dot) => [Math.hypot(dot.getAttribute("cx") - event.clientX + frame.left, dot.getAttribute("cy") - event.clientY + frame.top), dot]);
      const [distance, dot] = near.reduce((best, one) => (one[0] < best[0] ? one : best), [Infinity, null]);
      tell(distance < 40 ? dot : null);
    });
    svg.addEventListener("pointerleave", () => tell(svg.contains(document.activeElement) ? document.activeElement : null));
    svg.addEventListener("focusin", (event) => { focused = event.target.dataset.place; tell(event.target); });
    svg.addEventListener("focusout", () => tell(null));
    svg.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      const dots = [...svg.querySelectorAll(".live-dot")], here = dots.indexOf(document.activeElement);
      const next = event.key === "Home" ? dots[0] : event.key === "End" ? dots.at(-1) : dots[here + move];
      if (here < 0 || !next) return;
      event.preventDefault();
      dots[here].setAttribute("tabindex", -1);
      next.setAttribute("tabindex", 0);
      next.focus();
    });

    let wide = 0;
    new ResizeObserver(() => { if (plot.clientWidth !== wide) { wide = plot.clientWidth; draw(); } }).observe(plot);
    draw();
  };

  // ---- verdicts: the same evaluation as lab/claims.py ----

  const number = (end) => typeof end === "number" ? end : { nan: NaN, inf: Infinity, "-inf": -Infinity }[end];
  const within = (low, high, lower, upper) => lower <= low && high <= upper ? "HOLDS" : high < lower || low > upper ? "FAILS" : "UNDECIDED";
  const sides = {
    above: (low, high, [line]) => low > line ? "HOLDS" : high < line || low === high ? "FAILS" : "UNDECIDED",
    below: (low, high, [line]) => high < line ? "HOLDS" : low > line || low === high ? "FAILS" : "UNDECIDED",
    within: (low, high, [lower, upper]) => within(low, high, lower, upper),
    equals: (low, high, [lower, upper]) => within(low, high, lower, upper),
  };
  const first = (order, found) => order.find((verdict) => found.includes(verdict));
  const every = (found) => first(["FAILS", "UNDECIDED", "CAVEAT", "HOLDS"], found);
  const verdict = (rule) => {
    if (rule.kind in sides) {
      const found = rule.intervals.map((ends) => {
        const [a, b] = ends.map(number);
        if (Number.isNaN(a) || Number.isNaN(b)) return "UNDECIDED";
        return sides[rule.kind](Math.min(a, b), Math.max(a, b), rule.thresholds.map(number));
      });
      return every(found.length ? found : ["UNDECIDED"]);
    }
    const found = rule.rules.map(verdict);
    if (rule.kind === "all") return every(found);
    if (rule.kind === "any") return first(["HOLDS", "CAVEAT", "UNDECIDED", "FAILS"], found);
    const [full, partly] = found; // caveat
    if (full === "HOLDS") return full;
    if (["HOLDS", "CAVEAT"].includes(partly) || full === "CAVEAT") return "CAVEAT";
    return found.includes("UNDECIDED") ? "UNDECIDED" : "FAILS";
  };
  const leaves = (rule) => rule.rules ? rule.rules.flatMap(leaves) : [rule];

  // ---- lines to drag ----

  const WORDS = { HOLDS: ["holds", "hold"], CAVEAT: ["holds with a caveat", "hold with a caveat"], FAILS: ["fails", "fail"], UNDECIDED: ["is undecided", "are undecided"] };
  const coloured = (found, words) => element("span", { class: `verdict-${found.toLowerCase()}` }, words);
  const tally = (found) => Object.entries(WORDS).map(([name, words]) => [name, words, found.filter((v) => v === name).length]).filter(([, , n]) => n)
    .flatMap(([name, words, n], i) => [i ? ", " : "", coloured(name, `${n} ${words[n === 1 ? 0 : 1]}`)]);
  const STEPS = 400;

  // From where to where a line can be dragged: over all that was measured and all lines, and some way beyond.
  const stretch = (leaf) => {
    const ends = [...leaf.intervals.flat(), ...leaf.thresholds].map(number).filter(Number.isFinite);
    const low = Math.min(...ends), high = Math.max(...ends);
    if (low > 0 && high / low > 30) {
      const pad = (high / low) ** 0.2;
      const [a, b] = [Math.log(low / pad), Math.log(high * pad)];
      return { to: (part) => Math.exp(a + part * (b - a)), from: (value) => (Math.log(Math.max(value, Number.MIN_VALUE)) - a) / (b - a) };
    }
    const pad = 0.35 * (high - low) || Math.abs(high) * 0.5 || 1;
    return { to: (part) => low - pad + part * (high - low + 2 * pad), from: (value) => (value - low + pad) / (high - low + 2 * pad) };
  };

  const lines = (box) => {
    const claims = JSON.parse(box.querySelector("script").textContent);
    const mine = structuredClone(claims);
    const summary = element("output", { class: "line-tally", hidden: "" });
    const resets = [];
    const update = () => {
      const moved = mine.some((claim, k) => JSON.stringify(claim.rule) !== JSON.stringify(claims[k].rule));
      summary.hidden = !moved;
      const again = element("button", { type: "button" }, "Back to the book's lines");
      again.addEventListener("click", () => { resets.forEach((back) => back()); update(); });
      summary.replaceChildren(element("b", {}, "With your lines: "), ...tally(mine.map((c) => c.rule.kind === "judged" ? c.verdict : verdict(c.rule))), ". The book: ", ...tally(claims.map((c) => c.verdict)), ". ", again);
    };
    claims.forEach((claim, k) => {
      const row = document.getElementById(claim.anchor)?.closest("tr");
      if (!row) return;
      const found = element("div", { class: "line-verdict", role: "status" });
      const panel = element("details", { class: "line" }, element("summary", {}, "Move the line"));
      row.cells[1].append(panel);
      if (leaves(claim.rule).some((leaf) => leaf.kind === "judged")) {
        panel.append(element("p", {}, `This line cannot be moved: ${leaves(claim.rule).find((leaf) => leaf.reason).reason}.`));
        return;
      }
      const show = () => {
        const now = verdict(mine[k].rule), moved = JSON.stringify(mine[k].rule) !== JSON.stringify(claim.rule);
        panel.classList.toggle("line-moved", moved);
        found.replaceChildren("Your line: ", coloured(now, WORDS[now][0]), ". The book's line: ", coloured(claim.verdict, WORDS[claim.verdict][0]), ".");
        back.disabled = !moved;
      };
      const back = element("button", { type: "button" }, "Reset");
      const own = [];
      leaves(mine[k].rule).forEach((leaf, l) => {
        const book = leaves(claim.rule)[l], track = stretch(book);
        leaf.thresholds.forEach((_, t) => {
          const side = { above: ["above"], below: ["below"] }[book.kind] ?? ["from", "to"];
          const start = Math.round(STEPS * track.from(number(book.thresholds[t])));
          const value = (i) => i === start ? number(book.thresholds[t]) : track.to(i / STEPS);
          const digits = (v) => Math.max(3, Math.ceil(Math.log10(Math.abs(v) / Math.abs(track.to(1) - track.to(0)))) + 3);
          const part = slider(`${t ? "" : book.label.replace(/[*_$\\]/g, "").replace(/,$/, "")} ${side[t]}`, STEPS, start,
            (i) => `${shown(value(i), Math.min(digits(value(i)), 12))}${book.unit ? ` ${book.unit}` : ""}`, () => {
              const i = Number(part.input.value);
              leaf.thresholds[t] = i === start ? book.thresholds[t] : value(i);
              show(); update();
            });
          const bars = element("span", { class: "line-track", "aria-hidden": "true" });
          for (const ends of book.intervals) {
            const [low, high] = ends.map(number).sort((a, b) => a - b).map((end) => Math.min(1, Math.max(0, track.from(end))));
            if (Number.isNaN(low + high)) continue;
            const bar = element("i");
            bar.style.left = `${100 * low}%`; bar.style.width = `${100 * (high - low)}%`;
            bars.append(bar);
          }
          const slide = element("span", { class: "line-slide" });
          part.input.replaceWith(slide);
          slide.append(bars, part.input);
          own.push(() => { part.input.value = start; leaf.thresholds[t] = book.thresholds[t]; part.show(); });
          panel.append(part.row);
        });
      });
      const reset = () => { own.forEach((one) => one()); show(); };
      resets.push(reset);
      back.addEventListener("click", () => { reset(); update(); });
      panel.append(element("p", { class: "line-key" }, "Bars: what was measured, with its 95 % interval."), found, back);
      show();
    });
    const table = document.getElementById(claims[0]?.anchor)?.closest("table");
    (table?.closest(".quarto-float") ?? table ?? box).after(summary);
    if (table) fold(table);
    update();
  };

  // Rules are for those who doubt a verdict: a button shows them.
  const fold = (table) => {
    const button = element("button", { type: "button" });
    const show = (open) => {
      table.classList.toggle("rules-folded", !open);
      button.setAttribute("aria-expanded", open);
      button.textContent = open ? "Hide when each claim holds" : "Show when each claim holds, and move the lines";
    };
    button.addEventListener("click", () => show(table.classList.contains("rules-folded")));
    const place = element("div", { class: "rules" });
    place.append(button);
    table.before(place);
    show(false);
  };

  // ---- the ledger: filter by verdict, part and words; sort; a link to each claim ----

  const ledger = (box) => {
    const claims = JSON.parse(box.querySelector("script").textContent);
    const rows = claims.map((claim) => document.getElementById(`ledger-${claim.anchor}`)?.closest("tr"));
    const body = rows[0]?.parentElement;
    if (!body) return;
    const found = Object.keys(WORDS).filter((verdict) => claims.some((claim) => claim.verdict === verdict));
    const ticks = found.map((verdict) => {
      const input = element("input", { type: "checkbox", value: verdict });
      input.checked = true;
      return input;
    });
    const choice = (label, options) => {
      const select = element("select", {}, ...options.map(([value, words]) => element("option", { value }, words)));
      return { select, label: element("label", {}, label, select) };
    };
    const part = choice("Part", [["", "all parts"], ...[...new Set(claims.map((claim) => claim.part))].map((name) => [name, name])]);
    const order = choice("Order", [["failed", "what failed first"], ["book", "as in the book"]]);
    const words = element("input", { type: "search", placeholder: "any words", spellcheck: "false" });
    const said = element("output", {});
    const update = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      claims.forEach((claim, k) => {
        const text = rows[k].textContent.toLowerCase();
        const good = ticks.some((tick) => tick.checked && tick.value === claim.verdict) && (!part.select.value || part.select.value === claim.part) && wanted.every((word) => text.includes(word));
        rows[k].hidden = !good;
        shown += good;
      });
      said.textContent = `${shown} of ${claims.length} claims`;
    };
    const sort = () => {
      const by = order.select.value === "book" ? (a, b) => claims[a].place - claims[b].place : (a, b) => a - b;
      claims.map((_, k) => k).sort(by).forEach((k) => body.append(rows[k]));
    };
    rows.forEach((row, k) => {
      const beside = [...row.cells[1].querySelectorAll(".standing")].pop() || row.cells[1]; // lines of their own on a phone
      beside.append(" ", element("a", { class: "ledger-link", href: `#ledger-${claims[k].anchor}`, "aria-label": "Link to this claim" }, "#"));
    });
    const verdicts = element("fieldset", {}, element("legend", {}, "Verdict"), ...found.map((verdict, k) => element("label", {}, ticks[k], coloured(verdict, WORDS[verdict][0]))));
    const controls = element("div", { class: "ledger-controls", role: "search", "aria-label": "Filter the claims" }, verdicts, part.label, order.label, element("label", {}, "Words", words), said);
    controls.addEventListener("input", update);
    order.select.addEventListener("change", sort);
    box.append(controls);
    box.hidden = false;
    update();
  };

  // ---- terms: the glossary's sentence beside a term, on hovering, by keyboard, and on the first tap ----

  const terms = (links) => {
    const note = element("div", { class: "term-note", id: "term-note", role: "tooltip", hidden: "" });
    document.body.append(note);
    let owner = null, timer = 0, touched = false;
    const hide = () => { clearTimeout(timer); owner?.removeAttribute("aria-describedby"); owner = null; note.hidden = true; };
    const show = (link) => {
      clearTimeout(timer);
      if (owner === link) return;
      hide();
      owner = link;
      note.textContent = link.dataset.term;
      note.hidden = false;
      link.setAttribute("aria-describedby", note.id);
      const at = link.getClientRects()[0], room = document.documentElement.clientWidth;
      note.style.left = `${scrollX + Math.max(8, Math.min(at.left, room - note.offsetWidth - 8))}px`;
      note.style.top = `${scrollY + (at.top > note.offsetHeight + 60 ? at.top - note.offsetHeight - 6 : at.bottom + 6)}px`;
    };
    const later = (what, wait) => { clearTimeout(timer); timer = setTimeout(what, wait); };
    links.forEach((link) => {
      link.dataset.term = link.title;
      link.removeAttribute("title"); // or the browser shows it as well
      link.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") later(() => show(link), 150); });
      link.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") later(hide, 200); });
      link.addEventListener("pointerdown", (event) => { touched = event.pointerType !== "mouse"; });
      link.addEventListener("focus", () => { if (!touched) show(link); });
      link.addEventListener("blur", hide);
      link.addEventListener("click", (event) => { if (touched && owner !== link) { event.preventDefault(); show(link); } });
    });
    note.addEventListener("pointerenter", () => clearTimeout(timer));
    note.addEventListener("pointerleave", () => later(hide, 200));
    addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    addEventListener("pointerdown", (event) => { if (owner && !owner.contains(event.target) && !note.contains(event.target)) hide(); });
  };

  // ---- listings: what goes on below goes on further in, and is broken at a bracket where it can ----

  const listing = (code) => {
    for (const line of code.children) line.style.setProperty("--indent", /^ */.exec(line.textContent)[0].length);
    const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      const parts = text.data.split(/(?<=[([])(?=\w)|(?<=[)\]])(?=\.)/);
      if (parts.length > 1) text.replaceWith(...parts.flatMap((part, k) => k ? [element("wbr"), part] : [part]));
    }
  };

  const start = () => {
    document.querySelectorAll(".live").forEach(figure);
    document.querySelectorAll(".lines").forEach(lines);
    document.querySelectorAll(".ledger").forEach(ledger);
    document.querySelectorAll("pre.sourceCode > code").forEach(listing);
    terms(document.querySelectorAll("a.term"));
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start); else start();
  return { verdict, shown };
})();
