// In an interactive part: take the theme of the page around it, and tell that page how high the part is, unless it fills any height.
if (parent !== window) {
  const fills = document.currentScript.dataset.fills !== undefined;
  addEventListener("message", (event) => {
    const theme = event.data?.minigradTheme;
    if (theme !== "dark" && theme !== "light") return;
    document.documentElement.style.colorScheme = theme;
    for (const sheet of document.styleSheets)
      for (const rule of sheet.cssRules) {
        if (!(rule instanceof CSSMediaRule)) continue;
        rule.darkness ??= rule.media.mediaText.includes("prefers-color-scheme: dark");
        if (rule.darkness) rule.media.mediaText = theme === "dark" ? "all" : "not all";
      }
  });
  const tell = () => parent.postMessage({ minigradHeight: fills ? null : document.body.scrollHeight }, "*");
  addEventListener("load", tell);
  new ResizeObserver(tell).observe(document.body);
}
