// ECG paper on a 2-D canvas: 25 mm/s and 10 mm/mV, everything drawn in millimetres of paper.
// The kernel sends int16 microvolts and what to mark; nothing is computed here but pixels and the caliper.

const SPEED = 25; // mm/s
const GAIN = 10; // mm/mV
const SECONDS = 10;
const PULSE = 5; // mm, 200 ms
const NAME = 8; // mm from a baseline up to the lead's name, unless the kernel says otherwise
const EDGE = { left: 9, right: 3, top: 7, bottom: 7 };
const COLUMNS = [["I", "II", "III"], ["aVR", "aVL", "aVF"], ["V1", "V2", "V3"], ["V4", "V5", "V6"]];
const RHYTHM = "II";
const WIDTH = EDGE.left + SPEED * SECONDS + EDGE.right;
const INK = { paper: "#fffdfb", fine: "#fae3df", bold: "#efb8b0", trace: "#15151a", mark: "#7a3ea8",
  caliper: "#0b63c5", word: "#40302e", warning: "#b3261e" };

function microvolts(model) {
  const view = model.get("data");
  if (!view || !view.byteLength) return new Int16Array(0);
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return new Int16Array(bytes.slice().buffer); // a copy: byteOffset may be odd
}

// Where the rows lie is said by the kernel: far enough apart that no lead runs into another.
const tall = (model) => EDGE.top + model.get("height") + EDGE.bottom;
const line = (model, row) => EDGE.top + model.get("height") - model.get("baselines")[row];

function grid(pen, height) {
  pen.fillStyle = INK.paper;
  pen.fillRect(0, 0, WIDTH, height);
  for (const [step, colour, width] of [[1, INK.fine, 0.1], [5, INK.bold, 0.16]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    for (let x = EDGE.left % step; x <= WIDTH; x += step) { pen.moveTo(x, 0); pen.lineTo(x, height); }
    for (let y = EDGE.top % step; y <= height; y += step) { pen.moveTo(0, y); pen.lineTo(WIDTH, y); }
    pen.stroke();
  }
}

function words(pen, text, x, y, { size = 3, colour = INK.word, align = "left", weight = "500" } = {}) {
  pen.font = `${weight} ${size}px system-ui, sans-serif`;
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.fillText(text, x, y);
}

function trace(pen, samples, fs, x, y) {
  pen.beginPath();
  for (let i = 0; i < samples.length; i++) {
    const px = x + (i / fs) * SPEED;
    const py = y - (samples[i] / 1000) * GAIN;
    if (i) pen.lineTo(px, py); else pen.moveTo(px, py);
  }
  pen.strokeStyle = INK.trace;
  pen.lineWidth = 0.3;
  pen.lineJoin = "round";
  pen.stroke();
}

function pulse(pen, y) {
  const x = EDGE.left - PULSE - 2;
  pen.beginPath();
  for (const [dx, dy] of [[-1, 0], [0, 0], [0, -GAIN], [PULSE, -GAIN], [PULSE, 0], [PULSE + 1, 0]]) pen.lineTo(x + dx, y + dy);
  pen.strokeStyle = INK.trace;
  pen.lineWidth = 0.3;
  pen.stroke();
}

function leadsOnPaper(pen, model, data) {
  const leads = model.get("leads");
  const fs = model.get("fs");
  const length = data.length / leads.length;
  const shown = Math.min(length, Math.round(SECONDS * fs));
  const quarter = Math.floor(shown / 4);
  const named = (place) => model.get("names")[place] ?? NAME;
  const rhythmY = line(model, 3);
  for (let row = 0; row < 4; row++) pulse(pen, line(model, row));
  COLUMNS.forEach((names, column) => names.forEach((name, row) => {
    const start = leads.indexOf(name) * length + column * quarter;
    if (start < 0 || !length) return;
    const x = EDGE.left + (column * quarter / fs) * SPEED;
    const y = line(model, row);
    trace(pen, data.subarray(start, start + quarter), fs, x, y);
    if (column) { pen.beginPath(); pen.moveTo(x, y - 3); pen.lineTo(x, y + 3); pen.lineWidth = 0.25; pen.stroke(); }
    words(pen, name, x + 1.2, y - named(`${name} ${row}`), { size: 3.6, weight: "700" });
  }));
  const rhythm = leads.indexOf(RHYTHM) * length;
  if (rhythm >= 0 && length) trace(pen, data.subarray(rhythm, rhythm + shown), fs, EDGE.left, rhythmY);
  words(pen, RHYTHM, EDGE.left + 1.2, rhythmY - named(`${RHYTHM} 3`), { size: 3.6, weight: "700" });
}

function boundaries(pen, model) {
  const y = line(model, 3);
  const at = (seconds) => EDGE.left + seconds * SPEED;
  pen.strokeStyle = INK.mark;
  pen.lineWidth = 0.2;
  for (const mark of model.get("marks")) {
    pen.beginPath();
    pen.moveTo(at(mark.at), y - 2.5);
    pen.lineTo(at(mark.at), y + 4);
    pen.stroke();
  }
  for (const span of model.get("spans")) {
    const height = y + model.get("lowest") + 2.4 + 2.9 * span.row;
    pen.lineWidth = 0.5;
    pen.beginPath();
    pen.moveTo(at(span.from), height);
    pen.lineTo(at(span.to), height);
    pen.stroke();
    words(pen, span.text, at(span.to) + 0.8, height + 0.9, { size: 2.7, colour: INK.mark, weight: "600" });
  }
}

function frame(pen, model) {
  const height = tall(model);
  if (model.get("synthetic")) {
    pen.save();
    pen.globalAlpha = 0.055;
    words(pen, "SYNTHETIC", WIDTH / 2, height / 2 + 4, { size: 30, colour: INK.warning, align: "center", weight: "800" });
    pen.restore();
    words(pen, "SYNTHETIC - not a patient", WIDTH - 3, 4.6, { size: 3.4, colour: INK.warning, align: "right", weight: "700" });
  }
  words(pen, model.get("caption"), 3, 4.6, { size: 3.4, weight: "600" });
  words(pen, "25 mm/s   10 mm/mV", 3, height - 2.2);
  words(pen, model.get("footer"), WIDTH - 3, height - 2.2, { align: "right" });
}

function calipers(pen, held) {
  if (!held) return;
  const { x0, y0, x1, y1 } = held;
  pen.fillStyle = "rgba(11, 99, 197, 0.10)";
  pen.fillRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
  pen.strokeStyle = INK.caliper;
  pen.lineWidth = 0.3;
  pen.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
  const read = reading(held);
  const text = `${read.ms} ms   ${read.mv.toFixed(2)} mV` + (read.bpm ? `   ${read.bpm} bpm` : "");
  pen.font = "600 3.2px system-ui, sans-serif";
  const width = 3 + pen.measureText(text).width;
  const x = Math.min(Math.max(Math.min(x0, x1), 1), WIDTH - width - 1);
  const y = Math.min(y0, y1) > 7 ? Math.min(y0, y1) - 5.6 : Math.max(y0, y1) + 1;
  pen.fillStyle = INK.caliper;
  pen.fillRect(x, y, width, 4.8);
  words(pen, text, x + width / 2, y + 3.5, { size: 3.2, colour: "#fff", align: "center", weight: "600" });
}

function reading({ x0, y0, x1, y1 }) {
  const ms = Math.round((Math.abs(x1 - x0) / SPEED) * 1000);
  return { ms, mv: Math.round((Math.abs(y1 - y0) / GAIN) * 100) / 100, bpm: ms >= 150 ? Math.round(60000 / ms) : 0 };
}

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "ecg-paper";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.dataset.lmSuppressShortcuts = "true";
  canvas.title = "Drag to measure; double-click or Escape clears; arrow keys move the caliper's end";
  el.appendChild(canvas);
  const style = document.createElement("style"); // while this lives, the picture kept for later stays hidden
  const hide = () => {
    const kept = model.get("kept");
    style.textContent = kept ? `.${kept}, .jp-OutputArea-child:has(.${kept}) { display: none; }` : "";
  };
  hide();
  el.appendChild(style);
  let held = null;
  let drag = false;
  let data = microvolts(model);

  const draw = () => {
    const width = el.clientWidth || 1000;
    const ratio = window.devicePixelRatio || 1;
    const pixels = Math.round(width * ratio);
    const height = Math.round((pixels * tall(model)) / WIDTH);
    canvas.width = pixels; // also wipes it: nothing of the last drawing shines through
    canvas.height = height;
    const pen = canvas.getContext("2d");
    pen.setTransform(canvas.width / WIDTH, 0, 0, canvas.width / WIDTH, 0, 0);
    grid(pen, tall(model));
    leadsOnPaper(pen, model, data);
    boundaries(pen, model);
    frame(pen, model);
    calipers(pen, held);
    canvas.setAttribute("aria-label", model.get("label"));
    canvas.dataset.seq = String(model.get("seq"));
  };
  const fresh = () => { data = microvolts(model); draw(); };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * WIDTH, ((event.clientY - box.top) / box.height) * tall(model)];
  };
  const tell = () => { model.set("caliper", held ? reading(held) : {}); model.save_changes(); draw(); };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    const [x, y] = place(event);
    held = { x0: x, y0: y, x1: x, y1: y };
    drag = true;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    [held.x1, held.y1] = place(event);
    draw();
  });
  canvas.addEventListener("pointerup", () => {
    drag = false;
    if (held && Math.abs(held.x1 - held.x0) < 1 && Math.abs(held.y1 - held.y0) < 1) held = null;
    tell();
  });
  canvas.addEventListener("dblclick", () => { held = null; tell(); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.25, 0], ArrowRight: [0.25, 0], ArrowUp: [0, -0.25], ArrowDown: [0, 0.25] }[event.key];
    if (event.key === "Escape") held = null;
    else if (step && held) { held.x1 += step[0]; held.y1 += step[1]; }
    else return;
    event.preventDefault();
    event.stopPropagation();
    tell();
  });
  model.on("change:seq", fresh);
  model.on("change:kept", hide);
  const watcher = new ResizeObserver(draw);
  watcher.observe(el);
  draw();
  return () => { watcher.disconnect(); model.off("change:seq", fresh); model.off("change:kept", hide); };
}

export default { render };
