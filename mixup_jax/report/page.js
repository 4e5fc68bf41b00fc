// Sort and filter the tables, and tell the values of figures at once. The page is whole without it.
// Nothing is written into the page as HTML: names of runs and classes are only read, and shown as text.
{
  const words = new Intl.Collator(undefined, { numeric: true });
  const valueOf = (row, place) => row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
  const rowsOf = (body) => [...body.rows].filter((row) => row.classList.contains("row"));

  // Where a column has values, rows without one come last in both directions.
  const compare = (a, b, numbers, direction) => {
    if (!numbers) return direction * words.compare(a, b);
    if (a === "" || b === "") return (a === "") - (b === "");
    return direction * (Number(a) - Number(b));
  };

  const sort = (table, head, place) => {
    const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const rows = [...table.tBodies].flatMap(rowsOf);
    const numbers = rows.some((row) => row.cells[place].dataset.value !== undefined);
    for (const body of table.tBodies) {
      const sorted = rowsOf(body).sort((a, b) => compare(valueOf(a, place), valueOf(b, place), numbers, direction));
      body.append(...sorted);
    }
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  };

  const filter = (table, wanted, output) => {
    let shown = 0, all = 0;
    for (const body of table.tBodies) {
      const rows = rowsOf(body);
      const heading = [...body.rows].find((row) => !rows.includes(row));
      const above = heading ? heading.textContent : "";
      for (const row of rows) {
        const text = `${above} ${row.textContent}`.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      all += rows.length;
      if (heading) heading.hidden = rows.every((row) => row.hidden);
    }
    output.textContent = shown < all ? `${shown} of ${all} rows` : "";
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const rows = [...table.tBodies].flatMap(rowsOf);
    if (rows.length < 2) continue;
    table.classList.add("live");
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head, place));
      head.append(button);
    });
    if (rows.length < 8) continue;
    const [label, input, output] = ["label", "input", "output"].map((name) => document.createElement(name));
    input.type = "search";
    input.addEventListener("input", () => filter(table, input.value.toLowerCase().split(/\s+/), output));
    label.className = "filter";
    label.append("Filter rows ", input, output);
    (table.closest(".scroll") ?? table).before(label);
  }

  // A browser shows a title after a while, and on a telephone never.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  addEventListener("pointerover", (event) => {
    const mark = event.target.closest("[data-told], svg.chart :has(> title)");
    tip.hidden = !mark;
    if (!mark) return;
    const title = mark.querySelector("title");
    if (title) [mark.dataset.told] = [title.textContent, title.remove()];
    tip.textContent = mark.dataset.told;
    const side = event.clientX > innerWidth / 2;
    tip.style.left = side ? "" : `${event.clientX + 14}px`;
    tip.style.right = side ? `${innerWidth - event.clientX + 14}px` : "";
    tip.style.top = `${Math.max(4, Math.min(event.clientY - 10, innerHeight - tip.offsetHeight - 4))}px`;
  });

  // A link to what is folded away opens it.
  const open = () => document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest("details")?.setAttribute("open", "");
  addEventListener("hashchange", open);
  open();
}
