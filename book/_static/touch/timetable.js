// Part II: when each block works, if every block has a machine of its own.
import { add, canvas, colour, says, slider, switched } from "./parts.js";

export const schedule = (blocks, batches, locking) => {
  const tasks = [], updated = Array(blocks).fill(-1);
  for (let batch = 0; batch < batches; batch++) {
    const forward = [];
    for (let block = 0; block < blocks; block++) {
      const below = block > 0 && locking !== "both unlocked" ? forward[block - 1] : -1;
      forward.push(Math.max(updated[block], below) + 1);
      tasks.push({ batch, block, work: "forward", start: forward[block] });
    }
    for (let block = blocks - 1; block >= 0; block--) {
      const above = block < blocks - 1 && locking === "locked" ? updated[block + 1] : -1;
      updated[block] = Math.max(forward[block], above) + 1;
      tasks.push({ batch, block, work: "update", start: updated[block] });
    }
  }
  return tasks;
};

export const figure = stage => {
  const state = { blocks: 4, backward: false, forward: false }, batches = 3;
  const form = stage.appendChild(document.createElement("form"));
  const width = stage.clientWidth < 480 ? 320 : 640, picture = canvas(stage, width, 300, "A timetable: a row for each block, a box for each unit of work"), tell = says(stage);

  const draw = () => {
    const locking = state.forward ? "both unlocked" : state.backward ? "backward unlocked" : "locked";
    const tasks = schedule(state.blocks, batches, locking), end = Math.max(...tasks.map(task => task.start + 1));
    const longest = 2 * state.blocks * batches, height = 260 / state.blocks, unit = (width - 60) / longest;
    picture.replaceChildren();
    for (const { batch, block, work, start } of tasks) {
      const y = 270 - height * (block + 1), box = { x: 55 + unit * start, y: y + 2, width: unit - 1, height: height - 4 };
      add(picture, "rect", { ...box, class: work, fill: colour(batch), stroke: colour(batch) });
      if (unit > 14) add(picture, "text", { x: box.x + unit / 2, y: y + height / 2 + 5, "text-anchor": "middle" }, batch + 1);
      if (batch === 0 && work === "forward") add(picture, "text", { x: 4, y: y + height / 2 + 5 }, `block ${block + 1}`);
    }
    add(picture, "text", { x: (width + 50) / 2, y: 292, "text-anchor": "middle" }, "time (units of work)");
    tell(`${state.blocks} blocks, ${locking}: ${batches} batches take ${end} units of work, ${longest} where all is locked. Empty boxes are forward passes, filled ones updates.`);
  };

  const change = name => value => { state[name] = value; draw(); };
  slider(form, "blocks", { min: 2, max: 8, step: 1, value: state.blocks }, change("blocks"));
  const backward = value => change("backward")(value), forward = value => change("forward")(value);
  switched(form, "gradients are predicted", backward);
  switched(form, "inputs are predicted too", forward);
  draw();
};
