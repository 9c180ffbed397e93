// The code that makes what a widget shows, with a button that copies it.

function render({ model, el }) {
  const details = document.createElement("details");
  details.className = "copy-code";
  const summary = document.createElement("summary");
  summary.textContent = "The code of this";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy as code";
  const text = document.createElement("textarea");
  text.readOnly = true;
  text.spellcheck = false;
  text.setAttribute("aria-label", "Python code that makes what is shown");
  text.dataset.lmSuppressShortcuts = "true";
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  details.append(summary, text);
  el.append(button, said, details);

  const fill = () => {
    text.value = model.get("code");
    text.rows = Math.min(text.value.split("\n").length, 20);
    said.textContent = "";
  };
  button.addEventListener("click", async () => {
    details.open = true;
    text.focus();
    text.select();
    try {
      await navigator.clipboard.writeText(text.value);
      said.textContent = " copied: paste it into a cell";
    } catch {
      said.textContent = " selected: press Ctrl+C"; // no clipboard on plain http
    }
  });
  model.on("change:code", fill);
  fill();
  return () => model.off("change:code", fill);
}

export default { render };
