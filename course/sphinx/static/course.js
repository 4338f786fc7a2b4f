// Pictures and interactive parts follow the theme of the page, which its reader can switch.
const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

function dressPictures() {
  for (const sheet of document.styleSheets) {
    if (!(sheet.ownerNode instanceof SVGElement)) continue;
    for (const rule of sheet.cssRules) {
      if (!(rule instanceof CSSMediaRule)) continue;
      rule.darkness ??= rule.media.mediaText.includes("prefers-color-scheme: dark");
      if (rule.darkness) rule.media.mediaText = theme() === "dark" ? "all" : "not all";
    }
  }
}

function tell(frame) {
  frame.contentWindow?.postMessage({ minigradTheme: theme() }, "*");
}

function everything() {
  dressPictures();
  document.querySelectorAll("figure.part iframe").forEach(tell);
}

addEventListener("message", (event) => {
  const frame = [...document.querySelectorAll("figure.part iframe")].find((each) => each.contentWindow === event.source);
  if (!frame || event.data?.minigradHeight === undefined) return;
  const height = event.data.minigradHeight;
  if (typeof height === "number") frame.style.height = `${Math.ceil(Math.min(Math.max(height, 120), 1200))}px`;
  tell(frame);
});

new MutationObserver(everything).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
everything();
