// Numbers, times, names and CSV.

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export function short(value) {
  if (!isNumber(value)) return plain(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}

// Any value of a summary as text, in full; a list of simple values as these.
export function plain(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value?.$complex)) {
    const [re, im] = value.$complex;
    return `${re} ${String(im).startsWith("-") ? "−" : "+"} ${String(im).replace("-", "")}i`;
  }
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export const percent = (share) => `${Number((100 * share).toPrecision(3))} %`;

export function duration(seconds) {
  const whole = Math.max(Math.round(seconds), 0);
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const units = ["h", "min", "s"];
  const first = parts.findIndex((part) => part > 0);
  return first < 0 ? "0 s" : parts.slice(first, first + 2).map((part, at) => `${part} ${units[first + at]}`).join(" ");
}

const CONTAINERS = new Set(["", "result", "pub_results", "data"]);

// What a person calls the part at a JSON pointer: "pub 2" for /result/pub_results/2; of a single pub, nothing.
export function partName(pointer, hasPubs) {
  const tokens = pointer.split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
  const words = tokens.map((token, at) => (tokens[at - 1] !== "pub_results" ? token : hasPubs ? `pub ${token}` : ""));
  return words.filter((word) => !CONTAINERS.has(word)).map((word) => word.replaceAll("_", " ")).join(", ");
}

// Spreadsheets run what begins like a formula, and labels come from other people's functions. Numbers and Pauli
// strings may begin with a sign.
const FORMULA = /^[=@\t\r]|^[+-](?![\w. *+-]*$)/;

export function delimited(columns, rows, separator) {
  const cell = (value) => {
    const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : plain(value);
    return text.includes(separator) || /["\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(separator)).join("\r\n") + "\r\n";
}
