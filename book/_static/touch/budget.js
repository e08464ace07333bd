// Part IV: a budget of weights, and what each family makes of one 3×3 convolution from 64 to 64 channels on 32×32 pixels.
import { add, choice, halves, random, says, slider } from "./parts.js";

const C = 64, K = 3, PIXELS = 32 * 32, DEPTHWISE = K * K * C;
const powers = [1, 2, 4, 8, 16];
const largest = (most, fits) => Array.from({ length: most }, (_, i) => most - i).find(fits) ?? 1;

// For a budget: the hyperparameter that comes nearest from below, the weights and the multiplications.
export const FAMILIES = {
  dense: () => ({ weights: K * K * C * C, multiplications: K * K * C * C * PIXELS }),
  separable: () => ({ weights: DEPTHWISE + C * C, multiplications: (DEPTHWISE + C * C) * PIXELS }),
  "low rank": budget => {
    const rank = largest(C, r => DEPTHWISE + 2 * r * C <= budget), weights = DEPTHWISE + 2 * rank * C;
    return { name: `rank ${rank}`, rank, weights, multiplications: weights * PIXELS };
  },
  shuffle: budget => {
    const inner = C / 4, size = g => (C * inner) / g + K * K * inner + (inner * C) / g;
    const groups = powers.find(g => size(g) <= budget) ?? 16;
    return { name: `${groups} groups`, groups, weights: size(groups), multiplications: size(groups) * PIXELS };
  },
  hashed: budget => {
    const weights = Math.max(1, Math.min(budget, K * K * C * C));
    return { name: `${weights} places`, weights, multiplications: K * K * C * C * PIXELS };
  },
  ACDC: budget => {
    const links = largest(128, n => DEPTHWISE + 2 * n * C <= budget), chain = Math.round(links * C * (4 + 5 * Math.log2(C)));
    return { name: `${links} links`, links, weights: DEPTHWISE + 2 * links * C, multiplications: (DEPTHWISE + Math.min(chain, C * C)) * PIXELS };
  },
};

const N = 24; // cells of the picture of the matrix that mixes channels
const matrix = (family, found, weights) => {
  const draw = random(7), normal = () => draw() - 0.5, full = () => Array.from({ length: N }, () => Array.from({ length: N }, normal));
  const product = (one, other) => one.map(row => other[0].map((_, j) => row.reduce((sum, value, i) => sum + value * other[i][j], 0)));
  const thin = rank => Array.from({ length: N }, () => Array.from({ length: Math.max(1, Math.round((rank * N) / C)) }, normal));
  const turned = rows => rows[0].map((_, j) => rows.map(row => row[j]));
  const blocks = groups => full().map((row, i) => row.map((value, j) => (Math.floor((i * groups) / N) === Math.floor((j * groups) / N) ? value : 0)));
  if (family === "low rank") return product(thin(found.rank), turned(thin(found.rank)));
  if (family === "shuffle") return blocks(found.groups);
  if (family === "hashed") {
    const store = Array.from({ length: Math.max(1, Math.round((weights / (K * K * C * C)) * N * N)) }, normal);
    return full().map(row => row.map(() => store[Math.floor(draw() * store.length)]));
  }
  if (family === "ACDC") {
    const cosine = Array.from({ length: N }, (_, i) => Array.from({ length: N }, (_, j) => Math.cos((Math.PI * (2 * j + 1) * i) / (2 * N)) * Math.sqrt((i ? 2 : 1) / N)));
    const scaled = rows => rows.map(row => row.map(value => value * (1 + 1.2 * normal())));
    return Array.from({ length: Math.min(found.links, 8) }).reduce(sofar => product(product(scaled(sofar), turned(cosine)), scaled(cosine)), cosine.map((row, i) => row.map((_, j) => Number(i === j))));
  }
  return full();
};

export const figure = stage => {
  const state = { budget: 3000, family: "low rank" }, form = stage.appendChild(document.createElement("form"));
  const [mixing, costs] = halves(stage, 300, "The matrix that mixes channels, and what each family costs at this budget"), tell = says(stage);

  const draw = () => {
    mixing.replaceChildren();
    costs.replaceChildren();
    const all = Object.fromEntries(Object.entries(FAMILIES).map(([name, make]) => [name, make(state.budget)]));
    const cells = matrix(state.family, all[state.family], all[state.family].weights), most = Math.max(...cells.flat().map(Math.abs));
    cells.forEach((row, i) => row.forEach((value, j) => {
      if (value) add(mixing, "rect", { x: 10 + 11 * j, y: 20 + 11 * i, width: 11, height: 11, fill: value > 0 ? "#0072B2" : "#D55E00", "fill-opacity": (Math.abs(value) / most).toFixed(2) });
    }));
    Object.entries(all).forEach(([name, { weights, multiplications }], row) => {
      const y = 45 + 44 * row, width = value => Math.max(2, 40 * Math.log10(value) - 60);
      add(costs, "text", { x: 68, y: y + 4, "text-anchor": "end", class: name === state.family ? "chosen" : "" }, name);
      add(costs, "rect", { x: 76, y: y - 12, width: width(weights), height: 10, fill: "#0072B2" });
      add(costs, "rect", { x: 76, y, width: width(multiplications) / 2.2, height: 10, fill: "#D55E00" });
      add(costs, "text", { x: 80 + width(weights), y: y - 3, class: "small" }, weights.toLocaleString("en"));
      add(costs, "text", { x: 80 + width(multiplications) / 2.2, y: y + 9, class: "small" }, `${(multiplications / 1e6).toFixed(1)} M`);
    });
    const { name, weights, multiplications } = all[state.family];
    tell(`${state.family}${name ? ` of ${name}` : ""}: ${weights.toLocaleString("en")} weights, ${(multiplications / 1e6).toFixed(1)} million multiplications for an image; dense: 36,864 and 37.7 million. Blue bars are weights, orange ones multiplications, both on a logarithmic scale.`);
  };

  slider(form, "budget of weights", { min: 800, max: 8000, step: 100, value: state.budget }, value => { state.budget = value; draw(); });
  choice(form, "matrix of", ["low rank", "shuffle", "hashed", "ACDC", "separable", "dense"], value => { state.family = value; draw(); });
  draw();
};
