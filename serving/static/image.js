// A picture: drawn, chosen or dropped.

import { answers, clearAnswer, percent } from "./answer.js";
import { bars } from "./bars.js";
import { board } from "./board.js";
import { example } from "./digits.js";
import { element } from "./elements.js";
import { takesFiles } from "./files.js";
import { picture } from "./ink.js";
import { champion, path } from "./models.js";
import { ask } from "./service.js";

const section = document.getElementById("image");
const show = answers("image", verdict, figures);
const drawing = board(
  document.getElementById("board"),
  document.getElementById("pen"),
  // Who draws wants the board to stay where it is.
  (strokes, byHand) =>
    strokes.length ? show(() => askDrawn(strokes), { stay: byHand }) : clearAnswer("image"),
);
let examples = 0;

/** Called when it is known which model serves: drawing is for those that read digits. */
export function prepare() {
  const reads = readsDigits();
  for (const part of section.querySelectorAll(".drawn")) part.hidden = !reads;
  section.querySelector("h2").textContent = reads ? "Classify a digit" : "Classify an image";
}

const actions = {
  example: () => (readsDigits() ? drawing.show(example(examples++)) : show(() => askSent(disc()))),
  undo: drawing.undo,
  clear: () => drawing.show([]),
};
for (const button of section.querySelectorAll("[data-do]")) {
  button.addEventListener("click", actions[button.dataset.do]);
}
takesFiles(section.querySelector(".question"), (file) => {
  drawing.show([]);
  show(() => askSent(file));
});

function readsDigits() {
  return champion("image").input.labels.join("") === "0123456789";
}

async function askDrawn(strokes) {
  return askSent(picture(strokes, champion("image").input));
}

async function askSent(coming) {
  const file = await coming;
  const answer = await ask(path("image"), file, file.type || "application/octet-stream");
  return { ...answer, sent: file };
}

/** The example for models of anything else: a light disc, which few of them have learned from. */
function disc() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 96;
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, 96, 96);
  context.fillStyle = "#ddd";
  context.arc(48, 48, 30, 0, 7);
  context.fill();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function verdict({ label, probabilities }) {
  return [element("strong", {}, label), `with ${percent(probabilities[label])}`];
}

function figures({ label, probabilities, sent }) {
  const seen = element("img", { src: URL.createObjectURL(sent), alt: "" });
  seen.addEventListener("load", () => URL.revokeObjectURL(seen.src));
  return [
    ...bars(probabilities, label),
    element("p", { class: "sent" }, seen, "The image that was sent."),
  ];
}
