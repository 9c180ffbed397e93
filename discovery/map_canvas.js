// A map of points on a 2-D canvas, for machines without WebGL: draws points, takes a lasso, tells its polygon.

const EDGE = 0.05; // of the canvas, on each side
const ASPECT = 0.72;

function values(model, name, Kind) {
  const view = model.get(name);
  if (!view || !view.byteLength) return new Kind(0);
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return new Kind(bytes.slice().buffer); // a copy: byteOffset may be odd
}

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "map-canvas";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.dataset.lmSuppressShortcuts = "true";
  canvas.title = "Drag around points to select them; double-click or Escape clears";
  el.appendChild(canvas);
  let path = [];
  let drag = false;
  let points, colours, chosen;

  const read = () => {
    points = values(model, "points", Float32Array);
    colours = values(model, "colours", Uint8Array);
    chosen = values(model, "chosen", Uint8Array);
  };
  const limits = () => model.get("limits");
  const toPixel = (x, y) => {
    const [x0, x1, y0, y1] = limits();
    const inner = 1 - 2 * EDGE;
    return [canvas.width * (EDGE + (inner * (x - x0)) / (x1 - x0)), canvas.height * (1 - EDGE - (inner * (y - y0)) / (y1 - y0))];
  };
  const toData = (px, py) => {
    const [x0, x1, y0, y1] = limits();
    const inner = 1 - 2 * EDGE;
    return [x0 + ((px / canvas.width - EDGE) / inner) * (x1 - x0), y0 + ((1 - EDGE - py / canvas.height) / inner) * (y1 - y0)];
  };
  const dots = (pen, size, wanted, alpha) => {
    pen.globalAlpha = alpha;
    for (let i = 0; i < points.length / 2; i++) {
      if (chosen.length && Boolean(chosen[i]) !== wanted) continue;
      const [x, y] = toPixel(points[2 * i], points[2 * i + 1]);
      pen.fillStyle = `rgb(${colours[3 * i]},${colours[3 * i + 1]},${colours[3 * i + 2]})`;
      pen.beginPath();
      pen.arc(x, y, size, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  };
  const draw = () => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round((el.clientWidth || 560) * ratio);
    canvas.height = Math.round(canvas.width * ASPECT);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const size = ratio * (points.length > 20000 ? 1.4 : points.length > 4000 ? 2.2 : 3.4);
    if (chosen.length) dots(pen, size, false, 0.16);
    dots(pen, chosen.length ? size * 1.25 : size, true, 0.85);
    pen.fillStyle = "#5b5b66";
    pen.font = `${12 * ratio}px system-ui, sans-serif`;
    pen.fillText("UMAP 1 →", 10 * ratio, canvas.height - 8 * ratio);
    pen.save();
    pen.translate(14 * ratio, canvas.height - 26 * ratio);
    pen.rotate(-Math.PI / 2);
    pen.fillText("UMAP 2 →", 0, 0);
    pen.restore();
    if (path.length > 1) {
      pen.beginPath();
      for (const [x, y] of path) pen.lineTo(x, y);
      pen.closePath();
      pen.fillStyle = "rgba(0, 114, 178, 0.10)";
      pen.fill();
      pen.strokeStyle = "#0072B2";
      pen.lineWidth = 1.5 * ratio;
      pen.stroke();
    }
    canvas.setAttribute("aria-label", model.get("label"));
    canvas.dataset.seq = String(model.get("seq"));
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  };
  const tell = () => { model.set("lasso", path.map(([x, y]) => toData(x, y))); model.save_changes(); };
  const clear = () => { path = []; tell(); draw(); };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    path = [place(event)];
    drag = true;
  });
  canvas.addEventListener("pointermove", (event) => { if (drag) { path.push(place(event)); draw(); } });
  canvas.addEventListener("pointerup", () => {
    drag = false;
    if (path.length > 3) tell();
    path = [];
    draw();
  });
  canvas.addEventListener("dblclick", clear);
  canvas.addEventListener("keydown", (event) => { if (event.key === "Escape") { clear(); event.stopPropagation(); } });
  const fresh = () => { read(); draw(); };
  model.on("change:seq", fresh);
  const watcher = new ResizeObserver(draw);
  watcher.observe(el);
  fresh();
  return () => { watcher.disconnect(); model.off("change:seq", fresh); };
}

export default { render };
