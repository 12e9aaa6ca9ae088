// Which models serve: what GET /v1/models says, kept until an answer names another one.

import { ask } from "./service.js";

let listed = [];

/** Returns { models, missing }: the tasks that have a champion, and those that wait for one. */
export async function look() {
  const told = await ask("v1/models");
  listed = told.models;
  return told;
}

/** What is known of the model that serves a task; null while none does. */
export function champion(task) {
  return listed.find((model) => model.task === task) ?? null;
}

/** All that is known of the model that answered: another one may have come since the last look. */
export async function described(task, answered) {
  const known = () => listed.find((model) => same(model, answered) && model.task === task);
  if (!known()) await look().catch(() => {}); // the answer stands without it
  return { ...known(), ...answered };
}

function same(one, other) {
  return ["name", "version", "fingerprint"].every((field) => one[field] === other[field]);
}
