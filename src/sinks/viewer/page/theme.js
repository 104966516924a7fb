// Runs before the first paint, so that a remembered theme never flashes the other one.
(() => {
  const light = matchMedia("(prefers-color-scheme: light)");
  const remembered = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // Storage may be forbidden; the system's preference then decides.
    }
  };
  const apply = () => {
    document.documentElement.dataset.theme = remembered() ?? (light.matches ? "light" : "dark");
    dispatchEvent(new Event("theme"));
  };
  light.addEventListener("change", apply);
  apply();
})();
