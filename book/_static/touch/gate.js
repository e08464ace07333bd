// Part III: a gate between the identity and a layer, and what is left of the gradient in fifty layers.
import { add, choice, halves, random, says, slider } from "./parts.js";

const WIDTH = 20, LAYERS = 48;
export const matrices = (seed = 1) => {
  const uniform = random(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: LAYERS }, () => Array.from({ length: WIDTH }, () => Array.from({ length: WIDTH }, () => 0.1 * normal())));
};

const early = { identity: (x, u) => x, gReLU: (x, u) => u };

// The norm of the gradient of y·y/2 at the input of each layer, first layer first; x ← g relu(xW) + (1 - g) early.
export const norms = (gate, kind, weights, input) => {
  const seen = [];
  let x = input;
  for (const matrix of weights) {
    const u = matrix[0].map((_, j) => x.reduce((sum, value, i) => sum + value * matrix[i][j], 0));
    seen.push(u);
    x = u.map((value, j) => gate * Math.max(value, 0) + (1 - gate) * early[kind](x[j], value));
  }
  let slope = x;
  return weights.map((_, back) => {
    const matrix = weights[LAYERS - 1 - back], u = seen[LAYERS - 1 - back];
    const through = kind === "gReLU" ? 1 - gate : 0;
    const du = slope.map((value, j) => value * (gate * (u[j] > 0) + through));
    slope = matrix.map((row, i) => row.reduce((sum, value, j) => sum + value * du[j], 0) + (kind === "identity" ? (1 - gate) * slope[i] : 0));
    return Math.hypot(...slope);
  }).reverse();
};

export const figure = stage => {
  const state = { gate: 0.5, kind: "identity" }, weights = matrices(), input = Array(WIDTH).fill(1);
  const form = stage.appendChild(document.createElement("form"));
  const [bend, depth] = halves(stage, 280, "The activation at this gate, and the norm of the gradient through the layers"), tell = says(stage);

  const draw = () => {
    bend.replaceChildren();
    add(bend, "path", { d: "M20 130H270 M145 20V250", class: "axis" });
    const y = x => state.gate * Math.max(x, 0) + (1 - state.gate) * x;
    add(bend, "polyline", { points: [-2, 0, 2].map(x => `${145 + 60 * x},${130 - 55 * y(x)}`).join(" "), stroke: "#0072B2" });
    add(bend, "text", { x: 145, y: 272, "text-anchor": "middle" }, "activation against its input");
    depth.replaceChildren();
    add(depth, "path", { d: "M34 30V230H310", class: "axis" });
    const found = norms(state.gate, state.kind, weights, input), last = Math.hypot(...input);
    const exponent = value => Math.max(-30, Math.log10(value / last));
    const line = found.map((value, layer) => `${39 + (268 * layer) / (LAYERS - 1)},${40 - 6 * exponent(value)}`);
    add(depth, "polyline", { points: line.join(" "), stroke: "#D55E00" });
    for (const power of [0, -10, -20, -30]) add(depth, "text", { x: 28, y: 45 - 6 * power, "text-anchor": "end" }, power);
    add(depth, "text", { x: 172, y: 252, "text-anchor": "middle" }, "layer, first to last");
    add(depth, "text", { x: 172, y: 272, "text-anchor": "middle" }, "power of ten of the gradient's norm");
    tell(`Gate ${state.gate.toFixed(2)}: at the first of ${LAYERS} layers the gradient's norm is ${found[0].toExponential(1)}.`);
  };

  slider(form, "gate g", { min: 0, max: 1, step: 0.01, value: state.gate }, value => { state.gate = value; draw(); });
  choice(form, "between a ReLU layer and", ["identity", "gReLU"], value => { state.kind = value; draw(); });
  draw();
};
