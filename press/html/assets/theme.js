(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("press-theme"); } catch { /* a private window */ }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.body.classList.replace("quarto-light", dark ? "quarto-dark" : "quarto-light");
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
})();
