// The words of the data: what its rows are, and what is asked and answered.

import { champion, valueName } from "./models.js";

const LABELS = 12; // that are named
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

/** Says above a task what the model that serves it is for. */
export function introduce(task) {
  const model = champion(task);
  const section = document.getElementById(task);
  const about = model.about ? `${model.about} ` : "";
  const asked = task === "forecast" ? steps(model) : `The answer is one of ${labels(model.input.labels)}.`;
  section.querySelector(".about").textContent = about + asked;
  if (task !== "forecast") return;
  const named = valueName() && ` of “${valueName()}”`;
  section.querySelector("label").textContent = `Observed values${named}, the newest last`;
  section.querySelector(".timed").hidden = !model.interval;
}

function labels(names) {
  const some = names.slice(0, LABELS).map((name) => `“${name.slice(0, 40)}”`);
  const left = names.length - some.length;
  return left ? `${names.length} labels: ${some.join(", ")} and ${left} more` : some.join(", ");
}

function steps({ input, interval }) {
  const every = interval ? `, ${spoken(interval)} apart,` : "";
  const more = input.reads > input.history
    ? ` With ${input.reads} values or more the interval follows how its last forecasts went.` : "";
  return `The model reads the last ${input.history} values${every} and forecasts ${input.horizon} more.${more}`;
}

function spoken(seconds) {
  const [size, unit] = UNITS.find(([one]) => seconds % one === 0);
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
