// The parts that every answer shows: verdict or error, familiarity, model metadata.

import { element } from "./elements.js";
import { described } from "./models.js";

const turns = {}; // task → the number of its newest request, or of what took its place

/**
 * Returns show(request, { stay }), which sends a request and shows the answer in its section.
 * request: returns the promise of an answer. stay: whether to scroll, as on a phone, no further
 * than to the verdict, and before the answer comes.
 * verdict, figures: from an answer to nodes.
 */
export function answers(task, verdict, figures) {
  const place = document.querySelector(`#${task} .answer`);
  const [verdictNode, failureNode, figuresNode] = [".verdict", ".failure", ".figures"].map((part) =>
    place.querySelector(part),
  );

  return async function show(request, { stay = false } = {}) {
    const turn = nextTurn(task); // of two requests in flight, the later one is shown
    place.setAttribute("aria-busy", "true");
    if (stay) verdictNode.scrollIntoView({ block: "nearest", behavior: "instant" });
    try {
      const answer = await request();
      const metadata = modelMetadata(await described(task, answer.model), answer.request_id);
      if (turn !== turns[task]) return;
      verdictNode.replaceChildren(...verdict(answer));
      verdictNode.classList.remove("empty");
      failureNode.replaceChildren();
      figuresNode.replaceChildren(...figures(answer), familiarity(answer), metadata);
    } catch (problem) {
      if (turn !== turns[task]) return;
      clear(verdictNode, figuresNode, "No prediction.");
      failureNode.replaceChildren(...failure(problem));
    } finally {
      if (turn === turns[task]) {
        place.removeAttribute("aria-busy");
        if (!stay) bringIntoSight(failureNode.firstChild ? failureNode : verdictNode);
      }
    }
  };
}

/** Scrolls to an answer whose figures would lie below the screen. */
function bringIntoSight(node) {
  const { top } = node.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) node.scrollIntoView({ block: "start" });
}

/** Removes the answer of a task; a request in flight shows none any more. */
export function clearAnswer(task) {
  const place = document.querySelector(`#${task} .answer`);
  nextTurn(task);
  place.removeAttribute("aria-busy");
  place.querySelector(".failure").replaceChildren();
  clear(place.querySelector(".verdict"), place.querySelector(".figures"), "No prediction yet.");
}

/** Returns the error message of the service as nodes. */
export function failure(problem) {
  const lines = [element("p", {}, problem.message)];
  if (problem.requestId) {
    lines.push(element("p", { class: "quiet small" }, `Request ${problem.requestId}`));
  }
  return lines;
}

/** Returns a share in percent; 100 % and 0 % only where it is exact. */
export function percent(share) {
  if (share > 0.999 && share < 1) return ">\u00a099.9\u00a0%"; // on one line
  if (share < 0.001 && share > 0) return "<\u00a00.1\u00a0%";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

function nextTurn(task) {
  turns[task] = (turns[task] ?? 0) + 1;
  return turns[task];
}

function clear(verdictNode, figuresNode, message) {
  verdictNode.textContent = message;
  verdictNode.classList.add("empty");
  figuresNode.replaceChildren();
}

function familiarity({ familiar, familiarity: score }) {
  if (familiar === undefined) {
    const words = "This model has no guard, so it cannot say whether the input is like the training data.";
    return element("p", { class: "familiar quiet" }, element("b", {}, "–"), words);
  }
  const words = familiar
    ? `Familiar: the input is like the training data. Score ${score.toPrecision(2)}: ` +
      `${percent(score)} of such data look at least as odd.`
    : `Unfamiliar: the input is unlike the training data, so do not rely on the prediction. ` +
      `Score ${score.toPrecision(2)}, below 0.01.`;
  const mark = element("b", { "aria-hidden": "true" }, familiar ? "✓" : "✗");
  return element("p", { class: familiar ? "familiar" : "familiar not" }, mark, words);
}

function modelMetadata(model, requestId) {
  const command = `espalier trace ${model.name}/${model.version}`;
  const run = () => element("a", { href: model.run, rel: "noreferrer" }, "run in MLflow");
  const entries = {
    Model: [`${model.name}, version ${model.version}`],
    Architecture: [model.arch ?? "unknown"],
    Dataset: [model.dataset ?? "unknown"],
    Fingerprint: [element("code", {}, model.fingerprint)],
    Lineage: model.run ? [run()] : copyable(command),
    Request: [element("code", {}, requestId)],
  };
  const lines = Object.entries(entries).map(([name, value]) =>
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
