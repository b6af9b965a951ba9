const field = document.querySelector("#search");
const rows = document.querySelectorAll(".long-table tbody tr");
field.parentElement.hidden = false;
field.addEventListener("input", () => {
  const wanted = field.value.trim().toLowerCase();
  for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  if (wanted) document.querySelectorAll("details:has(.long-table)").forEach((fold) => { fold.open = true; });
});
