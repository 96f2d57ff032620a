// A table that can be sorted, copied and saved. Charts are columns of it, or stand beside it.

import { useContext, useState } from "preact/hooks";
import { Host } from "./context.js";
import { delimited, isNumber, plain, short } from "./format.js";
import { copy, download } from "./host.js";

const FIRST_ROWS = 12;

const ascending = (a, b) =>
  isNumber(a) && isNumber(b) ? a - b : plain(a).localeCompare(plain(b), "en", { numeric: true });

// `columns` have a name, and perhaps a shorter `head` to show, and `draw`, which makes what a cell shows out of its row;
// such a column with `isChart` is not data, and one that is `isUnseen` is copied and saved, but shown by another. `rows`
// are lists of values.
export function Table({ caption, file, columns, rows, sorted = null, note }) {
  const { canSave } = useContext(Host);
  const [sort, setSort] = useState(sorted);
  const [most, setMost] = useState(FIRST_ROWS);
  const [said, setSaid] = useState("");
  const data = columns.filter((column) => !column.isChart);
  const place = new Map(data.map((column, at) => [column, at]));
  const seen = columns.filter((column) => !column.isUnseen);
  const hasChart = seen.some((column) => column.isChart);
  const order = sort
    ? [...rows].sort((a, b) => (sort.isDown ? -1 : 1) * ascending(a[sort.at], b[sort.at]))
    : rows;
  const shown = order.slice(0, most);

  const say = async (work, done) => {
    try {
      await work();
      setSaid(done);
    } catch (error) {
      setSaid(`Not done: ${error.message}.`);
    }
  };
  const names = data.map((column) => column.name);
  const sortBy = (at) =>
    setSort((before) => ({ at, isDown: before?.at === at ? !before.isDown : isNumber(rows[0]?.[at]) }));

  return (
    <div class="table">
      <div class="scroll" tabindex="0" role="region" aria-label={caption}>
        <table class={hasChart ? "wide" : ""}>
          <caption class="unseen">{caption}</caption>
          <thead>
            <tr>
              {seen.map((column) => {
                if (column.isChart) return <th scope="col" class="chart">{column.head ?? column.name}</th>;
                const at = place.get(column);
                const direction = sort?.at === at ? (sort.isDown ? "descending" : "ascending") : undefined;
                return (
                  <th scope="col" aria-sort={direction} class={isNumber(rows[0]?.[at]) ? "number" : ""}>
                    <button type="button" class="head" onClick={() => sortBy(at)}>
                      <bdi>{column.head ?? column.name}</bdi>
                      <span aria-hidden="true">{direction ? (sort.isDown ? " ▼" : " ▲") : " ↕"}</span>
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr>
                {seen.map((column) => {
                  const value = row[place.get(column)];
                  if (column.isChart) return <td class="chart">{column.draw(row)}</td>;
                  return isNumber(value) ? (
                    <td class="number">{column.draw ? column.draw(row) : short(value)}</td>
                  ) : (
                    <td class={column.isCode ? "code" : ""}><bdi>{plain(value)}</bdi></td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="tools">
        {rows.length > most && (
          <button type="button" onClick={() => setMost(rows.length)}>Show all {short(rows.length)} rows</button>
        )}
        <button type="button" onClick={() => say(() => copy(delimited(names, order, "\t")), "Copied.")}>
          Copy table
        </button>
        {canSave && (
          <button
            type="button"
            onClick={() => say(() => download(`${file}.csv`, "text/csv", delimited(names, order, ",")), "Saved.")}
          >
            Save as CSV
          </button>
        )}
        <span role="status">{said}</span>
        {note && <span class="faint">{note}</span>}
      </p>
    </div>
  );
}
