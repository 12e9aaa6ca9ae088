// What the theme leaves out for readers who use a keyboard or hear the page.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("pre, .table-wrapper")) box.tabIndex = 0;
  for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = "2";
  document.querySelector("aside.sidebar-drawer").ariaLabel = "Pages";
  document.querySelector("aside.toc-drawer").ariaLabel = "On this page";
});
