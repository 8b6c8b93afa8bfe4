"use strict";
(() => {
  const tools = document.getElementById("tools");
  if (!tools) return;
  const search = document.getElementById("search");
  const level = document.getElementById("level");
  const chapter = document.getElementById("chapter");
  const cause = document.getElementById("cause");
  const shown = document.getElementById("shown");
  const kinds = [...tools.querySelectorAll("[name=kind]")];
  const sections = [...document.querySelectorAll(".chapter")];
  const clauses = [...document.querySelectorAll(".clause")].map((element) => ({
    element,
    data: element.dataset,
    text: element.textContent.toLowerCase(),
  }));

  const filter = () => {
    const wanted = kinds.filter((box) => box.checked).map((box) => box.value);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { element, data, text } of clauses) {
      const fits =
        (!wanted.length || wanted.includes(data.kind)) &&
        (!level.value || level.value === data.level) &&
        (!chapter.value || chapter.value === data.chapter) &&
        (!cause?.value || data.causes.split(" ").includes(cause.value)) &&
        words.every((word) => text.includes(word));
      element.hidden = !fits;
      count += fits;
    }
    for (const section of sections)
      section.hidden = !section.querySelector(".clause:not([hidden])");
    shown.textContent = `${count} of ${clauses.length} clauses shown.`;
  };
  const reset = () => {
    tools.reset();
    filter();
  };
  const visible = () => clauses.map((each) => each.element).filter((element) => !element.hidden);
  const only = (kind) => {
    tools.reset();
    for (const box of kinds) box.checked = box.value === kind;
    filter();
  };
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest("[hidden]")) reset();
    for (let each = target; each; each = each.parentElement)
      if (each.tagName === "DETAILS") each.open = true;
    target.scrollIntoView();
  };
  const step = (by) => {
    const summaries = visible().map((element) => element.querySelector("summary"));
    const at = summaries.indexOf(document.activeElement);
    const next = at < 0 && by < 0 ? -1 : at + by;
    if (next < 0) search.focus();
    else if (next < summaries.length) summaries[next].focus();
  };

  tools.addEventListener("input", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("reset", () => setTimeout(filter));
  document.getElementById("open").addEventListener("click", () => {
    for (const element of visible()) element.open = true;
  });
  document.getElementById("close").addEventListener("click", () => {
    for (const { element } of clauses) element.open = false;
  });
  for (const tile of document.querySelectorAll("[data-only]"))
    tile.addEventListener("click", () => only(tile.dataset.only));
  addEventListener("hashchange", follow);
  document.addEventListener("keydown", (event) => {
    const here = document.activeElement;
    const typing = here.matches("input[type=search], select");
    const listed = here === search || here.matches(".clause > summary");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !typing) search.focus();
    else if (event.key === "Escape") reset();
    else if (event.key === "ArrowDown" && listed) step(1);
    else if (event.key === "ArrowUp" && listed) step(-1);
    else return;
    event.preventDefault();
  });

  tools.hidden = false;
  filter();
  follow();
})();
