// Arrow keys and page keys go from slide to slide; within a long slide they scroll first.
const slides = [...document.querySelectorAll("section")];
const current = () => slides.findLastIndex((slide) => slide.getBoundingClientRect().top < innerHeight / 3);
function go(step) {
  const next = slides[Math.min(Math.max(current() + step, 0), slides.length - 1)];
  next.scrollIntoView();
  next.focus({ preventScroll: true });
}
addEventListener("keydown", (event) => {
  const keys = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };
  if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in keys)) return;
  if (event.target.closest("pre, .scroll, iframe, summary") && event.key.startsWith("Arrow")) return;
  event.preventDefault();
  go(keys[event.key]);
});
