// A text: written, or an example.

import { answers, percent } from "./answer.js";
import { bars } from "./bars.js";
import { element } from "./elements.js";
import { example, path } from "./models.js";
import { askJson } from "./service.js";

const form = document.querySelector("#sentiment form");
const field = document.getElementById("text");
const show = answers("sentiment", verdict, figures);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  judge();
});
form.querySelector("[data-do=example]").addEventListener("click", () => {
  show(async () => {
    field.value = (await example("sentiment")).text;
    return asked();
  });
});
// Enter is for a new line, so the usual key beside it sends.
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

function judge() {
  show(asked);
}

function asked() {
  return askJson(path("sentiment"), { text: field.value });
}

function verdict({ label, probabilities }) {
  return [element("strong", {}, label), `with ${percent(probabilities[label])}`];
}

function figures({ label, probabilities }) {
  return bars(probabilities, label);
}
