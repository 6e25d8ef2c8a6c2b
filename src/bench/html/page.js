const body = document.querySelector("tbody");
const rows = [...body.rows];
for (const [column, head] of document.querySelectorAll("th").entries()) {
  head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "descending";
    document.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "ascending" : "descending");
    const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const numbers = rows.every((row) => !Number.isNaN(Number(key(row))));
    const order = (a, b) => (numbers ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b)));
    body.append(...rows.sort((a, b) => (down ? order(a, b) : order(b, a))));
  });
}
document.querySelector("input").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
