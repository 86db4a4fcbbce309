// Figures are drawn when they come near the screen; the rest when there is time, for a print.
const INK = "#7f8891", dark = matchMedia("(prefers-color-scheme: dark)");
const plots = [...document.querySelectorAll(".plot")];
const items = new Map(plots.map((box) => [box, box.firstElementChild.textContent]));
const drawn = new Set();
const draw = async (box) => {
  if (drawn.has(box)) return;
  drawn.add(box);
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--soft").trim();
  box.replaceChildren();
  await Bokeh.embed.embed_item(JSON.parse(items.get(box).replaceAll(INK, ink)), box);
};
const near = new IntersectionObserver((seen) => {
  for (const one of seen) if (one.isIntersecting) { near.unobserve(one.target); draw(one.target); }
}, { rootMargin: "600px" });
plots.forEach((box) => near.observe(box));
const rest = () => {
  const box = plots.find((one) => !drawn.has(one));
  if (box) draw(box).then(() => (window.requestIdleCallback ?? setTimeout)(rest));
};
addEventListener("load", () => setTimeout(rest, 400));
addEventListener("beforeprint", () => plots.forEach(draw));
dark.addEventListener("change", () => { drawn.clear(); plots.forEach(draw); });
