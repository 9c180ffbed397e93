// Tells the kernel whether this browser draws with WebGL, on which jupyter-scatter depends.

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  let found = false;
  try {
    found = Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
  } catch {
    found = false;
  }
  el.textContent = "Preparing the map ...";
  model.set("webgl", found ? "yes" : "no");
  model.save_changes();
}

export default { render };
