// Drawing, controls and players of the page; every number comes from the library through the server.
const $ = (id) => document.getElementById(id);
const state = {
  about: null, song: null, start: 0, coverage: null, undo: [], drawn: null, abort: null,
  cross: null, penDown: false, last: null, // position of the keyboard's cross, whether it draws, and last position of the drawing pointer
};
const PAGE = String(Math.random()); // a drawing supersedes older ones of the same page only
const GONE = "The page's server does not answer. Start it again as before (veracity page or make page), and reload this page.";
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const text = (values) => { let s = ""; for (const v of values) s += String.fromCharCode(v); return btoa(s); };
const words = { sing: "sing", nosing: "no sing" };
const rounded = (value, digits = 3) => value.toFixed(digits).replace(/^-(0\.0*)$/, "$1");

function digits(threshold, ...ps) { // number of digits that distinguish each P(sing) from the threshold
  let n = 3;
  while (n < 15 && ps.some((p) => p !== threshold && rounded(p, n) === rounded(threshold, n))) n++;
  return n;
}

async function fetched(path, options) {
  const orGone = (instead) => (error) => { if (error.name === "AbortError") throw error; return instead; };
  const response = await fetch("/" + path, options).catch(orGone(null));
  if (!response) throw new Error(GONE);
  const answer = await response.json().catch(orGone(null)); // a proxy between page and server may not answer with JSON
  if (response.ok && answer) return answer;
  const why = answer?.error || answer?.superseded || `The page's server answered with error ${response.status}. See its terminal for details.`;
  throw Object.assign(new Error(why), { superseded: Boolean(answer?.superseded) });
}

function ask(path, question, signal) {
  const asked = question === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question) };
  return fetched(path, { ...asked, signal });
}

function report(id, message, isError = false) {
  $(id).textContent = message;
  $(id).classList.toggle("error", isError);
}

function outdated(isOutdated, ...ids) { // grey out the results of an older drawing
  for (const id of ids) { $(id).classList.toggle("outdated", isOutdated); $(id).setAttribute("aria-busy", isOutdated); }
}

// --- images ---------------------------------------------------------------------------------------------------------

function picture(values, nFrames, nMels) { // time from left to right, low bands at the bottom
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [nFrames, nMels];
  const context = canvas.getContext("2d"), image = context.createImageData(nFrames, nMels);
  const colours = state.about.colours.map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
  for (let t = 0; t < nFrames; t++) for (let m = 0; m < nMels; m++) {
    image.data.set([...colours[values[t * nMels + m]], 255], 4 * ((nMels - 1 - m) * nFrames + t));
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function showSong() {
  const { song, about } = state, canvas = $("song"), c = canvas.getContext("2d"), x = canvas.width / song.n;
  c.imageSmoothingEnabled = false;
  c.drawImage(song.picture, 0, 0, canvas.width, canvas.height);
  const y = (p) => canvas.height * (1 - p);
  c.strokeStyle = "#fff"; c.setLineDash([4, 4]); c.lineWidth = 1;
  c.beginPath(); c.moveTo(0, y(about.threshold)); c.lineTo(canvas.width, y(about.threshold)); c.stroke();
  c.setLineDash([]); c.strokeStyle = "#4fe0b0"; c.lineWidth = 2; c.beginPath();
  song.p_sing.forEach((p, i) => c.lineTo((i + 0.5) * x, y(p)));
  c.stroke();
  c.strokeStyle = "#fff"; c.lineWidth = 3;
  c.strokeRect(state.start * x, 1.5, about.n_frames * x, canvas.height - 3);
}

function showExcerpt() {
  const { about } = state, canvas = $("excerpt"), c = canvas.getContext("2d");
  const w = canvas.width / about.n_frames, h = canvas.height / about.n_mels;
  c.imageSmoothingEnabled = false;
  const drawn = state.drawn || state.song.values.subarray(state.start * about.n_mels, (state.start + about.n_frames) * about.n_mels);
  c.drawImage(picture(drawn, about.n_frames, about.n_mels), 0, 0, canvas.width, canvas.height);
  if (!state.drawn) { // a stroke without a result so far
    c.fillStyle = "#ffffffb0";
    state.coverage.forEach((v, i) => { if (v > 64) c.fillRect(Math.floor(i / about.n_mels) * w, canvas.height - (i % about.n_mels + 1) * h, w, h); });
  }
  c.strokeStyle = "#ffffff60"; c.lineWidth = 1;
  c.beginPath();
  for (const [edges, isTime] of [[edgesOf(about, true), true], [edgesOf(about, false), false]]) for (const e of edges) {
    isTime ? (c.moveTo(e * w, 0), c.lineTo(e * w, canvas.height)) : (c.moveTo(0, canvas.height - e * h), c.lineTo(canvas.width, canvas.height - e * h));
  }
  c.stroke();
  if (state.cross) {
    const [x, y] = [(state.cross[0] + 0.5) * w, canvas.height - (state.cross[1] + 0.5) * h];
    c.strokeStyle = state.penDown ? "#4fe0b0" : "#fff"; c.lineWidth = 2;
    c.beginPath(); c.moveTo(x - 9, y); c.lineTo(x + 9, y); c.moveTo(x, y - 9); c.lineTo(x, y + 9); c.stroke();
  }
}

function edgesOf(grid, alongTime) { // borders between segments
  const found = [], { segments: s, n_mels: n, n_frames: f } = grid;
  if (alongTime) for (let t = 1; t < f; t++) { if (s[t * n] !== s[(t - 1) * n]) found.push(t); }
  else for (let m = 1; m < n; m++) { if (s[m] !== s[m - 1]) found.push(m); }
  return found;
}

function axis(id, from, to) { // seconds below an image
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120].find((s) => (to - from) / s <= 8) || 300;
  $(id).replaceChildren();
  for (let i = Math.ceil(from / step); i * step <= to; i++) {
    const tick = document.createElement("span");
    tick.textContent = `${Number((i * step).toFixed(1))} s`;
    tick.style.left = `${100 * (i * step - from) / (to - from)}%`;
    $(id).append(tick);
  }
}

// --- choosing and drawing ---------------------------------------------------------------------------------------------

function choose(start) {
  const { about, song } = state;
  state.start = Math.max(0, Math.min(song.n - about.n_frames, Math.round(start)));
  $("start").value = state.start;
  const seconds = state.start / about.frames_per_second;
  $("start-value").textContent = seconds.toFixed(2) + " s";
  $("start").setAttribute("aria-valuetext", seconds.toFixed(2) + " seconds");
  axis("excerpt-axis", seconds, seconds + about.n_frames / about.frames_per_second);
  lift();
  changed();
}

function lift() { // end the stroke that is being drawn; returns whether there was one
  const wasDown = state.penDown || state.last !== null;
  [state.penDown, state.last] = [false, null];
  return wasDown;
}

function empty() {
  return new Uint8Array(state.about.n_frames * state.about.n_mels);
}

function clear() {
  lift();
  remember();
  state.coverage = empty();
  changed();
}

function remember() {
  state.undo.push(state.coverage.slice());
  if (state.undo.length > 50) state.undo.shift();
}

function dab(frame, band) { // one round touch of the pen; edges are soft
  const { n_frames, n_mels } = state.about, r = $("width").value / 2, isPen = document.querySelector("[name=tool]:checked").value === "pen";
  for (let t = Math.max(0, Math.floor(frame - r)); t <= Math.min(n_frames - 1, frame + r + 1); t++) {
    for (let m = Math.max(0, Math.floor(band - r)); m <= Math.min(n_mels - 1, band + r + 1); m++) {
      const inside = Math.max(0, Math.min(1, r + 0.5 - Math.hypot(t - frame, m - band))) * 255, i = t * n_mels + m;
      state.coverage[i] = isPen ? Math.max(state.coverage[i], inside) : Math.min(state.coverage[i], 255 - inside);
    }
  }
}

function stroke(from, to) {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
  for (let i = 0; i <= steps; i++) dab(from[0] + (to[0] - from[0]) * i / steps, from[1] + (to[1] - from[1]) * i / steps);
  state.drawn = null;
  showExcerpt();
}

function place(event) {
  const box = $("excerpt").getBoundingClientRect(), { n_frames, n_mels } = state.about;
  return [(event.clientX - box.left) / box.width * n_frames - 0.5, (1 - (event.clientY - box.top) / box.height) * n_mels - 0.5];
}

async function changed() { // request the explanation of the current drawing; results for older drawings are dropped
  state.drawn = null;
  state.abort?.abort();
  const { signal } = state.abort = new AbortController();
  showSong();
  showExcerpt();
  outdated(true, "verdict", "why", "sounds");
  report("outcome", "computing …");
  report("sound-outcome", "");
  const asked = { song: state.song.song, page: PAGE, start: state.start, coverage: text(state.coverage), strength: Number($("strength").value) };
  const began = performance.now();
  let where = "outcome";
  try {
    const found = await ask("explain", asked, signal);
    state.found = found;
    state.drawn = bytes(found.log_mel);
    showExcerpt();
    showFound(found);
    outdated(false, "verdict", "why");
    where = "sound-outcome";
    document.body.dataset.milliseconds = Math.round(performance.now() - began);
    const sounds = await ask("sound", asked, signal);
    $("sound-before").src = sounds.before;
    $("sound-after").src = sounds.after;
    describeSound(found, sounds);
    outdated(false, "sounds");
  } catch (error) {
    if (signal.aborted) return; // the newer request reports
    if (error.superseded) return changed(); // by an older request that reached the server later
    report(where, error.message, true);
    for (const id of ["sound-before", "sound-after"]) $(id).removeAttribute("src");
    for (const id of ["verdict", "why", "sounds"]) $(id).setAttribute("aria-busy", false);
  }
}

function describeSound(found, sounds) {
  const { p_sound: p, label_sound: label } = sounds, p_rounded = rounded(p, digits(state.about.threshold, p));
  const same = label === found.label_drawn, drawing = `the drawing is “${words[found.label_drawn]}”`;
  const silent = found.touched.length && !sounds.is_audible
    ? "The drawing is not audible: the song is digital silence there, which remains silent when amplified. " : "";
  const unlike = found.flips ? "The drawing flips the label, but its sound does not" : "The sound of the drawing flips the label, but the drawing does not";
  report("sound-outcome", silent + (same
    ? `For the sound of the drawing, the detector also predicts “${words[label]}”, with P(sing) = ${p_rounded}.`
    : `${unlike}: ${drawing}, and its sound is “${words[label]}” with P(sing) = ${p_rounded}.`));
  $("sound-outcome").classList.toggle("note", Boolean(silent) || !same);
}

function hint(found) {
  const away = Math.abs(found.p_drawn - state.about.threshold) > Math.abs(found.p_clean - state.about.threshold);
  const other = found.label_clean === "sing" ? "no sing" : "sing";
  return away ? ` The drawing moved P(sing) away from the threshold. Try another level, or an excerpt that is “${other}”.` : " Continue drawing.";
}

function showFound(found) {
  const { threshold } = state.about, n_digits = digits(threshold, found.p_clean, found.p_drawn);
  $("before").textContent = `P(sing) = ${rounded(found.p_clean, n_digits)}, “${words[found.label_clean]}”`;
  $("after").textContent = `${rounded(found.p_drawn, n_digits)}, “${words[found.label_drawn]}”`;
  $("beside").textContent = `(threshold ${rounded(threshold, n_digits)})`;
  $("after").className = found.flips ? "flipped" : "";
  const sets = found.smallest_sets, n = sets.length, isDrawn = state.coverage.some(Boolean);
  report("outcome", found.flips ? "The label has flipped." : found.touched.length ? "The label has not changed." + hint(found)
    : isDrawn ? "The drawing is not louder than the song anywhere. Choose a higher level." : "Nothing is drawn yet.");
  $("fidelity").textContent = `fidelity ${found.fidelity.toFixed(2)}`;
  table($("lime"), found.lime);
  table($("shapley"), found.shapley);
  const count = new Array(found.lime.length).fill(0);
  sets.forEach((one) => one.forEach((s) => count[s]++));
  $("sets-figure").hidden = !found.touched.length;
  table($("sets"), count.map((c) => (n ? c / n : 0)), (v, i) => (found.touched.includes(i) ? (n ? Math.round(100 * v) + " %" : "·") : ""), "70 110 190");
  $("sets-summary").textContent = n
    ? `${describeSets(n, sets[0].length)}. Table: percentage of these sets that contain each segment. ${n > 1 ? "The first" : "The set"}: {${sets[0].join(", ")}}.`
    : "No part of the drawing flips the label. Dots: segments that contain part of the drawing.";
}

function describeSets(n, size) {
  const of = size > 1 ? `${size} segments` : "one segment";
  return n > 1 ? `${n} sets of ${of} each flip the label; no smaller set does` : `1 set of ${of} flips the label; no smaller set does`;
}

function table(element, values, shown = (v) => rounded(v), above = "0 150 110") { // arranged like the excerpt: time from left to right, low bands at the bottom
  const { n_time, n_band } = state.about.grid, most = Math.max(1e-9, ...values.map(Math.abs));
  element.replaceChildren();
  for (let band = n_band - 1; band >= 0; band--) {
    const row = element.insertRow();
    for (let time = 0; time < n_time; time++) {
      const i = time * n_band + band, cell = row.insertCell(), strength = Math.abs(values[i]) / most;
      cell.textContent = shown(values[i], i);
      cell.dataset.number = i;
      cell.style.background = `rgb(${values[i] >= 0 ? above : "200 60 30"} / ${0.75 * strength})`;
      cell.setAttribute("aria-label", `segment ${i}: ${shown(values[i], i) || "not drawn on"}`);
    }
  }
}

async function stamp() {
  const { n_frames, n_mels } = state.about, size = Number($("size").value) / 100;
  const centre = state.cross ? [(state.cross[0] + 0.5) / n_frames, (state.cross[1] + 0.5) / n_mels] : [0.5, 0.5];
  try {
    const shape = bytes((await ask("shape", { name: $("shape").value, centre, size: [size, size] })).coverage);
    remember();
    shape.forEach((v, i) => { state.coverage[i] = Math.max(state.coverage[i], v); });
    changed();
  } catch (error) { report("outcome", error.message, true); }
}

function undo() {
  lift();
  if (state.undo.length) { state.coverage = state.undo.pop(); changed(); }
}

function keys(event) {
  const { n_frames, n_mels } = state.about, step = event.shiftKey ? 5 : 1;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowDown: [0, -step], ArrowUp: [0, step] }[event.key];
  if (!moves && ![" ", "z", "Z", "Escape"].includes(event.key)) return;
  event.preventDefault();
  if (event.key === "Escape") {
    state.cross = null;
    return lift() ? changed() : showExcerpt();
  }
  if (event.key.toLowerCase() === "z") return undo();
  state.cross ??= [Math.floor(n_frames / 2), Math.floor(n_mels / 2)];
  if (event.key === " ") {
    if (event.repeat) return; // a key that is held down
    if (lift()) return changed();
    state.penDown = true;
    remember();
    return stroke(state.cross, state.cross);
  }
  const from = state.cross;
  state.cross = [Math.max(0, Math.min(n_frames - 1, from[0] + moves[0])), Math.max(0, Math.min(n_mels - 1, from[1] + moves[1]))];
  if (state.penDown) stroke(from, state.cross);
  showExcerpt();
}

function listen() {
  const canvas = $("excerpt");
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button || !e.isPrimary) return;
    canvas.setPointerCapture(e.pointerId);
    lift();
    state.cross = null; // shapes are drawn in the middle again
    remember();
    state.last = place(e);
    stroke(state.last, state.last);
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!state.last || !e.isPrimary) return;
    const next = place(e);
    stroke(state.last, next);
    state.last = next;
  });
  for (const end of ["pointerup", "pointercancel", "blur"]) canvas.addEventListener(end, () => { if (lift()) changed(); });
  canvas.addEventListener("keydown", keys);
  $("song").addEventListener("click", (e) => {
    const box = $("song").getBoundingClientRect();
    choose((e.clientX - box.left) / box.width * state.song.n - state.about.n_frames / 2);
  });
  $("start").addEventListener("input", (e) => choose(Number(e.target.value)));
  for (const id of ["width", "strength", "size"]) $(id).addEventListener("input", (e) => { $(id + "-value").textContent = e.target.value; });
  $("strength").addEventListener("change", changed);
  $("stamp").addEventListener("click", stamp);
  $("undo").addEventListener("click", undo);
  $("clear").addEventListener("click", clear);
  $("upload").addEventListener("change", upload);
  $("save").addEventListener("submit", save);
}

async function upload(event) {
  const [file] = event.target.files;
  if (!file) return;
  report("state", `Loading ${file.name} …`);
  try {
    const { song } = await fetched("upload?name=" + encodeURIComponent(file.name), { method: "PUT", body: file });
    await fetchSong("?song=" + song);
    report("state", "");
  } catch (error) { report("state", error.message, true); }
  $("upload").value = ""; // the same file can be chosen again
}

async function save(event) {
  event.preventDefault();
  try {
    const { path } = await ask("save", { name: $("name").value, coverage: text(state.coverage) });
    report("saved", `Saved as ${path}. To use it in a run, set drawings: {folder: ${state.about.drawings}} in its configuration.`);
  } catch (error) { report("saved", error.message, true); }
}

async function fetchSong(which = "") {
  const song = await ask("song" + which);
  state.song = { ...song, values: bytes(song.image) };
  state.song.picture = picture(state.song.values, song.n, state.about.n_mels);
  $("song-name").textContent = song.name;
  report("note", song.note);
  axis("song-axis", 0, song.n / state.about.frames_per_second);
  $("start").max = song.n - state.about.n_frames;
  const half = Math.floor(state.about.n_frames / 2), above = song.p_sing.slice(half, song.n - half).map((p) => p - state.about.threshold);
  const unsure = above.map((a) => (a > 0 ? a : 1 - a)); // the “sing” excerpt closest to the threshold, which a small drawing flips
  choose(unsure.reduce((best, one, i) => (one < unsure[best] ? i : best), 0));
}

// --- the perturbations of a run ---------------------------------------------------------------------------------------

const run = { chosen: null, mask: 0, n_asked: 0 };

function showRuns(listed) {
  const rows = listed.filter((row) => !row.error);
  $("run").hidden = false;
  $("run-broken").textContent = listed.map((row) => row.error).filter(Boolean).join("\n");
  $("run-choice").hidden = !rows.length;
  if (!listed.length) return report("run-state", "This run has no adversarial excerpts, because no attack has flipped a label.");
  rows.forEach((row, i) => $("run-song").add(new Option(`${row.song}, ${row.domain} attack`, i)));
  if (!rows.length) return;
  const excerpts = () => {
    const row = rows[$("run-song").value];
    $("run-excerpt").replaceChildren(...row.excerpts.map((e) =>
      new Option(`${e.seconds.toFixed(2)} s, “${words[e.original]}” before`, e.number)));
    fetchExcerpt(row);
  };
  $("run-song").addEventListener("change", excerpts);
  $("run-excerpt").addEventListener("change", () => fetchExcerpt(rows[$("run-song").value]));
  $("k").addEventListener("input", showChoices);
  $("all").addEventListener("click", () => toggle(2 ** run.chosen.n - 1));
  $("none").addEventListener("click", () => toggle(0));
  $("run-listen").addEventListener("click", () => play(run.mask));
  excerpts();
}

async function fetchExcerpt(row) {
  const question = { domain: row.domain, song: row.song, number: Number($("run-excerpt").value) };
  report("run-state", "Evaluating all sets of segments …");
  const number = ++run.n_asked, isNewest = () => number === run.n_asked; // answers may arrive in another order
  $("run-found").hidden = true;
  try {
    const found = await ask("run/excerpt", question);
    if (!isNewest()) return;
    const n = found.n_time * found.n_band;
    run.chosen = { ...found, ...question, n, p_sing: new Float32Array(bytes(found.p_sing).buffer) };
    $("run-found").hidden = false;
    $("k").max = n;
    const toggles = $("toggles");
    toggles.style.gridTemplateColumns = `repeat(${found.n_time}, 1fr)`;
    toggles.style.backgroundImage = `url(${picture(bytes(found.adversarial), found.n_frames, found.n_mels).toDataURL()})`;
    toggles.replaceChildren();
    for (let band = found.n_band - 1; band >= 0; band--) for (let time = 0; time < found.n_time; time++) {
      const i = time * found.n_band + band, button = document.createElement("button");
      button.textContent = i;
      button.dataset.segment = i;
      button.setAttribute("aria-label", `segment ${i}`);
      button.addEventListener("click", () => toggle(run.mask ^ (1 << i)));
      toggles.append(button);
    }
    report("run-state", "");
    toggle(0);
    showChoices();
  } catch (error) { if (isNewest()) report("run-state", error.message, true); }
}

const pOf = (mask) => run.chosen.p_sing[mask];
const labelOf = (mask) => (pOf(mask) > run.chosen.threshold ? "sing" : "nosing");
const verdict = (mask) => (labelOf(mask) === run.chosen.original ? "not flipped" : "flipped");
const segmentsOf = (mask) => [...Array(run.chosen.n).keys()].filter((i) => mask & (1 << i));

function toggle(mask) {
  run.mask = mask;
  for (const button of $("toggles").children) button.setAttribute("aria-pressed", Boolean(mask & (1 << button.dataset.segment)));
  const n_digits = digits(run.chosen.threshold, pOf(mask)), beside = rounded(run.chosen.threshold, n_digits);
  $("run-outcome").textContent = `P(sing) = ${rounded(pOf(mask), n_digits)}, “${words[labelOf(mask)]}”: ${verdict(mask)} (threshold ${beside})`;
  $("run-outcome").classList.toggle("flipped", verdict(mask) === "flipped");
}

function showChoices() {
  const k = Number($("k").value), { rankings, best } = run.chosen, body = $("choices").tBodies[0];
  $("k-value").textContent = k;
  const first = (ranking) => ranking.slice(0, k).reduce((mask, s) => mask | (1 << s), 0);
  const choices = { "LIME": first(rankings.lime), "norm": first(rankings.norm), "best": best[k] };
  body.replaceChildren();
  for (const [name, mask] of Object.entries(choices)) {
    const row = body.insertRow(), p = rounded(pOf(mask), digits(run.chosen.threshold, pOf(mask)));
    const cells = [name, segmentsOf(mask).join(", ") || "none", p, `“${words[labelOf(mask)]}”, ${verdict(mask)}`];
    cells.forEach((cell) => { row.insertCell().textContent = cell; });
    const last = row.insertCell();
    for (const [label, act] of [["Show", () => toggle(mask)], ["Listen", () => { toggle(mask); play(mask); }]]) {
      const button = document.createElement("button");
      button.textContent = label;
      button.setAttribute("aria-label", `${label} to ${name}'s first ${k}`.replace("Show to", "Show"));
      button.addEventListener("click", act);
      last.append(button, " ");
    }
    row.dataset.choice = name;
  }
}

async function play(mask) {
  try {
    const { domain, song, number } = run.chosen;
    const asked = run.n_asked, { sound } = await ask("run/sound", { domain, song, number, segments: segmentsOf(mask) });
    if (asked !== run.n_asked) return;
    $("run-audio").src = sound;
    report("run-state", "");
    await $("run-audio").play().catch(() => {}); // some browsers require a click first
  } catch (error) { report("run-state", error.message, true); }
}

// --- start ----------------------------------------------------------------------------------------------------

async function begin() {
  try {
    const about = await ask("about");
    if (about.failure) return report("state", about.failure, true);
    if (!about.ready) return setTimeout(begin, 500);
    state.about = about;
    report("state", "");
    $("threshold").textContent = rounded(about.threshold);
    [$("hz-low").textContent, $("hz-high").textContent] = about.hz.map((f) => `${Math.round(f)} Hz`);
    about.shapes.forEach((name) => $("shape").add(new Option(name, name, name === "horse", name === "horse")));
    $("name").value = "my-drawing";
    $("workspace").hidden = false;
    state.coverage = empty();
    listen();
    await fetchSong();
    if (about.runs) showRuns(about.runs);
  } catch (error) { report("state", error.message, true); }
}

begin();
