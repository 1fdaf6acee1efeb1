/* A button on each block of code that copies it. Browsers give the clipboard to https and to this
   machine alone; elsewhere there is no button. */
"use strict";

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
