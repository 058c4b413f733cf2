"use strict";
// Steps through each trace of the page. Everything is drawn already; this moves the cursor and
// tells what each server is at it.
document.documentElement.classList.add("js");

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function stepper(section) {
  const frames = JSON.parse(section.querySelector("script").textContent);
  const find = (selector) => section.querySelector(selector);
  const details = find("details"), picture = find(".picture");
  const last = frames.steps.length;
  // What every server is after each step: those that a step leaves alone are as before.
  const states = [frames.start];
  for (const step of frames.steps) {
    const before = states[states.length - 1];
    states.push(before.map((facts, server) => step.servers[server] || facts));
  }
  let at = 0;

  function card(server) {
    const now = states[at][server], before = states[Math.max(at - 1, 0)][server];
    const made = element("section", "server");
    made.append(element("h3", "", "S" + server));
    const list = element("dl");
    now.forEach((fact, place) => {
      const old = before[place].value, isNew = old !== fact.value;
      if (fact.value === "" && !isNew) return;
      const value = element("dd", isNew ? "new" : "");
      if (isNew) value.append(element("del", "", old === "" ? "none" : old));
      value.append(fact.value === "" ? "none" : fact.value);
      list.append(element("dt", "", fact.name), value);
      if (isNew) made.classList.add("changed");
    });
    made.append(list);
    return made;
  }

  function show(step, scroll) {
    at = Math.min(Math.max(step, 0), last);
    const frame = frames.steps[at - 1];
    section.dataset.at = at;
    find(".where").textContent = at === 0 ? "before step 1 of " + last : "step " + at + " of " + last;
    find(".action").textContent = frame ? frame.action : "the beginning";
    find(".sent").replaceChildren(...(frame ? frame.sent : []).map((text) => element("li", "", text)));
    find(".servers").replaceChildren(...frames.start.map((_, server) => card(server)));
    for (const button of section.querySelectorAll("[data-go]")) {
      const backwards = button.dataset.go === "first" || button.dataset.go === "back";
      button.disabled = at === (backwards ? 0 : last);
    }
    for (const row of section.querySelectorAll("rect.row")) {
      const here = Number(row.dataset.step) === at;
      row.classList.toggle("at", here);
      if (here && scroll) {
        const box = row.getBoundingClientRect(), view = picture.getBoundingClientRect();
        picture.scrollTop += box.top - view.top - (view.height - box.height) / 2;
      }
    }
    if (at === 0 && scroll) picture.scrollTop = 0;
  }

  const ways = { first: () => 0, back: () => at - 1, on: () => at + 1, last: () => last };
  const go = (way) => show(ways[way](), true);
  section.addEventListener("click", (event) => {
    current = section;
    const button = event.target.closest("[data-go]");
    const row = event.target.closest("[data-step]");
    if (button) go(button.dataset.go);
    else if (row) show(Number(row.dataset.step), false);
  });
  section.go = go;
  section.reveal = () => { details.open = true; current = section; };
  details.addEventListener("toggle", () => { if (details.open && !current) current = section; });
  // A violation is shown at the step that completes it; one steps back from there.
  show(details.open ? last : 0, false);
}

const traces = [...document.querySelectorAll(".trace")];
let current;
traces.forEach(stepper);
current = traces.find((trace) => trace.querySelector("details").open);

const keys = {
  ArrowLeft: "back", k: "back", ArrowRight: "on", j: "on", Home: "first", End: "last",
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || !current) return;
  const way = keys[event.key];
  if (!way) return;
  event.preventDefault();
  current.go(way);
});

// A link to a trace opens it.
function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = traces.find((trace) => trace.id === id);
  if (target) {
    target.reveal();
    target.scrollIntoView();
  }
}
window.addEventListener("hashchange", follow);
follow();
