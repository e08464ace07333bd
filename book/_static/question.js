// Questions: the answer that a reader opened is opened again when the page is, as long as the browser remembers.
for (const question of document.querySelectorAll(".question")) {
  const key = location.pathname + question.id, answers = [...question.querySelectorAll("details")];
  const chosen = answers[localStorage.getItem(key) ?? -1];
  if (chosen) chosen.open = true;
  answers.forEach((answer, number) => answer.addEventListener("toggle", () => answer.open && localStorage.setItem(key, number)));
}
