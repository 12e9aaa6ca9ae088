// Files that are chosen, or dropped on the part of the page that asks for them.

/** take(file): called with each file that is chosen in `area` or dropped on it. */
export function takesFiles(area, take) {
  const field = area.querySelector("input[type=file]");
  field.addEventListener("change", () => {
    const [file] = field.files;
    if (file) take(file);
    field.value = ""; // so that the same file can be chosen again
  });
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) area.classList.remove("over");
  });
  area.addEventListener("drop", (event) => {
    area.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (!file) return; // dropped words are for the field below
    event.preventDefault();
    take(file);
  });
}
