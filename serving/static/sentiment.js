// A review: written, or an example.

import { answers, percent } from "./answer.js";
import { bars } from "./bars.js";
import { element } from "./elements.js";
import { path } from "./models.js";
import { askJson } from "./service.js";

const EXAMPLES = [
  "I went in tired and came out grinning. The two leads are wonderful together, the script is " +
    "funny without being cruel, and the last half hour is one of the best things I have seen " +
    "in years. I would happily watch it again tomorrow.",
  "What a waste of a good cast. The story makes no sense, the jokes are dull, and by the second " +
    "hour I was only waiting for it to end. The worst film I have paid for this year: avoid it.",
  "The pictures are beautiful and the music is lovely, but nothing ever happens. Some people " +
    "will love how slow it is; I kept looking at my watch, and yet I remember every scene.",
];

const form = document.querySelector("#sentiment form");
const field = document.getElementById("text");
const show = answers("sentiment", verdict, figures);
let examples = 0;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  judge();
});
form.querySelector("[data-do=example]").addEventListener("click", () => {
  field.value = EXAMPLES[examples++ % EXAMPLES.length];
  judge();
});
// Enter is for a new line, so the usual key beside it sends.
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

function judge() {
  const text = field.value;
  show(() => askJson(path("sentiment"), { text }));
}

function verdict({ label, probabilities }) {
  return [element("strong", {}, label), `with ${percent(probabilities[label])}`];
}

function figures({ label, probabilities }) {
  return bars(probabilities, label);
}
