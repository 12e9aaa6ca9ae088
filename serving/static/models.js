// The models that serve: the answer of GET /v1/models, kept until another model answers.

import { ask } from "./service.js";

let listed = [];

/** Returns { models, missing }: the tasks that have a champion, and those that wait for one. */
export async function loadModels() {
  const list = await ask("v1/models");
  listed = list.models;
  return list;
}

/** Returns the metadata of the model that serves a task; null while none does. */
export function champion(task) {
  return listed.find((model) => model.task === task) ?? null;
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
