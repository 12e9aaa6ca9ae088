// What every answer shows: its verdict, or what went wrong; how familiar the input is; the model.

import { element } from "./elements.js";
import { described } from "./models.js";

/**
 * Returns show(asking, { stay }): asks, and shows the answer in the section's place for it.
 * asking: returns the promise of an answer. stay: whether to leave it out of sight where it is,
 * as it may be on a phone. verdict, figures: from an answer to nodes.
 */
export function answers(task, verdict, figures) {
  const place = document.querySelector(`#${task} .answer`);
  const [said, failed, shown] = [".verdict", ".failure", ".figures"].map((part) =>
    place.querySelector(part),
  );
  let newest = 0;

  return async function show(asking, { stay = false } = {}) {
    const turn = ++newest; // of two under way, the one asked last is shown, whichever comes first
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await asking();
      const facts = modelFacts(await described(task, answer.model), answer.request_id);
      if (turn !== newest) return;
      said.replaceChildren(...verdict(answer));
      said.classList.remove("empty");
      failed.replaceChildren();
      shown.replaceChildren(...figures(answer), familiarity(answer), facts);
    } catch (problem) {
      if (turn !== newest) return;
      forget(said, shown, "No answer.");
      failed.replaceChildren(...failure(problem));
    } finally {
      if (turn === newest) {
        place.removeAttribute("aria-busy");
        if (!stay) (failed.firstChild ? failed : said).scrollIntoView({ block: "nearest" });
      }
    }
  };
}

/** Empties the place of a task's answer; one that is under way may still fill it. */
export function clearAnswer(task) {
  const place = document.querySelector(`#${task} .answer`);
  place.querySelector(".failure").replaceChildren();
  forget(place.querySelector(".verdict"), place.querySelector(".figures"), "The answer comes here.");
}

/** What went wrong, in the words of the service. */
export function failure(problem) {
  const lines = [element("p", {}, problem.message)];
  if (problem.requestId) {
    lines.push(element("p", { class: "quiet small" }, `Request ${problem.requestId}`));
  }
  return lines;
}

/** A share as a person reads it: never 100 % or 0 % of what is only nearly so. */
export function percent(share) {
  if (share > 0.999 && share < 1) return ">\u00a099.9\u00a0%"; // on one line
  if (share < 0.001 && share > 0) return "<\u00a00.1\u00a0%";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

function forget(said, shown, words) {
  said.textContent = words;
  said.classList.add("empty");
  shown.replaceChildren();
}

function familiarity({ familiar, familiarity: score }) {
  if (familiar === undefined) {
    const words = "This model came without a guard: it cannot say whether it knows such input.";
    return element("p", { class: "familiar quiet" }, element("b", {}, "–"), words);
  }
  const words = familiar
    ? `Familiar: it looks like the data that the model learned from. Score ${score.toPrecision(2)}: ` +
      `of such data, ${percent(score)} looks at least as odd.`
    : `Unfamiliar: the model has not learned from anything like it, so do not rely on the answer. ` +
      `Score ${score.toPrecision(2)}, below 0.01.`;
  const mark = element("b", { "aria-hidden": "true" }, familiar ? "✓" : "✗");
  return element("p", { class: familiar ? "familiar" : "familiar not" }, mark, words);
}

function modelFacts(model, requestId) {
  const command = `espalier trace ${model.name}/${model.version}`;
  const run = () => element("a", { href: model.run, rel: "noreferrer" }, "its run in MLflow");
  const facts = {
    "Answered by": [`${model.name}, version ${model.version}`],
    Architecture: [model.arch ?? "not known"],
    "Learned from": [model.dataset ?? "not known"],
    Fingerprint: [element("code", {}, model.fingerprint)],
    Lineage: model.run ? [run()] : copyable(command),
    Request: [element("code", {}, requestId)],
  };
  const lines = Object.entries(facts).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, ...value)),
  );
  return element("dl", { class: "facts" }, ...lines);
}

function copyable(command) {
  const code = element("code", {}, command);
  const button = element("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    // The clipboard is there on https and on loopback only: elsewhere the words are selected.
    const copied = await navigator.clipboard?.writeText(command).then(
      () => true,
      () => false,
    );
    if (!copied) getSelection().selectAllChildren(code);
    button.textContent = copied ? "Copied" : "Selected";
  });
  return [code, button];
}
