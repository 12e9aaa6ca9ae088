// The models that serve: the answer of GET /v1/models, kept until another model answers.

import { ask, Problem } from "./service.js";

let listed = [];
let missing = [];
let examples = null; // the answer of GET /v1/examples, loaded when it is first needed
let shown = 0; // examples, so that each time another one comes
const chosen = {}; // task → the dataset that a visitor chose

/** Returns { models, missing }: the datasets that have a champion, and those that wait for one. */
export async function loadModels() {
  const list = await ask("v1/models");
  ({ models: listed, missing } = list);
  examples = null;
  return list;
}

/** Returns the metadata of the model that is asked for a task; null while none serves. */
export function champion(task) {
  const models = listed.filter((model) => model.task === task);
  return models.find(({ dataset }) => dataset === chosen[task]) ?? models[0] ?? null;
}

/** Returns another request each time: a row of the test split of the model's own data. */
export async function example(task) {
  examples ??= await ask("v1/examples");
  const { dataset } = champion(task);
  const own = examples.examples.find((one) => one.task === task && one.dataset === dataset);
  if (!own?.requests.length) throw new Problem("This model brings no examples.");
  return own.requests[shown++ % own.requests.length];
}

/** Returns what a series' values are called: the name of their column, where it says more than "value". */
export function valueName() {
  const { value } = champion("forecast");
  return value && value !== "value" ? value : "";
}

/** From now on asks the champion of this dataset for the task. */
export function choose(task, dataset) {
  chosen[task] = dataset;
}

/** Returns where the model of a task is asked: the plain path is the first dataset's. */
export function path(task) {
  const plain = !chosen[task] && missing.every((one) => one.task !== task);
  return plain ? `v1/${task}` : `v1/${task}/${champion(task).dataset}`;
}

/** Returns the metadata of the model that answered; loads the list again if it is a new one. */
export async function described(task, answered) {
  const listedModel = () => listed.find((model) => same(model, answered) && model.task === task);
  if (!listedModel()) await loadModels().catch(() => {}); // the answer stands without it
  return { ...listedModel(), ...answered };
}

function same(one, other) {
  return ["name", "version", "fingerprint"].every((field) => one[field] === other[field]);
}
