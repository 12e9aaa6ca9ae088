// From strokes to the picture that is sent: a drawing made to look like the data.
//
// The service reads any picture, makes it grey and stretches it to the model's size; it does not
// look for the ink in it. MNIST's digits were brought into one form before they became data: white
// on black, the ink fitted into 20 of the 28 pixels, its centre of mass in the middle. A drawing
// gets the same form here: scaled by the box around its points, drawn with a pen as thick as
// MNIST's whatever its size was on the board, centred by mass, and made small by averaging.
// The smaller `digits` (8 x 8) fill their frame, and are centred by their box.

const FINE = 8; // dots of the large drawing for each pixel, a side
const SMALLEST = 70; // a dot or a short line must not become the largest digit

/** Returns a PNG of the strokes, as a Blob; size: { width, height } in pixels. */
export async function picture(strokes, { width, height }) {
  const tiny = Math.min(width, height) < 20;
  const [share, thick] = tiny ? [0.9, 0.14] : [20 / 28, 2.4 / 28]; // of the frame: ink, pen
  const side = Math.min(width, height) * FINE;
  const pen = thick * side;

  const points = strokes.flat();
  const [left, right] = reach(points.map(([x]) => x));
  const [top, bottom] = reach(points.map(([, y]) => y));
  const scale = (share * side - pen) / Math.max(right - left, bottom - top, SMALLEST);

  const large = surface(width * FINE, height * FINE);
  const middle = [(left + right) / 2, (top + bottom) / 2];
  paint(large, strokes, scale, middle, pen);
  if (!tiny) {
    const mass = centreOfMass(large);
    const moved = middle.map((value, axis) => value + mass[axis] / scale);
    paint(large, strokes, scale, moved, pen);
  }

  const small = surface(width, height);
  small.putImageData(averaged(large, width, height), 0, 0);
  return new Promise((resolve) => small.canvas.toBlob(resolve, "image/png"));
}

function surface(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d", { willReadFrequently: true });
}

/** Draws white on black; the point `middle` of the board comes into the middle. */
function paint(context, strokes, scale, middle, pen) {
  const { width, height } = context.canvas;
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.strokeStyle = "#fff";
  context.lineWidth = pen;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    for (const [x, y] of [stroke[0], ...stroke]) {
      context.lineTo((x - middle[0]) * scale + width / 2, (y - middle[1]) * scale + height / 2);
    }
    context.stroke();
  }
}

/** Where the ink's centre of mass lies, as [x, y] from the middle. */
function centreOfMass(context) {
  const { width, height } = context.canvas;
  const { data } = context.getImageData(0, 0, width, height);
  let [mass, across, down] = [0, 0, 0];
  for (let i = 0; i < width * height; i++) {
    mass += data[4 * i];
    across += data[4 * i] * ((i % width) + 0.5);
    down += data[4 * i] * (Math.floor(i / width) + 0.5);
  }
  return [across / mass - width / 2, down / mass - height / 2];
}

/** Each pixel is the mean of its FINE x FINE dots: no browser's own way of making things small. */
function averaged(context, width, height) {
  const { data } = context.getImageData(0, 0, width * FINE, height * FINE);
  const sums = new Float64Array(width * height);
  for (let y = 0; y < height * FINE; y++) {
    for (let x = 0; x < width * FINE; x++) {
      sums[Math.floor(y / FINE) * width + Math.floor(x / FINE)] += data[4 * (y * width * FINE + x)];
    }
  }
  const pixels = [...sums].flatMap((sum) => [...Array(3).fill(sum / FINE ** 2), 255]);
  return new ImageData(Uint8ClampedArray.from(pixels), width, height);
}

function reach(values) {
  return [Math.min(...values), Math.max(...values)];
}
