// A series: pasted, loaded, or an example.

import { answers } from "./answer.js";
import { chart, number, table } from "./chart.js";
import { element } from "./elements.js";
import { takesFiles } from "./files.js";
import { champion, path } from "./models.js";
import { example, numbersOf, Unreadable } from "./series.js";
import { askJson } from "./service.js";

const MOST_BYTES = 4 << 20; // of a file: all of it stands in the field, of which only the end counts

const form = document.querySelector("#forecast form");
const field = document.getElementById("series");
const readNote = document.getElementById("series-read"); // how many values were read
const show = answers("forecast", verdict, figures);
let examples = 0;
let answered = false; // whether an answer is shown that another level would change

form.addEventListener("submit", (event) => {
  event.preventDefault();
  forecast();
});
form.querySelector("[data-do=example]").addEventListener("click", () => {
  field.value = example(champion("forecast").input, examples++).join(", ");
  forecast();
});
field.addEventListener("input", () => (readNote.textContent = ""));
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
for (const choice of form.querySelectorAll("[name=level]")) {
  choice.addEventListener("change", () => answered && forecast());
}
takesFiles(form, async (file) => {
  const fits = file.size <= MOST_BYTES;
  field.value = fits ? await file.text() : "";
  if (fits) forecast();
  else show(tooLarge);
});

/** Requests the forecast of the series in the field, and shows it after the observed values. */
function forecast() {
  answered = true;
  const text = field.value;
  const level = Number(new FormData(form).get("level"));
  readNote.textContent = "";
  show(async () => {
    const values = numbersOf(text);
    const history = values.slice(-champion("forecast").input.history); // the rest would not count
    const left = values.length - history.length;
    readNote.textContent = `${values.length} values read${left ? `; the model uses the last ${history.length}` : ""}.`;
    return { ...(await askJson(path("forecast"), { history, level })), history };
  });
}

async function tooLarge() {
  throw new Unreadable("The file is too large; at most 4 MiB are allowed.");
}

function verdict({ forecast, lower, upper, level }) {
  const [value, low, high] = [forecast, lower, upper].map((one) => one.at(-1));
  const short = (one) => number(one, high - low);
  return [
    element("strong", {}, short(value)),
    `in ${forecast.length} steps; with ${100 * level}\u00a0% between ${short(low)} and ${short(high)}`,
  ];
}

function figures(answer) {
  const scroll = element("div", { class: "scroll" }, table(answer));
  const details = element("details", {}, element("summary", {}, "Table of values"), scroll);
  return [chart(answer), details];
}
