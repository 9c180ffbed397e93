// Median beats of A and B over each other, aligned at R, twelve small papers; only drawing happens here.

const COLUMNS = [["I", "II", "III"], ["aVR", "aVL", "aVF"], ["V1", "V2", "V3"], ["V4", "V5", "V6"]];
const GAIN = 10; // mm/mV
const SPEED = 25; // mm/s
const TOP = 1;
const INK = { paper: "#fffdfb", fine: "#fae3df", bold: "#efb8b0", r: "#b9a6a2", word: "#40302e",
  a: "#0072B2", b: "#D55E00", only: "#0072B2" };

function beats(model, name) {
  const view = model.get(name);
  if (!view || !view.byteLength) return new Int16Array(0);
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return new Int16Array(bytes.slice().buffer);
}

function grid(pen, width, height) {
  pen.fillStyle = INK.paper;
  pen.fillRect(0, 0, width, height);
  for (const [step, colour, line] of [[1, INK.fine, 0.1], [5, INK.bold, 0.16]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = line;
    pen.beginPath();
    for (let x = 0; x <= width; x += step) { pen.moveTo(x, 0); pen.lineTo(x, height); }
    for (let y = 0; y <= height; y += step) { pen.moveTo(0, y); pen.lineTo(width, y); }
    pen.stroke();
  }
}

function trace(pen, samples, fs, x, y, colour, dashes, width) {
  pen.beginPath();
  for (let i = 0; i < samples.length; i++) pen.lineTo(x + (i / fs) * SPEED, y - (samples[i] / 1000) * GAIN);
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dashes);
  pen.lineJoin = "round";
  pen.stroke();
  pen.setLineDash([]);
}

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "beat-overlay";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.dataset.lmSuppressShortcuts = "true";
  el.appendChild(canvas);

  const draw = () => {
    const leads = model.get("leads");
    const fs = model.get("fs");
    const [a, b] = [beats(model, "a"), beats(model, "b")];
    const samples = Math.max(a.length, b.length) / leads.length || Math.round(0.9 * fs);
    const cell = (samples / fs) * SPEED + 1;
    const rows = model.get("rows"); // [height, baseline from its top], mm
    const above = rows.map((_, row) => TOP + rows.slice(0, row).reduce((sum, [size]) => sum + size, 0));
    const [width, height] = [4 * cell, above[2] + rows[2][0]];
    const pixels = Math.round((el.clientWidth || 480) * (window.devicePixelRatio || 1));
    canvas.width = pixels;
    canvas.height = Math.round((pixels * height) / width);
    const pen = canvas.getContext("2d");
    pen.setTransform(pixels / width, 0, 0, pixels / width, 0, 0);
    grid(pen, width, height);
    COLUMNS.forEach((names, column) => names.forEach((name, row) => {
      const lead = leads.indexOf(name);
      const x = column * cell;
      const y = above[row] + rows[row][1];
      pen.save();
      pen.beginPath();
      pen.rect(x, above[row], cell, rows[row][0]);
      pen.clip();
      pen.strokeStyle = INK.r;
      pen.lineWidth = 0.14;
      const r = x + (model.get("r_ms") / 1000) * SPEED;
      pen.beginPath();
      pen.moveTo(r, above[row]);
      pen.lineTo(r, above[row] + rows[row][0]);
      pen.stroke();
      const own = (all) => all.subarray(lead * samples, (lead + 1) * samples);
      if (a.length) trace(pen, own(a), fs, x, y, INK.a, [], 0.32);
      if (b.length && a.length) trace(pen, own(b), fs, x, y, INK.b, [1.2, 0.7], 0.5);
      else if (b.length) trace(pen, own(b), fs, x, y, INK.only, [], 0.32);
      pen.restore();
      pen.font = "700 3px system-ui, sans-serif";
      pen.fillStyle = INK.word;
      pen.fillText(name, x + 1, above[row] + 3.6);
    }));
    canvas.setAttribute("aria-label", model.get("label"));
    canvas.dataset.seq = String(model.get("seq"));
  };
  model.on("change:seq", draw);
  const watcher = new ResizeObserver(draw);
  watcher.observe(el);
  draw();
  return () => { watcher.disconnect(); model.off("change:seq", draw); };
}

export default { render };
