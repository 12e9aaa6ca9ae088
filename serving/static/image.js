// A picture: drawn, chosen or dropped.

import { answers, clearAnswer, percent } from "./answer.js";
import { bars } from "./bars.js";
import { board } from "./board.js";
import { element } from "./elements.js";
import { pictureOf, takesFiles } from "./files.js";
import { picture } from "./ink.js";
import { champion, example, path } from "./models.js";
import { ask, Problem } from "./service.js";

const DRAWN = 32; // pixels a side of the largest pictures that a drawing may look like

const section = document.getElementById("image");
const show = answers("image", verdict, figures);
const drawing = board(
  document.getElementById("board"),
  document.getElementById("pen"),
  // Who draws wants the board to stay where it is.
  (strokes, byHand) =>
    strokes.length ? show(() => askDrawn(strokes), { stay: byHand }) : clearAnswer("image"),
);

/** Called when it is known which model serves: drawing is for small pictures in grey. */
export function prepare() {
  const { width, height, channels } = champion("image").input;
  const small = channels === 1 && Math.max(width, height) <= DRAWN;
  for (const part of section.querySelectorAll(".drawn")) part.hidden = !small;
}

const actions = {
  example: () => {
    drawing.show([]);
    show(async () => askSent(await decoded(await example("image"))));
  },
  undo: drawing.undo,
  clear: () => drawing.show([]),
};
for (const button of section.querySelectorAll("[data-do]")) {
  button.addEventListener("click", actions[button.dataset.do]);
}
takesFiles(section.querySelector(".question"), (file) => {
  drawing.show([]);
  show(async () => askSent(await pictureOf(file)));
});

async function askDrawn(strokes) {
  return askSent(await picture(strokes, champion("image").input));
}

async function askSent(file) {
  try {
    return { ...(await ask(path("image"), file, file.type)), sent: file };
  } catch (problem) {
    if (problem.code !== "not_an_image") throw problem;
    const words = "This picture is damaged or not complete. Open it in a program for pictures, and save it again.";
    throw new Problem(words, problem.requestId);
  }
}

/** The picture of an example: a file as base64. */
function decoded({ image }) {
  return pictureOf(new Blob([Uint8Array.from(atob(image), (letter) => letter.charCodeAt(0))]));
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
