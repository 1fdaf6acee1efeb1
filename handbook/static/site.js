"use strict";

/* What scrolls sideways can be scrolled by keys too. */
for (const wide of document.querySelectorAll(".highlight pre, .table-wrapper")) {
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}

/* The theme calls the parts of the navigation headings, and leaves out of which level. */
for (const part of document.querySelectorAll(".sidebar-tree .caption")) {
  part.ariaLevel = "2";
}

/* A button on each block of code that copies it. Browsers give the clipboard to https and to this
   machine alone; elsewhere there is no button. */
for (const block of navigator.clipboard ? document.querySelectorAll(".highlight") : []) {
  const code = block.querySelector("pre");
  const button = document.createElement("button");
  button.className = "copy";
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
  });
  button.addEventListener("blur", () => {
    button.textContent = "Copy";
  });
  block.append(button);
}
