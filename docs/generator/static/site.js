"use strict";

/* Make horizontally scrolling blocks scrollable by keyboard. */
for (const wide of document.querySelectorAll(".highlight pre, .table-wrapper")) {
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}

/* The theme's navigation captions are headings without a level. */
for (const part of document.querySelectorAll(".sidebar-tree .caption")) {
  part.ariaLevel = "2";
}

/* A copy button on each code block. Browsers allow the clipboard only on https and localhost;
   elsewhere there is no button. */
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
