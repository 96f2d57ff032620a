// Light or dark, and the colors and fonts that the host says.

export function applyTheme({ theme, styles, safeAreaInsets }) {
  const root = document.documentElement;
  root.style.colorScheme = theme === "light" || theme === "dark" ? theme : "light dark";
  for (const [name, value] of Object.entries(styles?.variables ?? {}))
    if (name.startsWith("--") && value) root.style.setProperty(name, value);
  // The host's own @font-face rules are left alone: they would load something.
  for (const side of ["top", "right", "bottom", "left"])
    root.style.setProperty(`--inset-${side}`, `${safeAreaInsets?.[side] ?? 0}px`);
}

export const isDark = (theme) =>
  theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
