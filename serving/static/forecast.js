// A series: pasted, loaded, or an example.

import { answers } from "./answer.js";
import { chart, clock, number, table } from "./chart.js";
import { element } from "./elements.js";
import { takesFiles, textOf } from "./files.js";
import { champion, example, path, valueName } from "./models.js";
import { numbersOf } from "./series.js";
import { askJson } from "./service.js";

const MOST_BYTES = 4 << 20; // of a file: all of it stands in the field, of which only the end counts

const form = document.querySelector("#forecast form");
const field = document.getElementById("series");
const lastTime = document.getElementById("series-time");
const readNote = document.getElementById("series-read"); // how many values were read
const show = answers("forecast", verdict, figures);
let answered = false; // whether an answer is shown that another level would change

form.addEventListener("submit", (event) => {
  event.preventDefault();
  forecast();
});
form.querySelector("[data-do=example]").addEventListener("click", () => {
  forecast(async () => (await example("forecast")).history.join(", "));
});
field.addEventListener("input", () => (readNote.textContent = ""));
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
for (const choice of form.querySelectorAll("[name=level]")) {
  choice.addEventListener("change", () => answered && forecast());
}
takesFiles(form, (file) => forecast(() => textOf(file, MOST_BYTES)));

/**
 * Requests the forecast of the series in the field, and shows it after the observed values.
 * coming: returns the promise of a text that is to be in the field instead.
 */
function forecast(coming) {
  answered = true;
  const level = Number(new FormData(form).get("level"));
  readNote.textContent = "";
  show(async () => {
    if (coming) {
      [field.value, lastTime.value] = ["", ""]; // both are of another series
      field.value = await coming();
    }
    const values = numbersOf(field.value);
    const { input } = champion("forecast");
    const history = values.slice(-input.reads); // the rest would not count
    const left = values.length - history.length;
    readNote.textContent = `${values.length} values read${left ? `; the model uses the last ${history.length}` : ""}.`;
    const time = lastTime.value && champion("forecast").interval ? { time: lastTime.value } : {};
    return { ...(await askJson(path("forecast"), { history, level, ...time })), history: history.slice(-input.history) };
  });
}

function verdict({ forecast, lower, upper, level, times }) {
  const [value, low, high] = [forecast, lower, upper].map((one) => one.at(-1));
  const short = (one) => number(one, high - low);
  const when = times ? `at ${clock(times.at(-1))}` : `in ${forecast.length} steps`;
  return [
    element("strong", {}, short(value)),
    `${valueName()} ${when}; with ${100 * level}\u00a0% between ${short(low)} and ${short(high)}`,
  ];
}

function figures(answer) {
  const scroll = element("div", { class: "scroll" }, table(answer));
  const details = element("details", {}, element("summary", {}, "Table of values"), scroll);
  return [chart(answer), details];
}
