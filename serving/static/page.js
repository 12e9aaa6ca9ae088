// The page: the tasks that this service has, and the section of each.

import { clearAnswer, failure } from "./answer.js";
import { element } from "./elements.js";
import "./forecast.js";
import { prepare } from "./image.js";
import { champion, choose, loadModels } from "./models.js";
import "./sentiment.js";
import { introduce } from "./words.js";

const TASKS = { image: "images", sentiment: "texts", forecast: "series" };

async function start() {
  const notice = document.getElementById("notice");
  notice.hidden = true;
  try {
    const { models, missing } = await loadModels();
    for (const task of Object.keys(TASKS)) showTask(task, models, missing);
  } catch (problem) {
    for (const task of Object.keys(TASKS)) place(task, [element("p", {}, "The models could not be loaded.")]);
    notice.replaceChildren(...failure(problem), again());
    notice.hidden = false;
  }
}

/** Shows the controls of a task, or why it has none: no champion yet, or not served here. */
function showTask(task, models, missing) {
  const waiting = missing.find((one) => one.task === task);
  if (models.some((model) => model.task === task)) {
    place(task, []);
    offer(task, models);
    begin(task);
  } else if (waiting) {
    const command = element("code", {}, `espalier run --task ${task}`);
    const words = `No champion serves ${TASKS[task]} yet: ${waiting.reason}. Train one with `;
    place(task, [element("p", {}, words, command, "; it then serves without a restart."), again()]);
  } else {
    const words = `This service does not serve ${TASKS[task]}: it was started for other tasks.`;
    place(task, [element("p", {}, words)]);
  }
}

/** Shows a choice of dataset where a task has several. */
function offer(task, models) {
  const datasets = models.filter((model) => model.task === task).map(({ dataset }) => dataset);
  const options = datasets.map((dataset) => element("option", {}, dataset));
  const select = element("select", {}, ...options);
  select.value = champion(task).dataset;
  select.addEventListener("change", () => {
    choose(task, select.value);
    clearAnswer(task);
    begin(task);
  });
  const choice = datasets.length > 1 ? [element("label", {}, "Dataset ", select)] : [];
  document.querySelector(`#${task} .datasets`).replaceChildren(...choice);
}

/** Asks for what the chosen model of a task is for. */
function begin(task) {
  introduce(task);
  if (task === "image") prepare();
}

/** Puts words in the place of a task's controls; without words the controls are shown. */
function place(task, words) {
  const section = document.getElementById(task);
  const instead = section.querySelector(".unserved");
  instead.replaceChildren(...words);
  instead.hidden = words.length === 0;
  section.querySelector(".task").hidden = words.length > 0;
}

function again() {
  const button = element("button", { type: "button" }, "Retry");
  button.addEventListener("click", start);
  return button;
}

start();
